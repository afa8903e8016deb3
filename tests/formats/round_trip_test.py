import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from eqlandmarks import formats
from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import paths

ENDINGS = {
    'table': 'labels.csv', 'deeplabcut': 'CollectedData_me.csv',
    'deeplabcut-h5': 'CollectedData_me.h5', 'lightning-pose': 'labels.csv',
    'coco': 'labels.json', 'sleap': 'labels.slp', 'pts': 'points',
}  # fmt: skip
NAMES = ('left ear', 'Öhrchen, "rechts"', '尾 1', 'x_y')
IMAGES = ('labeled-data/a video/img1.png', 'labeled-data/é/img2.png', '3.png')
# H5 is written only: tests/system/safe_loading_test.py.
READABLE = tuple(form for form in formats.FORMATS if form != 'deeplabcut-h5')
WITHOUT_SCORER = ('table', 'sleap', 'pts')
WITHOUT_CONFIDENCE = ('pts',)


def some_poses(seed=0, **fields):
  rng = np.random.default_rng(seed)
  points = rng.uniform(0, 2000, (len(IMAGES), len(NAMES), 2))
  points[1, 2] = np.nan
  fields = {'names': NAMES, 'images': IMAGES, 'scorer': 'Zoë M'} | fields
  return formats.Poses(**({'points': points} | fields))


def with_confidence(poses, seed=1):
  scores = np.random.default_rng(seed).uniform(0, 1, poses.points.shape[:2])
  return dataclasses.replace(poses, confidence=scores)


def make_images(root, poses):
  for image in poses.images:
    (root / image).parent.mkdir(parents=True, exist_ok=True)
    (root / image).write_bytes(b'')


def round_trip(tmp_path, poses, form):
  """Writes and reads, with the format recognised by the reader."""
  make_images(tmp_path, poses)
  path = tmp_path / ENDINGS[form]
  formats.write(poses, path, form)
  assert not list(tmp_path.glob('*.partial'))
  return formats.read(path, root=tmp_path)


def order(again, poses):
  """Files of points come sorted by name, the others in order."""
  assert sorted(again.images) == sorted(poses.images)
  return [again.images.index(image) for image in poses.images]


def assert_same_points(again, poses):
  index = order(again, poses)
  np.testing.assert_allclose(again.points[index], poses.points, atol=1e-3)


def test_every_format_is_tried():
  assert set(ENDINGS) == set(formats.FORMATS) == set(conventions.CENTRE)


@pytest.mark.parametrize('form', READABLE)
def test_labels(tmp_path, form):
  poses = some_poses()
  again = round_trip(tmp_path, poses, form)
  assert_same_points(again, poses)
  assert again.confidence is None and again.video == ''
  if form == 'pts':
    assert again.names == ('1', '2', '3', '4')
  else:
    assert again.names == NAMES and again.images == IMAGES
  assert again.scorer == ('' if form in WITHOUT_SCORER else 'Zoë M')
  assert len(again.where) == 3 and str(tmp_path) in again.where[0]


@pytest.mark.parametrize('form', READABLE)
def test_predictions(tmp_path, form):
  poses = with_confidence(some_poses())
  again = round_trip(tmp_path, poses, form)
  assert_same_points(again, poses)
  if form in WITHOUT_CONFIDENCE:
    assert again.confidence is None
    return
  there = np.isfinite(poses.points[..., 0])
  np.testing.assert_allclose(
      again.confidence[there], poses.confidence[there], atol=1e-3
  )


@pytest.mark.parametrize('form', READABLE)
@pytest.mark.parametrize('missing', [0, 2])
def test_an_image_without_points_stays(tmp_path, form, missing):
  poses = some_poses()
  poses.points[missing] = np.nan
  again = round_trip(tmp_path, poses, form)
  assert_same_points(again, poses)
  assert np.isnan(again.points[order(again, poses)[missing]]).all()


@pytest.mark.parametrize('form', READABLE)
def test_no_points_at_all(tmp_path, form):
  poses = some_poses(points=np.full((3, 4, 2), np.nan))
  assert_same_points(round_trip(tmp_path, poses, form), poses)


@pytest.mark.parametrize('form', READABLE)
def test_one_point_on_one_image(tmp_path, form):
  poses = formats.Poses(('1',), ('a.b.png',), np.array([[[0.5, 12345.678]]]))
  again = round_trip(tmp_path, poses, form)
  assert_same_points(again, poses)
  assert again.images == ('a.b.png',) and again.names == ('1',)


@pytest.mark.parametrize('form', ['coco', 'sleap'])
def test_sizes(tmp_path, form):
  poses = some_poses(sizes=[[48, 64]] * 3)
  again = round_trip(tmp_path, poses, form)
  if form == 'coco':
    np.testing.assert_array_equal(again.sizes, poses.sizes)
  assert_same_points(again, poses)


