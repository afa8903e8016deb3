import hashlib
import os
import shutil

import fixtures
import numpy as np
import pytest
import scipy.io

from eqlandmarks.datasets.bbc_pose import CROPS
from eqlandmarks.datasets.bbc_pose import BBCPose
from eqlandmarks.datasets.bbc_pose import builder as module

SIZE = 160
SPLIT_OF = {'train': 'train', 'val': 'validation', 'test': 'test'}


@pytest.fixture(autouse=True)
def two_frames_by_hand(monkeypatch):
  monkeypatch.setattr(module, '_MANUAL_FRAMES', 2)


@pytest.fixture(scope='module')
def intact(tmp_path_factory):
  root = tmp_path_factory.mktemp('bbc') / 'root'
  fixtures.bbc_pose(root)
  return root


@pytest.fixture
def root(intact, tmp_path):
  return shutil.copytree(intact, tmp_path / 'root', copy_function=os.link)


def build(root, data_dir, **fields):
  fields = dict(crop_margin=40.0, image_size=SIZE) | fields
  return BBCPose(root=root, data_dir=data_dir, **fields)


def change_mat(root, **given):
  """Rewrites bbcpose.mat; the copy is linked, so the old one goes first."""
  path = root / 'code' / 'bbcpose.mat'
  path.unlink()
  fixtures.bbc_mat(path, fixtures.bbc_labels(), **given)


def expected_ids():
  ids = {'train': set(), 'validation': set(), 'test': set()}
  for video, frames in fixtures.bbc_labels().items():
    split = SPLIT_OF[fixtures.kind_of(video)]
    ids[split] |= {f'{video}/{frame}.jpg' for frame in frames}
  return ids


@pytest.mark.parametrize('crop', CROPS)
def test_every_joint_is_where_it_is_drawn(intact, tmp_path, crop):
  splits = fixtures.prepared(build(intact, tmp_path, crop=crop))
  assert {s: {*splits[s]} for s in splits} == expected_ids()
  for examples in splits.values():
    for name, example in examples.items():
      # One wrist is not labelled, so the crop is made from the other joints.
      missing = [1] if name == '12/19.jpg' else []
      known = np.isfinite(example['points']).all(axis=1)
      assert np.flatnonzero(~known).tolist() == missing
      fixtures.assert_drawn_where_stored(example, range(7), missing)
      content = (intact / name).read_bytes()
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


def test_description(intact, tmp_path):
  about = fixtures.description(build(intact, tmp_path))
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
  whole = fixtures.description(build(intact, tmp_path, crop='whole'))
  assert whole.protocol['crop'] == 'whole'


@pytest.mark.parametrize('code', ['bbcpose_extbbcpose_code_1.0', '.'])
def test_other_places_of_the_labels(root, tmp_path, code):
  (root / code).mkdir(exist_ok=True)
  (root / 'code' / 'bbcpose.mat').rename(root / code / 'bbcpose.mat')
  planned = build(root, tmp_path / 'data')._plan().splits
  ids = {split: {item.id for item in items} for split, items in planned.items()}
  assert ids == expected_ids()


def test_a_frame_without_any_label_is_left_out(root, tmp_path):
  labels = fixtures.bbc_labels()
  labels[5][12][:] = np.nan
  (root / 'code' / 'bbcpose.mat').unlink()
  fixtures.bbc_mat(root / 'code' / 'bbcpose.mat', labels)
  builder = build(root, tmp_path / 'data')
  names = {item.id for item in builder._plan().splits['train']}
  assert names == expected_ids()['train'] - {'5/12.jpg'}
  (note,) = fixtures.description(builder).notes
  assert note.startswith('1 frames are left out')
  assert fixtures.description(builder).partial == ''


def test_other_counts_need_partial(root, tmp_path, monkeypatch):
  monkeypatch.setattr(module, '_MANUAL_FRAMES', 200)
  fixtures.assert_refused(
      lambda: build(root, tmp_path / 'data'), tmp_path / 'data',
      'video 11', 'found 2', 'expected 200', 'likely', 'partial=True',
  )  # fmt: skip
  about = fixtures.description(build(root, tmp_path / 'data', partial=True))
  # All ten videos with manual labels have another number of them.
  assert len(about.notes) == 10
  assert all(note.startswith('partial data: ') for note in about.notes)
  assert about.partial == '39 frames'


def test_missing_frames_need_partial(root, tmp_path):
  shutil.rmtree(root / '4')
  (root / '16' / '23.jpg').unlink()
  fixtures.assert_refused(
      lambda: build(root, tmp_path / 'data'), tmp_path / 'data', 'record 4',
      '2 of the 2 images', root / '4' / '11.jpg', 'likely', 'partial=True',
  )  # fmt: skip
  builder = build(root, tmp_path / 'data', partial=True)
  splits = fixtures.prepared(builder)
  expected = expected_ids()
  expected['train'] -= {'4/11.jpg', '4/10004.jpg'}
  expected['test'] -= {'16/23.jpg'}
  assert {s: {*splits[s]} for s in splits} == expected
  about = fixtures.description(builder)
  assert len(about.notes) == 2 and about.partial == '36 frames'


