"""Stage 2, and end-to-end: equivariance (2), diversity (3) and variance."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training import collapse
from eqlandmarks.training.objectives import base
from eqlandmarks.training.pairs import base as pairs

TERMS = ('equivariance', 'diversity', 'variance')
# Share of K - 1. Collapsed (heatmaps that stay flat): 0.91 to 0.99; others 0.28
# to 0.65, also without any weight on diversity. (Trainings as in `collapse`.)
_DIVERSITY = 0.9


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Weights of the three losses. The paper prints none, and no unit: here the
  # points are in pixels of a 128-pixel image, whatever the image's size, so
  # equivariance and variance are per squared pixel of that.
  fields.weights = ConfigDict(
      {'equivariance': 0.25, 'diversity': 5.0, 'variance': 0.0125}
  )
  # Side of the patches of the diversity loss, as a share of the image's side:
  # 8 pixels of 128. It is rounded to whole pixels.
  fields.patch = 0.0625
  return fields
# --8<-- [end:fields]


_RULES = {
    'weights': dict.fromkeys(TERMS, field_rules.not_negative()),
    'patch': field_rules.positive(1),
}


@flax.struct.dataclass
class Seen:
  """What both nets see in B pairs of views, of which an objective is made.

  Attributes:
    features: `[B, S, S, D]`, of the first views.
    probabilities: `[B, S, S, K]`, the heatmaps of the first views.
    other_probabilities: `[B, S, S, K]`, those of the other views.
    points: `[B, K, 2]`, landmarks of the first views, in pixels.
    targets: `[B, K, 2]`, where the maps take these in the other views.
    other_points: `[B, K, 2]`, landmarks of the other views, in pixels.
    valid: `[B, K]`, whether a target lies in the other view.
    batch_stats: new batch statistics, by net.
  """

  features: jax.Array
  probabilities: jax.Array
  other_probabilities: jax.Array
  points: jax.Array
  targets: jax.Array
  other_points: jax.Array
  valid: jax.Array
  batch_stats: dict[str, Any]


def see(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    nets: base.StageNets,
) -> Seen:
  """Applies F and T to both views; see `base.Objective.loss`."""
  f, f_stats = nets.apply(
      models.FEATURES, variables, jnp.concatenate([views.x, views.other])
  )
  outputs, t_stats = nets.apply(models.LANDMARKS, variables, f)
  probabilities = heatmaps.spatial_softmax(outputs['heatmaps'])
  points, other_points = jnp.split(heatmaps.expectation(probabilities), 2)
  targets = jax.vmap(lambda g, p: g(p))(views.g, points)
  return Seen(
      features=f[: len(views.x)],
      probabilities=probabilities[: len(views.x)],
      other_probabilities=probabilities[len(views.x) :],
      points=points,
      targets=targets,
      other_points=other_points,
      valid=geometry.inside(targets, views.x.shape[1:3]),
      batch_stats={models.FEATURES: f_stats, models.LANDMARKS: t_stats},
  )


def terms(seen: Seen, section: Any) -> dict[str, jax.Array]:
  """The paper's three losses, `[B]` each, in pixels of a 128-pixel image."""
  side = seen.probabilities.shape[1]
  to_128 = functools.partial(metrics.to_128, image_size=side)
  equivariance = losses.equivariance(
      to_128(seen.other_points), to_128(seen.targets), valid=seen.valid
  )
  return {
      'equivariance': equivariance,
      **terms_of_one(seen.probabilities, section),
  }


def terms_of_one(
    probabilities: jax.Array, section: Any
) -> dict[str, jax.Array]:
  """Those of the losses, `[B]` each, that need one view's heatmaps alone."""
  side = probabilities.shape[1]
  return {
      'diversity': losses.diversity(
          probabilities, patch=pixels(section.patch, side)
      ),
      'variance': variance(probabilities),
  }


def variance(probabilities: jax.Array) -> jax.Array:
  """The variance loss `[B]`, in squared pixels of a 128-pixel image."""
  side = probabilities.shape[1]
  spreads = heatmaps.spread(probabilities)
  return losses.variance(metrics.to_128(metrics.to_128(spreads, side), side))


def weighted(
    terms: Mapping[str, jax.Array],
    seen: Seen,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The loss of terms `[B]`, each by its weight in `section.weights`.

  A term of weight 0 is only logged, and takes no part in the gradient.
  """
  share = nets.share(len(seen.points))
  shares = {name: share * jnp.sum(term) for name, term in terms.items()}
  return base.Loss(
      total=base.weighted_sum(shares, section.weights),
      terms=shares,
      batch_stats=seen.batch_stats,
      points_used=share * jnp.sum(jnp.mean(seen.valid, -1, dtype=float)),
  )


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The weighted sum of the three losses, see `base.Objective.loss`."""
  del keys
  seen = see(variables, views, nets)
  return weighted(terms(seen, section), seen, section, nets)


def pixels(share: float, side: int) -> int:
  """The side of a patch in whole pixels, of an image of this side."""
  return max(round(share * side), 1)


def collapsed(
    config: Any, section: Any, row: Mapping[str, float]
) -> str | None:
  """Whether the heatmaps all lie on each other, as a single one cannot.

  Args:
    config: the run's.
    section: that of the stage.
    row: `diversity`, past the first epoch.
  """
  largest = config.num_landmarks - 1
  if not largest or row['diversity'] < _DIVERSITY * largest:
    return None
  return (
      f"the diversity loss is {row['diversity']:.4g} of at most {largest}: all "
      f'heatmaps share the same patch of {section.patch:g} of the side: '
      f'{collapse.CHANGE_LANDMARKS}'
  )


OBJECTIVE = base.Objective(
    loss=loss,
    section=section,
    rules=_RULES,
    trains=(models.LANDMARKS,),
    reads=(models.FEATURES,),
    terms=TERMS,
    less_memory=('model.landmark_width',),
    collapsed=collapsed,
)