@pytest.mark.parametrize('form', ['table', 'lightning-pose'])
def test_splits(tmp_path, form):
  poses = with_confidence(some_poses(splits=('train', 'test', '')))
  assert round_trip(tmp_path, poses, form).splits == poses.splits
  poses = dataclasses.replace(poses, splits=None)
  assert round_trip(tmp_path, poses, form).splits is None


FRAMES = [0, 7, 123456]


@pytest.mark.parametrize('form', READABLE)
def test_frames_of_a_video(tmp_path, form):
  images = [paths.frame_name('films/my film.v2.mp4', n) for n in FRAMES]
  assert images[1] == 'my film.v2/img00000007.png'
  poses = with_confidence(
      some_poses(images=images, video='films/my film.v2.mp4', scorer='net')
  )
  make_images(tmp_path, poses)
  names = {
      'deeplabcut': 'my film.v2net.csv', 'lightning-pose': 'my film.v2.csv',
  }  # fmt: skip
  path = tmp_path / names.get(form, ENDINGS[form])
  formats.write(poses, path, form)
  again = formats.read(path, form, root=tmp_path)
  assert again.images == tuple(images)
  assert_same_points(again, poses)
  if form in (*names, 'sleap'):
    assert paths.frame_name(again.video, 7) == images[1]


def test_video_predictions_are_indexed_by_frame(tmp_path):
  import pandas

  images = [paths.frame_name('v.mp4', n) for n in FRAMES]
  poses = with_confidence(some_poses(images=images, video='v.mp4'))
  formats.write(poses, tmp_path / 'v.h5', 'deeplabcut-h5')
  formats.write(poses, tmp_path / 'v.csv', 'lightning-pose')
  assert list(pandas.read_hdf(tmp_path / 'v.h5').index) == FRAMES
  frame = pandas.read_csv(tmp_path / 'v.csv', header=[0, 1, 2], index_col=0)
  assert list(frame.index) == FRAMES


def test_what_is_there_is_replaced(tmp_path):
  for form in set(READABLE) - {'pts'}:
    path = tmp_path / ENDINGS[form]
    path.write_bytes(b'old')
    assert_same_points(round_trip(tmp_path, some_poses(), form), some_poses())


@pytest.mark.parametrize('form', formats.FORMATS)
def test_nowhere_to_write(tmp_path, form):
  (tmp_path / 'file').write_bytes(b'')
  for place in ('absent', 'file'):
    with pytest.raises(UserError, match='cannot be written') as error:
      formats.write(some_poses(), tmp_path / place / ENDINGS[form], form)
    message = str(error.value)
    assert ENDINGS[form] in message and 'expected a place' in message
    assert '\n' not in message and '.partial' not in message
  assert os.listdir(tmp_path) == ['file']


@pytest.fixture
def powerless():
  """Root may write anywhere, so it becomes somebody else for a while."""
  was = os.geteuid()

  def drop():
    if was == 0:
      os.seteuid(65534)

  yield drop
  os.seteuid(was)


@pytest.mark.skipif(not hasattr(os, 'seteuid'), reason='needs POSIX')
@pytest.mark.parametrize('form', formats.FORMATS)
def test_no_permission(tmp_path, form, powerless):
  # Once where it works, since libraries import some of their parts late.
  formats.write(some_poses(), tmp_path / ENDINGS[form], form)
  (tmp_path / 'closed').mkdir(mode=0o500)
  powerless()
  with pytest.raises(UserError) as error:
    formats.write(some_poses(), tmp_path / 'closed' / ENDINGS[form], form)
  os.seteuid(os.getuid())
  message = str(error.value)
  assert 'cannot be written' in message and 'expected a place' in message
  assert 'Permission denied' in message and '.partial' not in message
  assert os.listdir(tmp_path / 'closed') == []


@pytest.mark.parametrize('form', formats.FORMATS)
def test_nothing_stays_behind_if_the_writer_breaks(tmp_path, form, monkeypatch):
  path = tmp_path / ENDINGS[form]
  monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(OSError))
  with pytest.raises(UserError, match='cannot be written'):
    formats.write(some_poses(), path, form)
  assert os.listdir(tmp_path) == []


def test_refused_before_anything_is_written(tmp_path):
  cases = [
      (some_poses(), 'dlc', ["found 'dlc'", 'expected one of coco, deepl']),
      (some_poses(), '', ["found ''", 'expected one of']),
      (
          some_poses(images=('a.png', 'a.jpg', 'b.png')), 'pts',
          ["two images for 'a.pts'", 'expected'],
      ),
      (
          formats.Poses(('a',), (), np.zeros((0, 1, 2))), 'coco',
          ['found no images', 'expected at least one'],
      ),
      (
          some_poses(video='v.mp4', images=('v/1', 'v/2', 'v/img3.png')),
          'sleap', ["found image 'v/1'", 'expected frames'],
      ),
  ]  # fmt: skip
  for poses, form, parts in cases:
    with pytest.raises(UserError) as error:
      formats.write(poses, tmp_path / 'out', form)
    for part in parts:
      assert part in str(error.value)
  assert os.listdir(tmp_path) == []


