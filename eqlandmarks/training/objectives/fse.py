"""Stage 2 by factorised spatial embeddings: alignment and diversity.

See "Unsupervised learning of object landmarks by factorized spatial embeddings"
by Thewlis, Bilen and Vedaldi, 2017, and docs/compared_methods.md.
"""

import dataclasses

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import compared_losses
from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

TERMS = ('alignment', 'diversity', 'variance')


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Weights of the terms. Those in use (github.com/alldbi/
  # Factorized-Spatial-Embeddings) are 1 for alignment in squared cells, a mean
  # over landmarks, and 500 for the sum of both images' diversity: 1000 for
  # their mean, which diversity is here. A cell is 2 pixels of a 128-pixel
  # image, and alignment is in squared pixels of that, 4 times as large: 1 for
  # it and 4 * 1000 for diversity keep the balance. The variances of both
  # heatmaps are in alignment already; variance is of the first view alone.
  fields.weights = ConfigDict(
      {'alignment': 1.0, 'diversity': 4000.0, 'variance': 0.0}
  )
  # Side of the sliding patches of the diversity loss, as a share of the image's
  # side: 4 cells, 8 pixels of 128. It is rounded to whole pixels.
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
  side = views.x.shape[1]
  centres = geometry.pixel_centres((side, side))
  warped = jax.vmap(lambda g, _: g(centres))(views.g, views.x)
  aligned = compared_losses.alignment(
      seen.probabilities, seen.other_probabilities, warped, valid=seen.valid
  )
  both = jnp.stack([seen.probabilities, seen.other_probabilities])
  patch = landmarks.pixels(section.patch, side)
  terms = {
      # Squared pixels.
      'alignment': metrics.to_128(metrics.to_128(aligned, side), side),
      'diversity': jnp.mean(
          compared_losses.sliding_diversity(both, patch=patch), axis=0
      ),
      'variance': landmarks.variance(seen.probabilities),
  }
  return landmarks.weighted(terms, seen, section, nets)


OBJECTIVE = dataclasses.replace(
    landmarks.OBJECTIVE,
    loss=loss,
    section=section,
    rules=landmarks.OBJECTIVE.rules
    | {'weights': dict.fromkeys(TERMS, field_rules.not_negative())},
    terms=TERMS,
)
