"""What a kind of pair is: a module with a `PAIR`, named by a stage's config."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
from ml_collections import ConfigDict

from eqlandmarks import warps
from eqlandmarks.training import extension_points

EXTENSION_POINT = extension_points.ExtensionPoint(
    'pair', 'eqlandmarks.training.pairs'
)
load = EXTENSION_POINT.load
is_ours = EXTENSION_POINT.is_ours
use = EXTENSION_POINT.use


@flax.struct.dataclass
class Views:
  """Two views of each of B things.

  Attributes:
    x: `[B, H, W, 3]` in [0, 1].
    other: the other view, of the same shape.
    g: batched maps that take points of x to where they are in the other view;
      None where they are unknown.
    frame: another frame of the clip that x is of, of x's shape; None where the
      pair has none.
    points: `[B, J, 2]`, annotated points of x in pixels, NaN where missing;
      None for an objective that needs none.
  """

  x: jax.Array
  other: jax.Array
  g: warps.Warp | None
  points: jax.Array | None = None
  frame: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class Pair:
  """A kind of pair.

  Attributes:
    make_views: from uint8 images `[B, ...]`, keys `[B]` and the stage's section
      of the config to `Views`; pure.
    section: makes the fields that it adds to a stage's section.
    rules: of these fields, see `eqlandmarks.system.field_rules`.
    has_map: whether its views come with g.
    has_frame: whether they come with another frame: its images are then two
      frames of a clip, `[B, 2, ...]`, and its section has the field `gap`.
  """

  make_views: Callable[[jax.Array, jax.Array, Any], Views]
  section: Callable[[], ConfigDict]
  rules: dict[str, Any]
  has_map: bool
  has_frame: bool = False
