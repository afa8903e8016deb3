"""What counts as other images, and what as other labels."""

import os
import shutil

import fixtures
import folder_fixtures
import numpy as np
import pytest
from PIL import Image

from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import contents
from eqlandmarks.datasets.base import loader

HEADER = 'path,split,a_x,a_y,b_x,b_y'


def rows(**changed):
  splits = ['train'] * 5 + ['test'] * 3
  made = {f'i{i}': f'{i}.png,{splits[i]},{i},1,2,3' for i in range(8)}
  return [*(made | changed).values()]


@pytest.fixture
def root(tmp_path):
  """Eight labelled images of 32 x 32, as stored, and two without labels."""
  rng = np.random.default_rng(0)
  folder = tmp_path / 'photos'
  folder.mkdir()
  for i in range(10):
    pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{i}.png')
  folder_fixtures.table(folder, rows(), HEADER)
  return folder


def content(root, tmp_path, **fields):
  builder = folder_fixtures.build(
      root, tmp_path / 'data', **{'labels': 'labels.csv'} | fields
  )
  caching.prepare(builder, 'x')
  return contents.of(builder, loader.describe(builder))


def touch(root):
  for path in root.iterdir():
    os.utime(path, (1e9, 1e9))
  return root


def move(root):
  return root.rename(root.parent / 'elsewhere')


def copy(root):
  return shutil.copytree(root, root.parent / 'copy')


def link(root):
  (root.parent / 'link').symlink_to(root)
  return root.parent / 'link'


def pack_again(root):
  """Other files of the same pixels."""
  for path in root.glob('*.png'):
    Image.open(path).save(path, compress_level=0)
  return root


@pytest.mark.parametrize('change', [touch, move, copy, link, pack_again])
def test_the_same_data(root, tmp_path, change):
  before = content(root, tmp_path)
  assert len(before.ids) == 7
  after = content(change(root), tmp_path)
  assert (after.images, after.labels) == (before.images, before.labels)
  np.testing.assert_array_equal(after.prints, before.prints)


def paint(name, keep_times=False):
  def change(root):
    path = root / name
    stat = path.stat()
    image = Image.open(path)
    image.putpixel((5, 7), (image.getpixel((5, 7))[0] ^ 1, 0, 0))
    image.save(path)
    if keep_times:
      os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

  return change


def table(**changed):
  return lambda root: folder_fixtures.table(root, rows(**changed), HEADER)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (paint('3.png'), '7 now, 7 then: 1 of other content, the '
         'first is 3.png'),
        (paint('9.png', keep_times=True), '1 of other content, the first is 9'),
        (lambda root: shutil.copy(root / '0.png', root / 'zz.png'),
         '8 now, 7 then: 1 more, the first is zz.png'),
        (lambda root: (root / '8.png').unlink(),
         '6 now, 7 then: 1 fewer, the first is 8.png'),
        (lambda root: (root / '9.png').rename(root / 'a.png'),
         '1 more, the first is a.png; 1 fewer, the first is 9.png'),
        (table(i4='4.png,test,4,1,2,3'), '1 fewer, the first is 4.png'),
        (table(i5='5.png,train,5,1,2,3'), '1 more, the first is 5.png'),
    ],
)  # fmt: skip
def test_other_images(root, tmp_path, change, said):
  before = content(root, tmp_path)
  change(root)
  after = content(root, tmp_path)
  assert after.images != before.images
  found = contents.difference(before.ids, before.prints, after)
  assert said in found


@pytest.mark.parametrize(
    ('change', 'fields'),
    [
        (table(i0='0.png,train,9,1,2,3'), {}),
        (table(i5='5.png,test,9,1,2,3'), {}),
        (table(i5='5.png,test,,,2,3'), {}),
        (table(i5='5.png,none,5,1,2,3'), {}),  # left out of everything
        (table(i0='0.png,train,,,,'), {}),  # trains without labels
        (paint('6.png'), {}),
        (lambda root: (root / '7.png').unlink(), {'exclude': '7.png'}),
        (lambda root: None, {'eyes': 'a,b'}),
        (lambda root: None, {'groups': 'both=a+b'}),
        (lambda root: folder_fixtures.table(
            root, rows(), HEADER.replace('b_', 'c_')), {}),
    ],
)  # fmt: skip
def test_the_same_images_and_other_labels(root, tmp_path, change, fields):
  before = content(root, tmp_path)
  change(root)
  after = content(root, tmp_path, **fields)
  assert after.images == before.images
  assert after.labels != before.labels


def test_without_labels_what_trains_is_shown(root, tmp_path):
  before = content(root, tmp_path, labels='')
  paint('6.png')(root)
  after = content(root, tmp_path, labels='')
  assert after.images != before.images
  assert after.labels != before.labels


def test_fields_of_generated_images(tmp_path):
  made = {}
  fields = {'num_train': 3, 'num_validation': 2, 'num_test': 2, 'seed': 0}
  for name, value in (('seed', 0), ('seed', 1), ('num_train', 4),
                      ('num_test', 3)):  # fmt: skip
    builder = fixtures.make('signer', data_dir=tmp_path, image_size=32,
        **fields | {name: value},
    )  # fmt: skip
    caching.prepare(builder, 'x')
    made[name, value] = contents.of(builder, loader.describe(builder))
  first = made.pop(('seed', 0))
  assert made['seed', 1].images != first.images
  assert '1 more, the first is train/000003' in contents.difference(
      first.ids, first.prints, made['num_train', 4]
  )
  assert made['num_test', 3].images == first.images
  assert made['num_test', 3].labels != first.labels