def test_a_split_without_frames_is_refused(root, tmp_path):
  for video in range(11, 16):
    shutil.rmtree(root / str(video))
  fixtures.assert_refused(
      lambda: build(root, tmp_path / 'data', partial=True), tmp_path / 'data',
      'no frame of split validation', root,
  )  # fmt: skip


def replace(video, **fields):
  """A change of `bbc_mat`: fields of one video's record."""

  def change(found):
    names = fixtures._BBC_FIELDS
    record = dict(zip(names, found[video - 1], strict=True)) | fields
    found[video - 1] = tuple(record.values())

  return change


JOINTS = np.full((2, 7, 2), 50.0)
WRONG = {
    'too few records': (lambda found: found[:19], ['19 records', 'the 20']),
    'type': (replace(11, type='train'), ['record 11', "'train'", "'val'"]),
    'type of two lines': (replace(1, type='a\nb'), ['record 1', 'train']),
    'frames are text': (
        replace(2, train_frames='ab'), ['record 2', 'train_frames', 'numbers'],
    ),
    'joints first': (
        replace(2, train_joints=JOINTS.transpose(1, 0, 2)),
        ['record 2', 'train_joints', '7 x 2 x 2', '2 x 7 x 2'],
    ),
    'six joints': (
        replace(17, test_joints=JOINTS[:, :6]),
        ['record 17', 'test_joints', '2 x 6 x 2', '2 x 7 x 2'],
    ),
    'too many frames': (
        replace(2, train_frames=[[1.0, 2.0, 3.0]]), ['2 x 7 x 3', '3 frames'],
    ),
    'no joints': (
        replace(2, train_joints=np.zeros((0, 0))), ['record 2', '0 x 0'],
    ),
    'half a frame': (
        replace(2, train_frames=[[1.5, 2.0]]), ['train_frames', 'whole'],
    ),
    'a frame below 0': (
        replace(2, train_frames=[[-1.0, 2.0]]), ['train_frames', 'whole'],
    ),
    'a frame NaN': (
        replace(2, train_frames=[[np.nan, 2.0]]), ['train_frames', 'whole'],
    ),
    'a huge frame': (
        replace(2, train_frames=[[1e300, 2.0]]), ['train_frames', 'whole'],
    ),
    'a frame twice': (
        replace(2, train_frames=[[9.0, 9.0]]), ['train_frames', 'twice'],
    ),
    'infinity': (
        replace(2, train_joints=JOINTS * np.inf), ['train_joints', 'inf'],
    ),
    'huge joints': (
        replace(2, train_joints=JOINTS * 1e300), ['train_joints', '5e+301'],
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', WRONG)
def test_wrong_labels(root, tmp_path, case):
  change, parts = WRONG[case]
  change_mat(root, change=change)
  fixtures.assert_refused(
      lambda: build(root, tmp_path / 'data', crop='whole', partial=True),
      tmp_path / 'data', root / 'code' / 'bbcpose.mat', *parts,
  )  # fmt: skip


def no_mat_file(root):
  return b'joints\n'


def version_7_3(root):
  # An HDF5 file behind 512 bytes, of which the first 128 are MATLAB's.
  text = b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(124)
  begin = (text + b'\0\x02IM').ljust(512, b'\0')
  return begin + b'\x89HDF\r\n\x1a\n' + b'\0' * 99


def another_variable(root):
  scipy.io.savemat(root / 'x.mat', {'results': np.zeros((2, 3))})
  return (root / 'x.mat').read_bytes()


def no_struct(root):
  scipy.io.savemat(root / 'x.mat', {'bbcpose': np.zeros((1, 92))})
  return (root / 'x.mat').read_bytes()


def no_joints(root):
  struct = np.zeros((1, 92), [('type', object), ('train_frames', object)])
  scipy.io.savemat(root / 'x.mat', {'bbcpose': struct})
  return (root / 'x.mat').read_bytes()


FILES = {
    no_mat_file: ['intact'],
    version_7_3: ['7.3', 'save -v7'],
    another_variable: ["no variable 'bbcpose'"],
    no_struct: ["no field 'type'"],
    no_joints: ["no field 'train_joints'"],
} | {
    (lambda root, share=share: (root / 'code/bbcpose.mat').read_bytes()[
        : int(share * (root / 'code/bbcpose.mat').stat().st_size)
    ]): ['intact']
    for share in (0, 0.01, 0.1, 0.5, 0.9, 0.999)
}  # fmt: skip


@pytest.mark.parametrize('make', FILES)
def test_damaged_labels(root, tmp_path, make):
  content = make(root)
  path = root / 'code' / 'bbcpose.mat'
  path.unlink()
  path.write_bytes(content)
  fixtures.assert_refused(
      lambda: build(root, tmp_path / 'data', partial=True), tmp_path / 'data',
      path, *FILES[make],
  )  # fmt: skip
