"""What a kind of pair is: a module with a `PAIR`, named by a stage's config."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
from ml_collections import ConfigDict

from eqlandmarks import warps
from eqlandmarks.training import named

_PACKAGE = 'eqlandmarks.training.pairs'


@flax.struct.dataclass
class Views:
  """Two views of each of B things.

  Attributes:
    x: `[B, H, W, 3]` in [0, 1].
    other: the other view, of the same shape.
    g: batched maps that take points of x to where they are in the other view;
      None where nobody knows them.
  """

  x: jax.Array
  other: jax.Array
  g: warps.Warp | None


@dataclasses.dataclass(frozen=True)
class Pair:
  """A kind of pair.

  Attributes:
    make_views: from uint8 images `[B, ...]`, keys `[B]` and the stage's section
      of the config to `Views`; pure.
    section: makes the fields that it adds to a stage's section.
    rules: of these fields, see `eqlandmarks.system.field_rules`.
    has_map: whether its views come with g.
  """

  make_views: Callable[[jax.Array, jax.Array, Any], Views]
  section: Callable[[], ConfigDict]
  rules: dict[str, Any]
  has_map: bool


def load(name: str, field: str = 'the pair') -> Pair:
  """The kind of pair of a name, see `named.load`."""
  return named.load(_PACKAGE, name, 'PAIR', field)


def is_ours(name: Any) -> bool:
  """Whether a name is that of a file of this folder."""
  return named.is_ours(_PACKAGE, name)


def use(section: ConfigDict, name: str) -> None:
  """Makes a stage's section that of another kind of pair, with its defaults."""
  if 'pair' in section:
    for field in load(section.pair).section():
      del section[field]
  section.pair = name
  section.update(load(name).section())
