"""Stage 2 with labels: each landmark is trained to be an annotated point.

No method without labels can be expected to pass it: the ceiling, as the mean
shape is the floor.
"""

from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import geometry
from eqlandmarks import losses
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

TERMS = ('supervision', 'variance')


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Weights of the squared distance to the annotations, in both views, and of
  # the heatmaps' variance; per squared pixel of a 128-pixel image. As those of
  # equivariance and variance without labels.
  fields.weights = ConfigDict({'supervision': 0.25, 'variance': 0.0125})
  return fields
# --8<-- [end:fields]


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The distance of landmarks to annotations, see `base.Objective.loss`.

  A point that is not annotated, or that leaves the other view, does not count.
  """
  del keys
  seen = landmarks.see(variables, views, nets)
  annotated = jnp.isfinite(views.points).all(-1)
  points = jnp.where(annotated[..., None], views.points, 0.0)
  moved = jax.vmap(lambda g, p: g(p))(views.g, points)
  side = views.x.shape[1]
  inside = annotated & geometry.inside(moved, views.x.shape[1:3])
  both = jnp.concatenate
  distance = losses.equivariance(
      metrics.to_128(both([seen.points, seen.other_points], 1), side),
      metrics.to_128(both([points, moved], 1), side),
      valid=both([annotated, inside], 1),
  )
  variance = landmarks.variance(seen.probabilities)
  return landmarks.weighted(
      {'supervision': distance, 'variance': variance}, seen, section, nets
  )


OBJECTIVE = base.Objective(
    loss=loss,
    section=section,
    rules={'weights': dict.fromkeys(TERMS, field_rules.not_negative())},
    trains=(models.LANDMARKS,),
    reads=(models.FEATURES,),
    terms=TERMS,
    needs_labels=True,
    less_memory=('model.landmark_width',),
)
