"""bbcpose.mat: which frames of which video are annotated, and where.

The variable `bbcpose` is a 1 x 92 struct, whose first 20 records are BBC Pose.
Joints are 2 x 7 x N, x then y, in MATLAB's pixels: the centre of the top-left
one is (1, 1).
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from eqlandmarks.datasets.base import matlab
from eqlandmarks.errors import UserError

NUM_VIDEOS = 20
JOINTS = (
    'head', 'right_wrist', 'left_wrist', 'right_elbow', 'left_elbow',
    'right_shoulder', 'left_shoulder',
)  # fmt: skip
# No video is as long; a number beyond is none of a frame.
_LAST = 10**9
_FIELDS = ('type', 'train_frames', 'train_joints', 'test_frames', 'test_joints')


@dataclasses.dataclass(frozen=True)
class Video:
  """The annotated frames of a video.

  Attributes:
    number: 1 to 20, the name of the video's folder.
    kind: 'train', with semi-automatic labels (`train_frames`), or 'val' or
      'test', labelled by hand (`test_frames`).
    frames: `[N]`, numbers of the frames.
    joints: `[N, 7, 2]`, (row, column) in pixels of the frame, the centre of the
      top-left pixel at (0.5, 0.5); NaN where missing.
  """

  number: int
  kind: str
  frames: np.ndarray
  joints: np.ndarray


def read(path: pathlib.Path) -> list[Video]:
  """The first 20 records of bbcpose.mat.

  Raises:
    UserError: the file is damaged, or not of this form.
  """
  records = np.asarray(matlab.load(path, 'bbcpose')[0])
  names = records.dtype.names or ()
  missing = [name for name in _FIELDS if name not in names]
  if missing:
    raise UserError(
        f"{path}: 'bbcpose' has no field '{missing[0]}', expected a struct "
        f'with {", ".join(_FIELDS)}'
    )
  records = records.ravel()
  if len(records) < NUM_VIDEOS:
    raise UserError(
        f"{path}: 'bbcpose' has {len(records)} records, expected 92, or at "
        f'least the {NUM_VIDEOS} of BBC Pose'
    )
  return [_video(records[i], i + 1, path) for i in range(NUM_VIDEOS)]


def _video(record: Any, number: int, path: pathlib.Path) -> Video:
  where = f'{path}, record {number}'
  kind = ''.join(map(str, np.ravel(record['type'])))
  expected = 'train' if number <= 10 else 'val' if number <= 15 else 'test'
  if kind != expected:
    raise UserError(
        f'{where}: found type {kind[:20]!r}, expected {expected!r}: videos 1 '
        'to 10 are for training, 11 to 15 for validation, 16 to 20 for tests'
    )
  prefix = 'train' if kind == 'train' else 'test'
  return Video(number, kind, *_labels(record, prefix, where))


def _labels(
    record: Any, prefix: str, where: str
) -> tuple[np.ndarray, np.ndarray]:
  """The frames and the joints of a video."""
  of_frames, where = (f"{where}, '{prefix}_{f}'" for f in ('frames', 'joints'))
  frames = matlab.numbers(record[f'{prefix}_frames'], of_frames).ravel()
  joints = matlab.numbers(record[f'{prefix}_joints'], where)
  if not (frames.size or joints.size):
    return np.zeros(0, int), np.zeros((0, len(JOINTS), 2))
  if joints.ndim == 2:  # MATLAB drops a last axis of length one
    joints = joints[..., None]
  if joints.shape != (2, len(JOINTS), len(frames)):
    shape = ' x '.join(map(str, joints.shape))
    raise UserError(
        f'{where}: found {shape} numbers for {len(frames)} frames, expected '
        f'2 x {len(JOINTS)} x {len(frames)}'
    )
  whole = frames == np.floor(frames)  # false of NaN
  if not (whole & (frames >= 0) & (frames <= _LAST)).all():
    raise UserError(
        f'{of_frames}: found a number that is not whole, expected frame numbers'
    )
  if len(np.unique(frames)) < len(frames):
    raise UserError(
        f'{of_frames}: found a frame twice, expected each once'
    )
  if (np.abs(joints) > matlab.LARGEST).any():
    raise UserError(
        f'{where}: found {np.nanmax(np.abs(joints)):g}, expected coordinates '
        'in pixels'
    )
  # x, y to row, column; MATLAB's 1 is the centre of the first pixel.
  points = joints[::-1].transpose(2, 1, 0) - 0.5
  annotated = np.isfinite(points).all(axis=-1, keepdims=True)
  return frames.astype(int), np.where(annotated, points, np.nan)
