"""Stage 1 by descriptor vector exchange: a feature is found in the other view.

See "Unsupervised learning of landmarks by descriptor vector exchange" by
Thewlis, Albanie, Bilen and Vedaldi, 2019, and docs/compared_methods.md.
"""

from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import compared_losses
from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.pairs import base as pairs

# Cells along a side, of those that features are averaged over: 32 x 32 of 2
# pixels at 64, of 4 at 128.
_CELLS = 32


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Points per image that are looked for in the other view (there, all are).
  fields.num_locations = 256
  fields.matching = matching_section()
  return fields


def matching_section() -> ConfigDict:
  """How points are found, see eqlandmarks.compared_losses.matching."""
  matching = ConfigDict()
  # Of both softmaxes over cosine similarities (there 1 / 400).
  matching.temperature = 0.05
  # Of the distance in pixels of a 128-pixel image.
  matching.power = 0.5
  return matching
# --8<-- [end:fields]


def check_others(config: Any, section: Any, prefix: str) -> None:
  """Refuses steps whose only image would be its own next one."""
  contrastive.check_locations(config, section, prefix)
  if config.batch_size == config.accumulate:
    raise errors.UserError(
        f'config.batch_size / config.accumulate is {config.batch_size} / '
        f'{config.accumulate}, expected 2 images or more at a time: '
        f'config.{prefix}objective {section.objective!r} looks for the '
        'features of each in the next one.'
    )


MATCHING_RULES = {
    'temperature': field_rules.positive(),
    'power': field_rules.positive(10),
}
_RULES = {
    'num_locations': field_rules.integer(2),
    'matching': MATCHING_RULES,
    field_rules.WHOLE: check_others,
}


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
    *,
    exchange: bool = True,
) -> base.Loss:
  """The matching loss of F, see `base.Objective.loss`.

  Args:
    variables: of the nets.
    views: B pairs.
    keys: one per pair.
    section: of the stage.
    nets: those of the stage.
    exchange: whether features are first replaced by what they find in the next
      image.
  """
  seen = contrastive.see(variables, views, keys, section, nets)
  return base.Loss(
      total=of_seen(seen, variables, section, nets, exchange=exchange),
      terms={},
      batch_stats=seen.batch_stats,
      points_used=seen.points_used,
  )


def of_seen(
    seen: contrastive.Seen,
    variables: dict[str, models.Variables],
    section: Any,
    nets: base.StageNets,
    *,
    exchange: bool = True,
) -> jax.Array:
  """A device's share of the matching loss.

  Its largest arrays are similarities and distances, `[B, M, P]` floats each: of
  8 images, 256 points and 32 x 32 cells, 8 MiB.
  """
  side = seen.trunk.shape[1]
  cell = max(side // _CELLS, 1)
  # Averaging the trunk first is the same, and cheaper: both are linear.
  features = nets.modules[models.FEATURES].apply(
      variables[models.FEATURES], _averages(seen.trunk, cell), method='project'
  )
  first, other = jnp.split(features, 2)  # each [B, n, n, D]
  looked_for = jax.vmap(geometry.sample)(first, seen.locations / cell)
  places = cell * geometry.pixel_centres(other.shape[1:3]).reshape(-1, 2)
  first, other = (x.reshape(len(x), -1, x.shape[-1]) for x in (first, other))
  each = compared_losses.matching(
      looked_for,
      other,
      metrics.to_128(seen.targets, side),
      metrics.to_128(places, side),
      through=_next_images(first, nets.axis_name) if exchange else None,
      temperature=section.matching.temperature,
      power=section.matching.power,
      valid=seen.valid,
  )
  return nets.share(len(first)) * jnp.sum(each)


def _averages(maps: jax.Array, cell: int) -> jax.Array:
  """`[B, S // cell, S // cell, C]`: averages over square cells.

  Pixels at the lower and right edges that do not fill a cell are left out.
  """
  batch, height, width, channels = maps.shape
  rows, columns = height // cell, width // cell
  maps = maps[:, : rows * cell, : columns * cell]
  maps = maps.reshape(batch, rows, cell, columns, cell, channels)
  return jnp.mean(maps, axis=(2, 4))


def _next_images(arrays: jax.Array, axis_name: str) -> jax.Array:
  """`[B, ...]`: those of the next image of all devices, in the batch's order.

  The next one of the last image is the first.
  """
  size = jax.lax.axis_size(axis_name)
  following = jax.lax.ppermute(
      arrays[:1], axis_name, [((i + 1) % size, i) for i in range(size)]
  )
  return jnp.concatenate([arrays[1:], following])


OBJECTIVE = base.Objective(
    loss=loss,
    section=section,
    rules=_RULES,
    trains=(models.FEATURES,),
    draws=True,
    less_memory=('num_locations',),
)
