"""The built-in dataset `signer`: drawn sign-language interpreters.

Every image shows a new person (pose, body, clothes, skin, hair, background,
light) from the waist up, with the seven joints of BBC Pose known exactly. A
picture is a pure function of (seed, split, index): nothing is downloaded, and
the same scene can be drawn at every size, since all shapes and textures are
formulas in unit coordinates.
"""

import dataclasses
from typing import Any

from eqlandmarks.datasets.signer.person import JOINTS
from eqlandmarks.datasets.signer.person import SPLITS
from eqlandmarks.datasets.signer.person import joints
from eqlandmarks.datasets.signer.scene import render
from eqlandmarks.system import field_rules

__all__ = ['JOINTS', 'SPLITS', 'Options', 'build', 'joints', 'render']

_RULES = {
    'num_train': field_rules.integer(1),
    'num_validation': field_rules.integer(1),
    'num_test': field_rules.integer(1),
    'seed': field_rules.SEED,
    'frames': field_rules.integer(1, 1000),
}


@dataclasses.dataclass(frozen=True)
class Options:
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # Images of each split, and the seed they are drawn from: two seeds share no
  # image.
  num_train: int = 1000
  num_validation: int = 500
  num_test: int = 500
  seed: int = 0
  # Frames of each training image's person in motion, 0.2 s apart, the first of
  # which is the image; the others stay stills.
  frames: int = 1
  # --8<-- [end:fields]

  def __post_init__(self):
    field_rules.check(self, vars(self), _RULES, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.signer.builder import Signer  # takes a second

  return Signer(options, **place)
