"""Stage 2 on clips: the paper's losses, and two of what moves in them.

A warp moves an arm with all that is around it, so that an arm needs no landmark
of its own. Between two frames of a clip it moves by itself.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import matching
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

TERMS = (*landmarks.TERMS, 'matching', 'coverage')
# A point that is followed forth and back must come back within so many pixels
# of a 128-pixel image.
_AGREEMENT = 2.0
# Cells a side in which change is looked for.
_CELLS = 16


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = landmarks.section()
  # Landmarks of the other frame are where F's features find those of the first
  # again; per squared pixel of a 128-pixel image, as equivariance.
  fields.weights.matching = 0.05
  # Landmarks are near what changes from frame to frame.
  fields.weights.coverage = 10.0
  # Half of the window in which a landmark is followed, and how far one covers
  # what changes, both as a share of the side.
  fields.window = 0.25
  fields.cover = 0.035
  # Of the softmax of similarities by which landmarks are followed.
  fields.temperature = 0.05
  return fields
# --8<-- [end:fields]


_RULES = {
    **landmarks.OBJECTIVE.rules,
    'weights': dict.fromkeys(TERMS, field_rules.not_negative()),
    'window': field_rules.positive(1),
    'cover': field_rules.positive(1),
    'temperature': field_rules.positive(),
}


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The weighted sum of the five losses, see `base.Objective.loss`."""
  del keys
  seen = landmarks.see(variables, views, nets)
  terms = landmarks.terms(seen, section)
  if section.weights.matching or section.weights.coverage:
    terms |= _terms_of_motion(variables, views, seen, section, nets)
  return landmarks.weighted(terms, seen, section, nets)


def _terms_of_motion(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    seen: landmarks.Seen,
    section: Any,
    nets: base.StageNets,
) -> dict[str, jax.Array]:
  """What two frames tell of the landmarks, `[B]` each."""
  features, _ = nets.apply(models.FEATURES, variables, views.frame)
  outputs, _ = nets.apply(models.LANDMARKS, variables, features)
  points = heatmaps.soft_argmax(outputs['heatmaps'])
  own, other, starts = jax.lax.stop_gradient(
      (seen.features, features, seen.points)
  )
  side = views.x.shape[1]
  to_128 = functools.partial(metrics.to_128, image_size=side)
  terms = {}
  if section.weights.matching:
    targets, errors = jax.vmap(functools.partial(
        matching.follow, window=section.window * side,
        temperature=section.temperature,
    ))(own, other, starts)  # fmt: skip
    agreed = to_128(errors) <= _AGREEMENT
    # The mean over all landmarks: those that are lost count as 0.
    terms['matching'] = jnp.mean(agreed, -1, dtype=float) * losses.equivariance(
        to_128(points), to_128(targets), valid=agreed
    )
  if section.weights.coverage:
    change = functools.partial(matching.change, cells=_CELLS)
    cover = functools.partial(
        matching.coverage, side=side, sigma=section.cover * side
    )
    terms['coverage'] = jax.vmap(cover)(
        jax.vmap(change)(own, other), jnp.concatenate([seen.points, points], 1)
    )
  return terms


def _check_cells(config: Any, section: Any, prefix: str) -> None:
  del section
  if config.image_size % _CELLS:
    raise base.errors.UserError(
        f'config.image_size is {config.image_size}, expected a multiple of '
        f'{_CELLS} for config.{prefix}objective.'
    )


OBJECTIVE = base.Objective(
    loss=loss,
    section=section,
    rules={**_RULES, field_rules.WHOLE: _check_cells},
    trains=(models.LANDMARKS,),
    reads=(models.FEATURES,),
    terms=TERMS,
    optional=('matching', 'coverage'),
    needs_frame=True,
    less_memory=('model.landmark_width',),
    collapsed=landmarks.collapsed,
)
