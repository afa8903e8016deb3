import hashlib
import shutil

import fixtures
import numpy as np
import pytest

from eqlandmarks.datasets.bbc_pose import CROPS
from eqlandmarks.datasets.bbc_pose import builder as module

SIZE = 160
SPLIT_OF = {'train': 'train', 'val': 'validation', 'test': 'test'}

pytestmark = pytest.mark.usefixtures('whole_bbc_pose')


def build(root, data_dir, **fields):
  fields = dict(crop_margin=40.0, image_size=SIZE) | fields
  return fixtures.make('bbc_pose', root=root, data_dir=data_dir, **fields)


def expected_ids():
  ids = {'train': set(), 'validation': set(), 'test': set()}
  for video, frames in fixtures.bbc_labels().items():
    split = SPLIT_OF[fixtures.kind_of(video)]
    ids[split] |= {f'{video}/{frame}.jpg' for frame in frames}
  return ids


@pytest.mark.parametrize('crop', CROPS)
def test_every_joint_is_where_it_is_drawn(bbc_pose, tmp_path, crop):
  splits = fixtures.prepared(build(bbc_pose, tmp_path, crop=crop))
  assert {s: {*splits[s]} for s in splits} == expected_ids()
  for examples in splits.values():
    for name, example in examples.items():
      # One wrist is not labelled, so the crop is made from the other joints.
      missing = [1] if name == '12/19.jpg' else []
      known = np.isfinite(example['points']).all(axis=1)
      assert np.flatnonzero(~known).tolist() == missing
      fixtures.assert_drawn_where_stored(example, range(7), missing)
      content = (bbc_pose / name).read_bytes()
      assert example['digest'].decode() == hashlib.sha256(content).hexdigest()


def hand_made(tmp_path, joints):
  """The example of a frame of 120 x 160 with these joints, for each crop."""
  joints = np.array(joints, np.float64)
  root = tmp_path / 'root'
  labels = fixtures.bbc_pose(root)
  labels[20] = {1: joints, 10: joints}
  (root / 'code' / 'bbcpose.mat').unlink()
  fixtures.bbc_mat(root / 'code' / 'bbcpose.mat', labels)
  for frame in (1, 10):
    content = fixtures.lossless(fixtures.picture(*fixtures.FRAME, joints))
    fixtures.write(root / '20' / f'{frame}.jpg', content)
  return {
      crop: fixtures.prepared(build(root, tmp_path, crop=crop))['test'][
          '20/10.jpg'
      ]
      for crop in CROPS
  }


def test_joints_outside_keep_their_coordinates(tmp_path):
  # (row, column) from 0; the left wrist is left of the frame.
  found = hand_made(tmp_path, [
      (29.5, 39.5), (69.5, 44.5), (49.5, -20.5), (49.5, 59.5), (59.5, 19.5),
      (39.5, 49.5), (39.5, 29.5),
  ])  # fmt: skip
  # In pixels from the corner: rows 30 to 70, columns -20 to 60.
  sizes = {crop: example['original_size'] for crop, example in found.items()}
  np.testing.assert_allclose(sizes['whole'], (120, 160))
  # The centre (50, 20) +- 40: rows 10 to 90, columns -20 to 60, from 0 on.
  np.testing.assert_allclose(sizes['centre'], (80, 60))
  # Rows -10 to 110, columns -60 to 100, without what is outside.
  np.testing.assert_allclose(sizes['box'], (110, 100))
  # Twice 80: rows -30 to 130, columns -60 to 100, with what is outside.
  np.testing.assert_allclose(sizes['square'], (160, 160))
  wrists = {crop: example['points'][2] for crop, example in found.items()}
  for crop, expected in {
      'whole': (50 * 160 / 120, -20),
      'centre': (40 * 160 / 80, -20 * 160 / 60),
      'box': (50 * 160 / 110, -20 * 160 / 100),
      'square': (80, 40),
  }.items():
    np.testing.assert_allclose(wrists[crop], expected, rtol=1e-5)
    for joint in (0, 1, 4):
      seen = fixtures.seen_at(found[crop]['image'], joint)
      assert np.abs(seen - found[crop]['points'][joint]).max() < 0.25
    assert fixtures.seen_at(found[crop]['image'], 2) is None


