"""Sizes in label files that are not those of the images."""

import json

import numpy as np
import pytest
from fixtures import assert_one_line
from folder_fixtures import build
from PIL import Image

from eqlandmarks import formats

TURNED = 6  # EXIF: the first row is shown on the right


@pytest.fixture
def root(tmp_path):
  """Three images of 40 x 20, of which the last is shown turned."""
  for n in range(3):
    image = Image.new('L', (40, 20), 9 * n)
    exif = image.getexif()
    if n == 2:
      exif[0x0112] = TURNED
    (tmp_path / 'root').mkdir(exist_ok=True)
    image.save(tmp_path / f'root/{n}.jpg', exif=exif)
  return tmp_path / 'root'


def label(root, sizes, labelled=(0, 1, 2)):
  """A COCO file with (width, height) of the images, or None."""
  images = [{'id': n, 'file_name': f'{n}.jpg'} for n in range(len(sizes))]
  for entry, size in zip(images, sizes, strict=True):
    entry |= dict(zip(('width', 'height'), size or (), strict=False))
  data = {
      'images': images,
      'annotations': [
          {'id': n, 'image_id': n, 'category_id': 1, 'keypoints': [5, 5, 2]}
          for n in labelled
      ],
      'categories': [{'id': 1, 'keypoints': ['a']}],
  }
  (root / 'l.json').write_text(json.dumps(data))


def refused(root, *parts, labels='l.json'):
  return assert_one_line(lambda: build(root, labels=labels), *parts)


def test_sizes_as_shown_are_right(root):
  label(root, [(40, 20), None, (20, 40)])
  assert set(build(root, labels='l.json').split_sizes()) == {'train', 'test'}


@pytest.mark.parametrize('size', [(80, 40), (41, 20), (20, 40)])
def test_one_image_of_another_size(root, size):
  label(root, [(40, 20), size, (20, 40)])
  text = 'x'.join(map(' {} '.format, size)).strip()
  refused(
      root, 'l.json, annotations[1]', f'size {text} for 1.jpg', '40 x 20 pixels'
  )


def test_a_picture_labelled_without_its_orientation(root):
  label(root, [(40, 20)] * 3)
  refused(
      root, '40 x 20 for 2.jpg', '20 x 40 pixels', 'EXIF orientation turns it'
  )


def test_images_without_points_may_have_any_size(root):
  label(root, [(40, 20), (20, 10), (20, 40)], labelled=(0, 2))
  build(root, labels='l.json').split_sizes()


def test_the_first_image_stands_for_all_of_sleap(root):
  points = np.full((2, 1, 2), 5.0)
  points[0] = np.nan
  poses = formats.Poses(
      ('a',), ('0.jpg', '1.jpg'), points, sizes=[[10, 20]] * 2
  )
  formats.write(poses, root / 'l.slp', 'sleap')
  refused(root, 'size 20 x 10 for 0.jpg', '40 x 20 pixels', labels='l.slp')


def test_swapped_sizes_of_images_without_exif(tmp_path):
  root = tmp_path / 'root'
  root.mkdir()
  for n in range(3):
    Image.new('L', (40, 20), 9 * n).save(root / f'{n}.bmp')
  label(root, [(20, 40)] * 3)
  text = (root / 'l.json').read_text().replace('.jpg', '.bmp')
  (root / 'l.json').write_text(text)
  assert 'EXIF' not in refused(root, '20 x 40 ', ' 40 x 20')
