"""Stage 1: the contrastive loss (7) of F at random corresponding points."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import losses
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training import collapse
from eqlandmarks.training.objectives import base
from eqlandmarks.training.pairs import base as pairs

# Share of the largest fall of the loss. Collapsed (a huge l2): 0.4 to 0.7 %
# below, as M differs from image to image, and the logarithm of a mean is above
# the mean of logarithms. Others end 10 % or more away, below or above, but some
# pass through on their way down. (Trainings as in `collapse`.)
_FLAT = 0.01


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Points per image whose features are compared. Open.
  fields.num_locations = 128
  # Which points are negatives: those of the whole batch (the paper), or only
  # those of the same image (ours).
  fields.negatives = 'batch'
  # tau of the contrastive loss.
  fields.temperature = 0.1
  return fields
# --8<-- [end:fields]


def check_locations(config: Any, section: Any, prefix: str) -> None:
  """Refuses more points than an image has pixels."""
  pixels = config.image_size**2
  if section.num_locations > pixels:
    raise errors.UserError(
        f'config.{prefix}num_locations is {section.num_locations}, expected at '
        f'most {pixels}, the pixels of an image of config.image_size, '
        f'{config.image_size}.'
    )


_RULES = {
    'num_locations': field_rules.integer(2),
    'negatives': field_rules.one_of('batch', 'image'),
    'temperature': field_rules.positive(),
    field_rules.WHOLE: check_locations,
}


@flax.struct.dataclass
class Seen:
  """What F sees in B pairs of views, and M random points of each.

  Attributes:
    trunk: `[2 B, S, S, C]`, F's output but for its last layer, of the first
      views and then of the others.
    locations: `[B, M, 2]`, points of the first views, in pixels.
    targets: `[B, M, 2]`, where the maps take these in the other views.
    valid: `[B, M]`, whether a target lies in the other view.
    batch_stats: new batch statistics, by net.
    points_used: share of the targets that are valid, see `base.Loss`.
  """

  trunk: jax.Array
  locations: jax.Array
  targets: jax.Array
  valid: jax.Array
  batch_stats: dict[str, Any]
  points_used: jax.Array


def see(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> Seen:
  """Draws points, and applies F to both views; see `base.Objective.loss`."""
  shape = views.x.shape[1:3]
  draw = functools.partial(
      jax.random.uniform,
      shape=(section.num_locations, 2),
      maxval=jnp.asarray(shape, float),
  )
  locations = jax.vmap(draw)(keys)
  targets = jax.vmap(lambda g, p: g(p))(views.g, locations)
  valid = geometry.inside(targets, shape)
  trunk, stats = nets.apply(
      models.FEATURES,
      variables,
      jnp.concatenate([views.x, views.other]),
      method='trunk',
  )
  axis_size = jax.lax.axis_size(nets.axis_name)
  return Seen(
      trunk=trunk,
      locations=locations,
      targets=targets,
      valid=valid,
      batch_stats={models.FEATURES: stats},
      points_used=jnp.mean(valid, dtype=float) / axis_size,
  )


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The contrastive loss of F, see `base.Objective.loss`."""
  seen = see(variables, views, keys, section, nets)
  return base.Loss(
      total=of_seen(seen, variables, section, nets),
      terms={},
      batch_stats=seen.batch_stats,
      points_used=seen.points_used,
  )


def of_seen(
    seen: Seen,
    variables: dict[str, models.Variables],
    section: Any,
    nets: base.StageNets,
) -> jax.Array:
  """A device's share of the contrastive loss."""
  points = jnp.concatenate([seen.locations, seen.targets])
  # Sampling the trunk first is the same, and cheaper: both are linear.
  sampled = nets.modules[models.FEATURES].apply(
      variables[models.FEATURES],
      jax.vmap(geometry.sample)(seen.trunk, points),
      method='project',
  )
  first, second = jnp.split(sampled, 2)  # each [B, M, D]
  return contrast(first, second, seen.valid, section, nets.axis_name)


def contrast(
    first: jax.Array,
    second: jax.Array,
    valid: jax.Array,
    section: Any,
    axis_name: str,
) -> jax.Array:
  """A device's share of the loss of `[B, M, D]` features.

  With `section.negatives` 'batch', all other points of all images are
  negatives, as in the paper; with 'image', only those of the same image, so
  that the same part of two different objects is not pushed apart.
  """
  loss = functools.partial(losses.contrastive, temperature=section.temperature)
  if section.negatives == 'image':
    each = jax.vmap(lambda f, g, v: loss(f, g, valid=v))(first, second, valid)
    return jnp.mean(each) / jax.lax.axis_size(axis_name)
  depth = first.shape[-1]
  return loss(
      first.reshape(-1, depth),
      second.reshape(-1, depth),
      valid=valid.reshape(-1),
      axis_name=axis_name,
  )


def collapsed(
    config: Any, section: Any, row: Mapping[str, float]
) -> str | None:
  """Whether the features all point the same way.

  Where all similarities are equal, each of the two terms of the contrastive
  loss is that of guessing one of 2M - 1 features, and the loss is
  2 log(2M - 1), M being the pairs that are compared with each other.

  Args:
    config: the run's.
    section: that of the stage.
    row: `loss` and `points_used`, past the first epoch: before that, any
      training may be there.
  """
  num_pairs = row['points_used'] * section.num_locations
  if section.negatives == 'batch':
    num_pairs *= config.batch_size / config.accumulate
  if num_pairs <= 1:
    return None  # nothing to tell a feature from
  flat = 2 * math.log(2 * num_pairs - 1)
  # As far as a loss can get below it: to 0, or by the similarities of a
  # positive (1) and of negatives (0), which is less at a high temperature.
  reach = min(flat, 2 / section.temperature)
  if abs(row['loss'] - flat) > _FLAT * reach:
    return None
  return (
      f"the contrastive loss is {row['loss']:.4g}, and {flat:.4g} is that of "
      f'features which all point the same way: {collapse.CHANGE_FEATURES}'
  )


OBJECTIVE = base.Objective(
    loss=loss,
    section=section,
    rules=_RULES,
    trains=(models.FEATURES,),
    draws=True,
    less_memory=('num_locations',),
    collapsed=collapsed,
)
