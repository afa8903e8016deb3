"""The tfds builder of the drawn pictures."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.signer import motion
from eqlandmarks.datasets.signer.person import JOINTS
from eqlandmarks.datasets.signer.person import SPLITS
from eqlandmarks.datasets.signer.scene import render


class Signer(builder.Builder):
  """Drawn sign-language interpreters with seven joints."""

  name = 'signer'

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    del root, outputs  # nothing is read
    return [vars(self._options)]

  def _describe(self) -> examples.Description:
    return examples.Description(
        point_names=JOINTS,
        groups=examples.JOINT_GROUPS,
        eyes=(),
        stage_split='train',
        fit_split='validation',
        test_split='test',
    )

  def _counts(self) -> dict[str, int]:
    counts = {s: getattr(self._options, f'num_{s}') for s in SPLITS}
    return counts | {'train': counts['train'] * self._options.frames}

  def _examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    for split, count in self._counts().items():
      frames = self._options.frames if split == 'train' else 1
      for number in examples.with_progress(range(count), split):
        index, frame = divmod(number, frames)
        image, points = render(
            self._options.seed, split, index, self._image_size, frame
        )
        id_ = f'{split}/{index:06d}'
        yield split, {
            'image': image,
            'points': points,
            'original_size': np.full(2, self._image_size, np.float32),
            'id': f'{id_}/{frame:03d}' if frames > 1 else id_,
            'digest': hashlib.sha256(image).hexdigest(),
            'clip': id_ if frames > 1 else '',
            'time': frame * motion.STEP,
        }
