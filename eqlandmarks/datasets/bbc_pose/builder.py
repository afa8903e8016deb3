"""The tfds builder of BBC Pose."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.bbc_pose import mat
from eqlandmarks.errors import UserError
from eqlandmarks.system import fingerprints

_MANUAL_FRAMES = 200
_FPS = 25.0  # of British television
_SPLITS = {'train': 'train', 'val': 'validation', 'test': 'test'}
_MAT = (
    'code/bbcpose.mat', 'bbcpose_extbbcpose_code_1.0/bbcpose.mat',
    'bbcpose.mat',
)  # fmt: skip

_CITATION = """\
@article{charles2013automatic,
  title={Automatic and Efficient Human Pose Estimation for Sign Language
         Videos},
  author={Charles, James and Pfister, Tomas and Everingham, Mark and
          Zisserman, Andrew},
  journal={International Journal of Computer Vision},
  year={2013}
}
"""


class BBCPose(builder.ImageBuilder):
  """BBC Pose: 20 videos of sign language interpreters, seven joints.

  Splits: `train`, the frames of videos 1 to 10 that have semi-automatic labels
  (never used in training: only the crop is made from them); `validation` and
  `test`, 200 frames of each of videos 11 to 15 and 16 to 20, labelled by hand.

  All known crops are made from the true joints, at test time too:

  * `centre`: a square of side 2 * `crop_margin` about the centre of the joints'
    box. The margin of 150 is that of NVIDIA's evaluation.
  * `box`: the joints' box with `crop_margin` on all sides; NVIDIA's training
    and TTP have 60.
  * `square`: a square twice as large as the joints' box, as in Lorenz et al.
  * `whole`: the whole frame.

  The first two end at the frame's edge, and what is left is squashed, as there.
  The paper says "loose crops", and no more.
  """

  name = 'bbc_pose'
  ABOUT: ClassVar = {
      'homepage': 'https://www.robots.ox.ac.uk/~vgg/data/pose/',
      'citation': _CITATION,
      'license': 'The videos are the property of the BBC; the dataset is for '
      'non-commercial research, see its page.',
  }

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    given = self._options
    self._crop, self._margin = given.crop, given.crop_margin
    self._root = benchmark.checked_root(
        root, 'BBC Pose', 'folders 1 to 20, and code/bbcpose.mat'
    )
    _check_margin(given.crop, given.crop_margin)
    self._mat = benchmark.required(self._root, _MAT, 'bbcpose.mat')
    folders = (self._root / str(n + 1) for n in range(mat.NUM_VIDEOS))
    return (
        str(self._root.resolve()),
        vars(given),
        fingerprints.of_file(self._mat),
        [benchmark.state_of(f) if f.is_dir() else None for f in folders],
    )

  def _plan(self) -> builder.Plan:
    audit = benchmark.Audit(self._root, self._options.partial)
    splits: dict[str, list[builder.Item]] = {s: [] for s in _SPLITS.values()}
    without = 0
    for video in mat.read(self._mat):
      if video.kind != 'train':
        audit.expect(
            f'{self._mat}: frames labelled by hand in video {video.number}',
            len(video.frames), _MANUAL_FRAMES, 'another file of that name',
        )  # fmt: skip
      items = self._items(video, audit)
      kept = [item for item in items if self._shows_something(item.points)]
      without += len(items) - len(kept)
      splits[_SPLITS[video.kind]] += kept
    crop = self._crop
    if crop in ('centre', 'box'):
      crop += f' {self._margin:g} px'
    if crop != 'whole':
      crop += ', from the true joints'
    note = f'{without} frames are left out: too few joints are labelled'
    return audit.plan(
        splits,
        unit='frames',
        notes=[note] * bool(without),
        point_names=mat.JOINTS,
        groups=examples.JOINT_GROUPS,
        eyes=(),
        stage_split='train',
        fit_split='validation',
        test_split='test',
        protocol={'crop': crop, 'labels': 'validation and test: by hand'},
    )

  def _items(
      self, video: mat.Video, audit: benchmark.Audit
  ) -> list[builder.Item]:
    names = [f'{video.number}/{frame}.jpg' for frame in video.frames]
    paths = [self._root / name for name in names]
    listed = f'{self._mat}, record {video.number}'
    return [
        builder.Item(
            id=names[i],
            path=paths[i],
            points=video.joints[i],
            box=self._box(video.joints[i]),
            clip=self._crop in ('centre', 'box'),
            # A crop about the joints moves with them: such frames are no pair.
            clip_name=str(video.number) if self._crop == 'whole' else '',
            time=float(video.frames[i]) / _FPS,
        )
        for i in audit.existing(names, paths, listed)
    ]

  def _shows_something(self, joints: np.ndarray) -> bool:
    """Whether there is a joint, and joints that have an extent to crop by."""
    count = np.isfinite(joints).all(axis=-1).sum()
    by_extent = self._crop == 'square' or not self._margin
    return count > (self._crop != 'whole' and by_extent)

  def _box(self, joints: np.ndarray) -> crops.Box | None:
    if self._crop == 'whole' or not np.isfinite(joints).any():
      return None
    if self._crop == 'square':
      return crops.square(joints)
    make = crops.centred if self._crop == 'centre' else crops.around
    return make(joints, self._margin)


def _check_margin(crop: str, margin: float) -> None:
  least = {'centre': 1.0, 'box': 0.0}.get(crop)
  if least is not None and not (math.isfinite(margin) and margin >= least):
    raise UserError(
        f"config.dataset.crop_margin is {margin}, expected with crop '{crop}' "
        f'pixels of the frame, at least {least:g}'
    )
