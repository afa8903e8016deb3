"""Stage 2 by the terms on landmarks of Zhang et al., without their decoder.

See "Unsupervised discovery of object landmarks as structural representations"
by Zhang, Guo, Jin, Luo, He and Lee, 2018, and docs/compared_methods.md.
"""

import dataclasses

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import compared_losses
from eqlandmarks import heatmaps
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

TERMS = (*landmarks.TERMS, 'separation', 'concentration')


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Weights of the terms, from those for CelebA with 30 landmarks (github.com/
  # YutingZhang/lmdis-rep): 1e4 for equivariance, 10 for separation, 100 for
  # concentration, all three sums over landmarks. Here they are such sums by
  # K, in squared pixels of a 128-pixel image, so that one balance serves any K:
  # - equivariance is there in [-1, 1] of a frame of 96 pixels that holds the
  #   image of 80, divided by 80 / 96. A pixel of 128 is 2 * (80 / 128) / 96 of
  #   it: 1e4 * 0.01302^2 / 0.8333 = 2.03. (Cats, 5000: 1.02.)
  # - separation has no unit. (Cats: 20 for 10 landmarks, 10 for 20.)
  # - concentration is there in squares of the side: 100 / 128^2 = 0.0061.
  # The paper's diversity and variance are logged beside them.
  fields.weights = ConfigDict({
      'equivariance': 2.03, 'separation': 10.0, 'concentration': 0.0061,
      'diversity': 0.0, 'variance': 0.0,
  })  # fmt: skip
  # b of separation, as a share of the image's side: pairs of landmarks weigh
  # exp(-d^2 / (2 b^2)). (Cats: 0.08 for 10 landmarks, 0.05 for 20.)
  fields.bandwidth = 0.04
  # Of diversity, as for the objective `landmarks`.
  fields.patch = 0.0625
  return fields
# --8<-- [end:fields]


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: ConfigDict,
    nets: base.StageNets,
) -> base.Loss:
  """The weighted sum of the terms, see `base.Objective.loss`."""
  del keys
  seen = landmarks.see(variables, views, nets)
  side, count = views.x.shape[1], seen.points.shape[1]
  # As published, separation and concentration are those of both views.
  points = jnp.stack([seen.points, seen.other_points])
  variances = heatmaps.variances(
      jnp.stack([seen.probabilities, seen.other_probabilities])
  )
  separated = compared_losses.separation(points, section.bandwidth * side)
  concentrated = compared_losses.concentration(variances)
  terms = landmarks.terms(seen, section) | {
      'separation': jnp.mean(separated, axis=0) / count,
      # Squared pixels.
      'concentration': metrics.to_128(
          metrics.to_128(jnp.mean(concentrated, axis=0) / count, side), side
      ),
  }
  return landmarks.weighted(terms, seen, section, nets)


OBJECTIVE = dataclasses.replace(
    landmarks.OBJECTIVE,
    loss=loss,
    section=section,
    rules=landmarks.OBJECTIVE.rules | {
        'weights': dict.fromkeys(TERMS, field_rules.not_negative()),
        'bandwidth': field_rules.number(
            lambda v: 0.001 <= v <= 1, 'a share from 0.001 to 1'
        ),
    },
    terms=TERMS,
)