def test_description(bbc_pose, tmp_path):
  about = fixtures.description(build(bbc_pose, tmp_path))
  assert about.point_names == (
      'head', 'right_wrist', 'left_wrist', 'right_elbow', 'left_elbow',
      'right_shoulder', 'left_shoulder',
  )  # fmt: skip
  assert about.groups == {
      'head': ['head'],
      'wrists': ['right_wrist', 'left_wrist'],
      'elbows': ['right_elbow', 'left_elbow'],
      'shoulders': ['right_shoulder', 'left_shoulder'],
  }
  assert about.eyes == () and about.notes == () and about.partial == ''
  assert (about.stage_split, about.fit_split, about.test_split) == (
      'train', 'validation', 'test',
  )  # fmt: skip
  assert about.protocol['crop'] == 'centre 40 px, from the true joints'
  whole = fixtures.description(build(bbc_pose, tmp_path, crop='whole'))
  assert whole.protocol['crop'] == 'whole'


@pytest.mark.parametrize('code', ['bbcpose_extbbcpose_code_1.0', '.'])
def test_other_places_of_the_labels(frames, tmp_path, code):
  (frames / code).mkdir(exist_ok=True)
  (frames / 'code' / 'bbcpose.mat').rename(frames / code / 'bbcpose.mat')
  planned = build(frames, tmp_path / 'data')._plan().splits
  ids = {split: {item.id for item in items} for split, items in planned.items()}
  assert ids == expected_ids()


def test_a_frame_without_any_label_is_left_out(frames, tmp_path):
  labels = fixtures.bbc_labels()
  labels[5][12][:] = np.nan
  (frames / 'code' / 'bbcpose.mat').unlink()
  fixtures.bbc_mat(frames / 'code' / 'bbcpose.mat', labels)
  builder = build(frames, tmp_path / 'data')
  names = {item.id for item in builder._plan().splits['train']}
  assert names == expected_ids()['train'] - {'5/12.jpg'}
  (note,) = fixtures.description(builder).notes
  assert note.startswith('1 frames are left out')
  assert fixtures.description(builder).partial == ''


def test_other_counts_need_partial(frames, tmp_path, monkeypatch):
  monkeypatch.setattr(module, '_MANUAL_FRAMES', 200)
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data'), tmp_path / 'data',
      'video 11', 'found 2', 'expected 200', 'likely', 'partial=True',
  )  # fmt: skip
  about = fixtures.description(build(frames, tmp_path / 'data', partial=True))
  # All ten videos with manual labels have another number of them.
  assert len(about.notes) == 10
  assert all(note.startswith('partial data: ') for note in about.notes)
  assert about.partial == '39 frames'


def test_missing_frames_need_partial(frames, tmp_path):
  shutil.rmtree(frames / '4')
  (frames / '16' / '23.jpg').unlink()
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data'), tmp_path / 'data', 'record 4',
      '2 of the 2 images', frames / '4' / '11.jpg', 'likely', 'partial=True',
  )  # fmt: skip
  builder = build(frames, tmp_path / 'data', partial=True)
  splits = fixtures.prepared(builder)
  expected = expected_ids()
  expected['train'] -= {'4/11.jpg', '4/10004.jpg'}
  expected['test'] -= {'16/23.jpg'}
  assert {s: {*splits[s]} for s in splits} == expected
  about = fixtures.description(builder)
  assert len(about.notes) == 2 and about.partial == '36 frames'


def test_a_split_without_frames_is_refused(frames, tmp_path):
  for video in range(11, 16):
    shutil.rmtree(frames / str(video))
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data', partial=True), tmp_path / 'data',
      'no frame of split validation', frames,
  )  # fmt: skip


@pytest.mark.parametrize(
    ('crop', 'kept'),
    [('centre', True), ('box', True), ('square', False), ('whole', True)],
)
def test_a_frame_with_a_single_joint(frames, tmp_path, crop, kept):
  labels = fixtures.bbc_labels()
  labels[17][24][1:] = np.nan  # the first of the test: its head is left
  (frames / 'code/bbcpose.mat').unlink()
  fixtures.bbc_mat(frames / 'code/bbcpose.mat', labels)
  builder = build(frames, tmp_path / 'data', crop=crop)
  names = {item.id for item in builder._plan().splits['test']}
  # One point has no extent, and so no square twice as large.
  assert ('17/24.jpg' in names) == kept
  left_out = '1 frames are left out: too few joints are labelled'
  assert (left_out in fixtures.description(builder).notes) != kept
