"""The dataset `folder` with labels in every format."""

import folder_fixtures
import numpy as np
import pytest
from fixtures import assert_one_line
from fixtures import description
from fixtures import prepared
from folder_fixtures import picture

from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths

HEIGHT, WIDTH, SIZE = 20, 40, 40
FILES = {
    'table': 'l.csv', 'deeplabcut': 'l.csv', 'lightning-pose': 'l.csv',
    'coco': 'l.json', 'sleap': 'l.slp', 'pts': 'p',
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
  for n in range(6):
    picture(tmp_path / 'root' / f'v/img{n}.png')
  return tmp_path / 'root'


def some_poses(images):
  rng = np.random.default_rng(0)
  points = rng.uniform(0, [HEIGHT, WIDTH], (len(images), 2, 2))
  points[1, 1] = np.nan
  return formats.Poses(('1', '2'), images, points)


def build(root, labels, **fields):
  return folder_fixtures.build(root, labels=labels, image_size=SIZE, **fields)


def stored(builder):
  """The points of all labelled images: id -> [J, 2]."""
  splits = prepared(builder)
  return {
      name: example['points'] for split in ('train', 'test')
      for name, example in splits[split].items()
  }


def assert_stored(builder, poses):
  found = stored(builder)
  assert set(found) == set(poses.images)
  for image, points in zip(poses.images, poses.points, strict=True):
    expected = points * [SIZE / HEIGHT, SIZE / WIDTH]
    np.testing.assert_allclose(found[image], expected, atol=1e-3)


@pytest.mark.parametrize('form', FILES)
def test_every_format(root, form):
  poses = some_poses([f'v/img{n}.png' for n in range(4)])
  formats.write(poses, root / FILES[form], form)
  builder = build(root, FILES[form])
  assert_stored(builder, poses)
  about = description(builder)
  assert about.point_names == ('1', '2')
  assert about.notes[0] == (
      'test: 1 of 4 labelled images, the last in natural order'
  )


def test_points_files_beside_the_images(root):
  poses = some_poses([f'v/img{n}.png' for n in range(4)])
  formats.write(poses, root.parent / 'p', 'pts')
  for path in (root.parent / 'p' / 'v').iterdir():
    path.rename(root / 'v' / path.name)
  before = build(root, 'pts', exclude='v/img3*')
  assert len(stored(before)) == 3
  builder = build(root, 'pts')
  assert_stored(builder, poses)
  assert builder.data_dir != before.data_dir
  changed = (root / 'v/img0.pts').read_text().replace('\n{', '\n{ ')
  (root / 'v/img0.pts').write_text(changed)
  assert build(root, 'pts').data_dir != builder.data_dir


def test_the_split_of_a_table(root):
  poses = some_poses([f'v/img{n}.png' for n in range(4)])
  splits = ('train', 'test', 'test', 'val')
  formats.write(
      formats.Poses(poses.names, poses.images, poses.points, splits=splits),
      root / 'l.csv', 'table',
  )  # fmt: skip
  found = stored(build(root, 'l.csv'))
  assert set(found) == {f'v/img{n}.png' for n in range(3)}


@pytest.mark.parametrize(
    ('form', 'file'), [('sleap', 'l.slp'), ('deeplabcut', 'v.csv')]
)
def test_frames_match_by_number(root, form, file):
  """However many digits, and in whatever folder, the frames were saved."""
  images = [paths.frame_name('v.mp4', n) for n in range(4)]
  poses = some_poses(images)
  poses = formats.Poses(
      poses.names, images, poses.points, np.full((4, 2), 0.75), video='v.mp4'
  )
  formats.write(poses, root / file, form)
  found = stored(build(root, file))
  assert set(found) == {f'v/img{n}.png' for n in range(4)}
  np.testing.assert_allclose(
      found['v/img2.png'], poses.points[2] * [SIZE / HEIGHT, 1], atol=1e-3
  )


def test_frames_that_could_be_two_images_name_both(root):
  for n in range(6):
    picture(root / f'a/x/img{n}.png')
    picture(root / f'b/x/img{n}.png')
  images = [paths.frame_name('x.mp4', n) for n in range(4)]
  poses = some_poses(images)
  formats.write(
      formats.Poses(poses.names, images, poses.points, video='x.mp4'),
      root / 'l.slp', 'sleap',
  )  # fmt: skip
  with pytest.raises(UserError, match=r'may mean a/x/img0.png or b/x/img0.png'):
    build(root, 'l.slp')


@pytest.mark.parametrize('form', ['deeplabcut', 'lightning-pose'])
def test_check_pictures_are_left_out(root, form):
  for n in range(6):
    picture(root / f'v_labeled/img{n}.png')
  formats.write(
      some_poses([f'v/img{n}.png' for n in range(4)]), root / FILES[form], form
  )
  about = description(build(root, FILES[form]))
  assert about.notes[0] == (
      'images: 6 pictures that DeepLabCut has drawn are left out, the first in '
      'v_labeled'
  )


@pytest.mark.parametrize('form', sorted(set(FILES) - {'pts'}))
def test_images_that_do_not_exist(root, form):
  poses = some_poses(['v/img0.png', 'v/img1.png', 'w/x.png'])
  formats.write(poses, root / FILES[form], form)
  assert_one_line(
      lambda: build(root, FILES[form]), '1 of 3 rows', "'w/x.png'",
      root / FILES[form], 'expected paths',
  )  # fmt: skip
  assert not (root.parent / 'prepared').exists()


def test_points_files_without_images(root):
  formats.write(some_poses(['v/img0.png', 'w/x.png']), root / 'p', 'pts')
  with pytest.raises(UserError, match=r'x.pts: found as its image none, exp'):
    build(root, 'p')
  (root / 'p' / 'w' / 'x.pts').write_text('version: 1')
  with pytest.raises(UserError, match=r"x.pts: found 'version: 1', expected"):
    build(root, 'p')


def test_no_points_files(root):
  for labels in ('pts', 'v'):
    with pytest.raises(UserError, match=r'found no .pts file .* expected one'):
      build(root, labels)


def test_a_point_outside_names_its_place(root):
  poses = some_poses([f'v/img{n}.png' for n in range(4)])
  poses.points[2, 0] = [3, WIDTH + 1]
  formats.write(poses, root / 'l.json', 'coco')
  with pytest.raises(UserError, match=r'annotations\[2\]: found point .1.'):
    build(root, 'l.json')
