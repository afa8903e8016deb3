import fixtures
import numpy as np
import pytest
import scipy.io

pytestmark = pytest.mark.usefixtures('whole_bbc_pose')


def build(root, data_dir, **fields):
  fields = dict(crop_margin=40.0, image_size=32) | fields
  return fixtures.make('bbc_pose', root=root, data_dir=data_dir, **fields)


def change_mat(frames, **given):
  """Rewrites bbcpose.mat; the copy is linked, so the old one goes first."""
  path = frames / 'code' / 'bbcpose.mat'
  path.unlink()
  fixtures.bbc_mat(path, fixtures.bbc_labels(), **given)


def test_a_damaged_frame(frames, tmp_path):
  path = frames / '17' / '24.jpg'
  fixtures.change(path, path.read_bytes()[:200])
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data', partial=True), tmp_path / 'data',
      path, 'does not decode',
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
def test_wrong_labels(frames, tmp_path, case):
  change, parts = WRONG[case]
  change_mat(frames, change=change)
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data', crop='whole', partial=True),
      tmp_path / 'data', frames / 'code' / 'bbcpose.mat', *parts,
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
def test_damaged_labels(frames, tmp_path, make):
  content = make(frames)
  path = frames / 'code' / 'bbcpose.mat'
  path.unlink()
  path.write_bytes(content)
  fixtures.assert_refused(
      lambda: build(frames, tmp_path / 'data', partial=True), tmp_path / 'data',
      path, *FILES[make],
  )  # fmt: skip
