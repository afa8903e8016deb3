"""What each stage minimises, as a function of variables, images and keys.

An objective sees one device's images. It returns this device's *share* of the
loss and of the metrics: the `psum` over the mapped axis is the value, so that
one device and many give the same update.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from eqlandmarks import appearance
from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import models
from eqlandmarks import warps

# The metrics that are minimised, or parts of what is; stage 1 has the first.
TERMS = ('loss', 'equivariance', 'diversity', 'variance')

# Loss share, (metric shares, new batch statistics by net).
Output = tuple[jax.Array, tuple[dict[str, jax.Array], dict[str, Any]]]


def make_views(
    images: jax.Array, keys: jax.Array, *, warp: Any, appearance_change: Any
) -> tuple[jax.Array, jax.Array, warps.Warp]:
  """Images as they are, their warped and changed copies, and the warps.

  Args:
    images: uint8 `[B, H, W, 3]`.
    keys: `[B]`, one PRNG key per image.
    warp: strengths of `warps.random_warp`, and its border.
    appearance_change: strengths of `appearance.random_appearance`.

  Returns:
    Views x and x' = r(g#(x)), `[B, H, W, 3]` in [0, 1]; and g, batched.
  """
  strengths = dict(warp)
  border = strengths.pop('border')
  x = models.scale_pixels(images)

  def one(key: jax.Array, image: jax.Array) -> tuple[jax.Array, warps.Warp]:
    first, second = jax.random.split(key)
    g = warps.random_warp(first, image.shape[:2], **strengths)
    moved = warps.warp_image(g, image, border=border)
    changed = appearance.random_appearance(
        second, moved, **dict(appearance_change)
    )
    return changed, g

  warped, g = jax.vmap(one)(keys, x)
  return x, warped, g


def pretrain(
    variables: dict[str, models.Variables],
    images: jax.Array,
    keys: jax.Array,
    *,
    nets: models.Nets,
    stage: Any,
    axis_name: str,
) -> Output:
  """Stage 1: the contrastive loss (7) of F at random corresponding points.

  With `stage.negatives` 'batch', all other points of all images are negatives,
  as in the paper; with 'image', only those of the same image, so that the same
  part of two different objects is not pushed apart.
  """
  shape = images.shape[1:3]
  keys = jax.vmap(jax.random.split)(keys)
  x, warped, g = make_views(
      images,
      keys[:, 0],
      warp=stage.warp,
      appearance_change=stage.appearance,
  )
  draw = functools.partial(
      jax.random.uniform,
      shape=(stage.num_locations, 2),
      maxval=jnp.asarray(shape, float),
  )
  locations = jax.vmap(draw)(keys[:, 1])
  images_of = jax.vmap(lambda w, p: w(p))(g, locations)
  valid = geometry.inside(images_of, shape)
  both, stats = models.apply_trained(
      nets.features,
      variables[models.FEATURES],
      jnp.concatenate([x, warped]),
      method='trunk',
  )
  points = jnp.concatenate([locations, images_of])
  sampled = nets.features.apply(
      variables[models.FEATURES],
      jax.vmap(geometry.sample)(both, points),
      method='project',
  )
  first, second = jnp.split(sampled, 2)  # each [B, M, D]
  loss = _contrastive(first, second, valid, stage, axis_name)
  used = jnp.mean(valid, dtype=float) / jax.lax.axis_size(axis_name)
  metrics = {'loss': loss, 'points_used': used}
  return loss, (metrics, {models.FEATURES: stats})


def _contrastive(
    first: jax.Array,
    second: jax.Array,
    valid: jax.Array,
    stage: Any,
    axis_name: str,
) -> jax.Array:
  """This device's share of the contrastive loss of `[B, M, D]` features."""
  loss = functools.partial(losses.contrastive, temperature=stage.temperature)
  if stage.negatives == 'image':
    each = jax.vmap(lambda f, g, v: loss(f, g, valid=v))(first, second, valid)
    return jnp.mean(each) / jax.lax.axis_size(axis_name)
  depth = first.shape[-1]
  return loss(
      first.reshape(-1, depth),
      second.reshape(-1, depth),
      valid=valid.reshape(-1),
      axis_name=axis_name,
  )


def discover(
    variables: dict[str, models.Variables],
    images: jax.Array,
    keys: jax.Array,
    *,
    nets: models.Nets,
    stage: Any,
    train_features: bool,
    axis_name: str,
) -> Output:
  """Stage 2 and end-to-end: equivariance (2), diversity (3), variance."""
  shape = images.shape[1:3]
  x, warped, g = make_views(
      images, keys, warp=stage.warp, appearance_change=stage.appearance
  )
  views = jnp.concatenate([x, warped])
  f, f_stats = _features(nets, variables, views, train_features)
  outputs, t_stats = models.apply_trained(
      nets.landmarks, variables[models.LANDMARKS], f
  )
  probabilities = heatmaps.spatial_softmax(outputs['heatmaps'])
  points, of_warped = jnp.split(heatmaps.expectation(probabilities), 2)
  first = probabilities[: len(x)]
  targets = jax.vmap(lambda w, p: w(p))(g, points)
  valid = geometry.inside(targets, shape)
  terms = {
      'equivariance': losses.equivariance(of_warped, targets, valid=valid),
      'diversity': losses.diversity(first, patch=stage.patch),
      'variance': losses.variance(heatmaps.spread(first)),
  }
  # Mean over the global batch, as shares.
  share = 1.0 / (len(x) * jax.lax.axis_size(axis_name))
  metrics = {name: share * jnp.sum(term) for name, term in terms.items()}
  loss = sum(stage.weights[name] * value for name, value in metrics.items())
  used = share * jnp.sum(jnp.mean(valid, axis=-1, dtype=float))
  metrics = {'loss': loss, **metrics, 'points_used': used}
  stats = {models.FEATURES: f_stats, models.LANDMARKS: t_stats}
  return loss, (metrics, stats)


def _features(
    nets: models.Nets,
    variables: dict[str, models.Variables],
    views: jax.Array,
    train_features: bool,
) -> tuple[jax.Array, Any]:
  """F's output and new batch statistics.

  A frozen F runs in evaluation mode, and nothing is differentiated through it.
  """
  if train_features:
    return models.apply_trained(
        nets.features, variables[models.FEATURES], views
    )
  f = nets.features.apply(variables[models.FEATURES], views)
  return jax.lax.stop_gradient(f), {}
