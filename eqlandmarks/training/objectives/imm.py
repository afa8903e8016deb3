"""Stage 2 by conditional image generation: landmarks from which one can draw.

"Unsupervised learning of object landmarks through conditional image generation"
by Jakab, Gupta, Bilen and Vedaldi, 2018. One view of an object is drawn from
the other one's looks and from its own landmarks. These are all that tells of
where its parts are, and so come to lie on them; no loss asks it of them.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import errors
from eqlandmarks import heatmaps
from eqlandmarks import models
from eqlandmarks import reconstruction
from eqlandmarks import renderers
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

TERMS = ('reconstruction', *landmarks.TERMS)
# The net whose encoder's outputs are compared, beside pixels.
_HELD = {
    'pixels': (),
    'features': (models.FIRST_FEATURES,),
    'random': (models.RANDOM_FEATURES,),
}


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of this objective."""
  fields = ConfigDict()
  # Weights of what of an image is not explained by the one that is drawn, 1
  # being no better than its mean colour, and of the losses of `landmarks`. Of
  # these, diversity and variance are logged in any case.
  fields.weights = ConfigDict({
      'reconstruction': 1.0, 'equivariance': 0.0, 'diversity': 0.0,
      'variance': 0.0,
  })  # fmt: skip
  # Side of the patches of the diversity loss, as for `landmarks`.
  fields.patch = 0.0625
  # Standard deviation of a landmark's map, as a share of the image's side.
  fields.sigma = 0.0354
  # What is compared: pixels, and their differences to the next ones, at three
  # scales; or pixels and the outputs of an encoder's blocks, which is that of
  # the F that the stage starts with (features), or one with random weights.
  # An end-to-end training starts with random ones.
  fields.pyramid = 'pixels'
  return fields
# --8<-- [end:fields]


def _check(config: Any, section: Any, prefix: str) -> None:
  """Checks that there is something to draw, and that the renderer can."""
  objective = f'config.{prefix}objective {section.objective!r}'
  # Of the renderer, and of the smallest scale of the pixels.
  step = 2 ** max(2, renderers.halvings(config.image_size))
  if config.image_size % step:
    raise errors.UserError(
        f'config.image_size is {config.image_size}, expected a multiple of '
        f'{step} with {objective}, which halves images.'
    )
  if not any(section.weights.values()):
    raise errors.UserError(
        f'config.{prefix}weights are all 0, expected one above 0: there is '
        'nothing to minimise.'
    )
  has_map = pairs.load(section.pair).has_map
  if section.weights.equivariance and not has_map:
    raise errors.UserError(
        f'config.{prefix}weights.equivariance is '
        f'{section.weights.equivariance}, expected 0 with config.{prefix}pair '
        f'{section.pair!r}, which does not tell where the points of a view are '
        'in the other.'
    )
  for field, value in section.get('appearance', {}).items():
    if value:
      raise errors.UserError(
          f'config.{prefix}appearance.{field} is {value}, expected 0 with '
          f'{objective}: new colours cannot be drawn from the other view.'
      )


_RULES = {
    **landmarks.OBJECTIVE.rules,
    'weights': dict.fromkeys(TERMS, field_rules.not_negative()),
    'sigma': field_rules.positive(1),
    'pyramid': field_rules.one_of(*_HELD),
    field_rules.WHOLE: _check,
}


def loss(
    variables: dict[str, models.Variables],
    views: pairs.Views,
    keys: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> base.Loss:
  """The weighted sum of the terms, see `base.Objective.loss`.

  The other view is drawn, with the looks of the first; of two frames of a clip,
  the other frame. T sees the first one only where equivariance has a weight;
  diversity and variance are the first view's then, as in `landmarks`, and
  otherwise those of what is drawn.
  """
  del keys
  target = views.other if views.frame is None else views.frame
  if section.weights.equivariance:
    both = landmarks.see(variables, views, nets)
    terms, points = landmarks.terms(both, section), both.other_points
    stats = both.batch_stats
    valid = jnp.mean(both.valid, -1, dtype=float)
    if views.frame is not None:
      _, points, _ = _see(variables, target, section, nets)
  else:
    terms, points, stats = _see(variables, target, section, nets)
    valid = None
  if section.weights.reconstruction:
    maps = _maps(points, nets.modules[models.RENDERER], views.x, section)
    drawn, stats[models.RENDERER] = nets.apply(
        models.RENDERER, variables, views.x, maps
    )
    terms['reconstruction'] = _distance(
        drawn, target, variables, section, nets
    )
  else:
    stats[models.RENDERER] = variables[models.RENDERER].get('batch_stats', {})
  share = nets.share(len(points))
  shares = {name: share * jnp.sum(term) for name, term in terms.items()}
  weights = {name: section.weights[name] for name in shares}
  return base.Loss(
      # What has no weight has no gradient that would cost anything.
      total=sum(w * shares[n] for n, w in weights.items() if w),
      terms=shares,
      batch_stats=stats,
      points_used=None if valid is None else share * jnp.sum(valid),
  )


def _see(
    variables: dict[str, models.Variables],
    images: jax.Array,
    section: Any,
    nets: base.StageNets,
) -> tuple[dict[str, jax.Array], jax.Array, dict[str, Any]]:
  """Terms of one view alone, its landmarks, and new batch statistics."""
  f, f_stats = nets.apply(models.FEATURES, variables, images)
  outputs, t_stats = nets.apply(models.LANDMARKS, variables, f)
  probabilities = heatmaps.spatial_softmax(outputs['heatmaps'])
  return (
      landmarks.terms_of_one(probabilities, section),
      heatmaps.expectation(probabilities),
      {models.FEATURES: f_stats, models.LANDMARKS: t_stats},
  )


def _maps(
    points: jax.Array,
    renderer: renderers.Renderer,
    images: jax.Array,
    section: Any,
) -> jax.Array:
  """`[B, h, w, K]`: what the renderer is shown of landmarks `[B, K, 2]`."""
  shape = images.shape[1:3]
  return heatmaps.gaussian_maps(
      points, renderer.grid(shape), shape, section.sigma * shape[0]
  )


def _distance(
    drawn: jax.Array,
    target: jax.Array,
    variables: dict[str, models.Variables],
    section: Any,
    nets: base.StageNets,
) -> jax.Array:
  """The term `reconstruction` of images, `[B]`."""
  if section.pyramid == 'pixels':
    return reconstruction.of_pixels(drawn, target)
  (held,) = _HELD[section.pyramid]

  def levels(images: jax.Array) -> list[jax.Array]:
    # Not by `nets`: what is drawn has a gradient through the net.
    outputs = nets.modules[held].apply(
        variables[held], images, method='pyramid'
    )
    return [images, *outputs]

  return reconstruction.of_levels(levels(drawn), levels(target))


def render(
    variables: dict[str, models.Variables],
    images: jax.Array,
    points: jax.Array,
    section: Any,
    nets: models.Nets,
) -> jax.Array:
  """What the renderer makes of landmarks, see `base.Objective.render`."""
  maps = _maps(points, nets.renderer, images, section)
  return nets.renderer.apply(variables[models.RENDERER], images, maps)


OBJECTIVE = dataclasses.replace(
    landmarks.OBJECTIVE,
    loss=loss,
    section=section,
    rules=_RULES,
    trains=(models.LANDMARKS, models.RENDERER),
    holds=lambda section: _HELD[section.pyramid],
    terms=TERMS,
    optional=('reconstruction', 'equivariance'),
    needs_map=False,
    render=render,
)