def test_a_folder_of_points_must_be_new(tmp_path):
  (tmp_path / 'points').mkdir()
  formats.write(some_poses(), tmp_path / 'points', 'pts')
  with pytest.raises(UserError, match='expected a new or an empty folder'):
    formats.write(some_poses(), tmp_path / 'points', 'pts')
  for form in set(formats.FORMATS) - {'pts'}:
    with pytest.raises(UserError, match='found a folder'):
      formats.write(some_poses(), tmp_path / 'points', form)


@pytest.mark.parametrize('form', ['deeplabcut-h5', 'sleap'])
def test_a_library_that_is_not_installed(tmp_path, form, monkeypatch):
  library = {'deeplabcut-h5': 'pandas', 'sleap': 'sleap_io'}[form]
  package = library.replace('_', '-')
  (tmp_path / ENDINGS[form]).write_bytes(b'')
  monkeypatch.setitem(sys.modules, library, None)
  for run in (
      lambda: formats.read(tmp_path / ENDINGS[form]),
      lambda: formats.write(some_poses(), tmp_path / 'new', form),
  )[form not in READABLE :]:
    with pytest.raises(UserError) as error:
      run()
    assert library in str(error.value)
    assert str(error.value).endswith(f'pip install {package}')
  assert not (tmp_path / 'new').exists()


BAD_POSES = {
    'shape': ({'points': np.zeros((3, 2, 2))}, 'points: found shape (3, 2, 2)'),
    'infinite': ({'points': np.full((3, 4, 2), np.inf)}, 'infinite'),
    'half': ({'points': np.tile([1, np.nan], (3, 4, 1))}, 'one coordinate'),
    'confidence': ({'confidence': np.full((3, 4), 1.1)}, 'found 1.1 to 1.1'),
    'confidences': ({'confidence': np.zeros(3)}, 'found shape (3,)'),
    'sizes': ({'sizes': np.zeros((3, 3))}, 'sizes: found shape (3, 3)'),
    'name twice': ({'names': 'aabc'}, "names: found 'a' twice"),
    'name blank': ({'names': ('a', 'b', 'c', ' ')}, "names: found ' '"),
    'name padded': ({'names': ('a', 'b', 'c', ' d')}, "names: found ' d'"),
    'name broken': ({'names': ('a', 'b', 'c', 'd\nd')}, "'d\\nd'"),
    'image twice': ({'images': 'aab'}, "images: found 'a' twice"),
    'splits': ({'splits': ('train',)}, 'splits: found 1, expected 3'),
    'no splits': ({'splits': ()}, 'splits: found 0, expected 3'),
    'where': ({'where': ('l.csv',)}, 'where: found 1, expected 3'),
}


@pytest.mark.parametrize('case', BAD_POSES)
def test_poses_that_do_not_fit_together(case):
  fields, part = BAD_POSES[case]
  with pytest.raises(UserError) as error:
    some_poses(**fields)
  assert part in str(error.value) and 'expected' in str(error.value)


def test_no_points_have_names():
  with pytest.raises(UserError, match='found none, expected at least one'):
    formats.Poses((), ('a',), np.zeros((1, 0, 2)))


def test_needs_no_jax_and_no_library_before_it_is_used():
  heavy = {'jax', 'tensorflow_datasets', 'pandas', 'tables', 'sleap_io'}
  code = f'import sys, eqlandmarks.formats; print({heavy} & set(sys.modules))'
  run = [sys.executable, '-c', code]
  assert subprocess.check_output(run, text=True).strip() == 'set()'


def test_frames():
  assert paths.frame_key('labeled-data/v/img0042.png') == ('v', 42)
  assert paths.frame_key('v/img0.png') == ('v', 0)
  assert paths.frame_key(paths.frame_name('C:\\a\\v.avi', 3)) == ('v', 3)
  for other in ('img0042.png', 'v/frame1.png', 'v/img.png', 'v/img1_2.png'):
    assert paths.frame_key(other) is None


def test_images_may_be_anywhere_below_the_root(tmp_path):
  poses = some_poses()
  (tmp_path / 'labels').mkdir()
  formats.write(poses, tmp_path / 'labels' / 'l.csv', 'table')
  Image.new('L', (4, 4)).save(tmp_path / '3.png')
  again = formats.read(tmp_path / 'labels' / 'l.csv', root=tmp_path)
  assert again.images == IMAGES
