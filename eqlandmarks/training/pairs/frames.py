"""Two frames of a clip, and a warped copy of the first.

What moves between the frames is told by no map: objectives find it.
"""

import math
from typing import Any

import jax
from ml_collections import ConfigDict

from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.pairs import base
from eqlandmarks.training.pairs import warped


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of a stage: those of warped copies, and the gap."""
  fields = warped.section()
  # The smallest and the largest distance of the two frames, in seconds.
  fields.gap = (0.1, 1.0)
  return fields
# --8<-- [end:fields]


_GAP = (
    lambda v: len(v) == 2
    and all(map(field_rules.is_number, v))
    and 0 < v[0] <= v[1]
    and math.isfinite(v[1]),
    'two distances in seconds above 0, the smaller one first',
)


def make_views(
    images: jax.Array, keys: jax.Array, section: Any
) -> base.Views:
  """First frames, their warped copies, and the other frames as they are.

  Args:
    images: uint8 `[B, 2, H, W, 3]`, two frames of each clip.
    keys: `[B]`, one PRNG key per pair.
    section: as of `warped.make_views`.
  """
  views = warped.make_views(images[:, 0], keys, section)
  return views.replace(frame=models.scale_pixels(images[:, 1]))


PAIR = base.Pair(
    make_views,
    section,
    {**warped.PAIR.rules, 'gap': _GAP},
    has_map=True,
    has_frame=True,
)
