"""Losses of the methods that the paper is compared with, as pure functions.

docs/compared_methods.md says which method minimises which. All is as in
`eqlandmarks.losses`: points are (row, column) in pixels, heatmaps
`[..., H, W, K]`, and what is computed is float32 at least.
"""

import math
import numbers

import jax
import jax.numpy as jnp

from eqlandmarks import _arguments
from eqlandmarks import geometry
from eqlandmarks import heatmaps

__all__ = [
    'alignment', 'concentration', 'matching', 'separation',
    'sliding_diversity',
]  # fmt: skip

# Below this variance, in squared pixels, a standard deviation is linear in it:
# the root's slope grows without bound.
_LEAST_VARIANCE = 1e-4


def alignment(
    probabilities: jax.Array,
    other_probabilities: jax.Array,
    warped_centres: jax.Array,
    *,
    valid: jax.Array | None = None,
) -> jax.Array:
  """Expected squared distance of two views' heatmaps, one of them warped.

  With u drawn from a landmark's heatmap and v, independently, from that of the
  other view, it is E|g(u) - v|^2 = |E g(u) - E v|^2 + Tr Cov g(u) + Tr Cov v,
  exact for any g. See "Unsupervised learning of object landmarks by factorized
  spatial embeddings" by Thewlis, Bilen and Vedaldi, 2017.

  Args:
    probabilities: `[..., H, W, K]`, heatmaps of the first view.
    other_probabilities: `[..., H, W, K]`, of the other view.
    warped_centres: `[..., H, W, 2]`, where g takes the pixels' centres.
    valid: `[..., K]` boolean; landmarks that count, all by default. The others'
      heatmaps may hold anything.

  Returns:
    `[...]`: mean over the valid landmarks, in squared pixels; 0 where none is
    valid.

  Raises:
    ValueError: shapes or dtypes that do not match.
  """
  _arguments.check_floats(
      probabilities=probabilities,
      other_probabilities=other_probabilities,
      warped_centres=warped_centres,
  )
  shape = probabilities.shape
  if (
      len(shape) < 3
      or other_probabilities.shape != shape
      or warped_centres.shape != (*shape[:-1], 2)
  ):
    raise ValueError(
        'alignment needs two arrays [..., H, W, K] and one [..., H, W, 2], got '
        f'{shape}, {other_probabilities.shape} and {warped_centres.shape}.'
    )
  first, other = map(
      _arguments.at_least_float32, (probabilities, other_probabilities)
  )
  if valid is None:
    valid = jnp.ones((*shape[:-3], shape[-1]), bool)
  else:
    _arguments.check_mask(valid, (*shape[:-3], shape[-1]))
    counts = valid[..., None, None, :]
    first, other = (jnp.where(counts, maps, 0.0) for maps in (first, other))
  mean, spread = _moments(first, warped_centres)
  difference = mean - heatmaps.expectation(other)
  each = jnp.sum(difference**2, axis=-1) + spread + heatmaps.spread(other)
  return _mean_of_valid(each, valid)


def _moments(
    probabilities: jax.Array, places: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Means `[..., K, 2]` and traces of covariances `[..., K]` of places."""
  mean = jnp.einsum(
      '...hwk,...hwc->...kc', probabilities, places, precision='highest'
  )
  spread = sum(
      jnp.sum(
          # Centred before squaring, as in `heatmaps.spread`.
          probabilities
          * (places[..., axis, None] - mean[..., None, None, :, axis]) ** 2,
          axis=(-3, -2),
      )
      for axis in (0, 1)
  )
  return mean, spread


def sliding_diversity(probabilities: jax.Array, *, patch: int = 1) -> jax.Array:
  """Diversity loss (3) on all patches of the image, not only adjacent ones.

  K minus the sum, over all places of a sliding patch, of the largest of the
  landmarks' average probabilities in it. A patch may reach over the edge, where
  nothing lies: so every pixel is in as many patches, and the loss stays in
  [0, K - 1].

  Args:
    probabilities: `[..., H, W, K]`, each channel summing to 1.
    patch: side of a patch, in pixels.

  Returns:
    `[...]`.

  Raises:
    ValueError: fewer than three axes, another dtype, or a patch below one
      pixel.
  """
  _arguments.check_patches(probabilities, patch)
  pooled = _arguments.at_least_float32(probabilities)
  for axis in (pooled.ndim - 3, pooled.ndim - 2):
    window, padding = [1] * pooled.ndim, [(0, 0)] * pooled.ndim
    window[axis], padding[axis] = patch, (patch - 1, patch - 1)
    pooled = jax.lax.reduce_window(
        pooled, 0.0, jax.lax.add, window, [1] * pooled.ndim, padding
    )
  shared = jnp.sum(pooled, axis=-1) - jnp.max(pooled, axis=-1)
  return jnp.sum(shared, axis=(-2, -1)) / patch**2


def separation(points: jax.Array, bandwidth: float) -> jax.Array:
  """How near landmarks are to each other: a sum over all pairs, in both orders.

  Each pair gives exp(-|y_i - y_j|^2 / (2 b^2)). See "Unsupervised discovery of
  object landmarks as structural representations" by Zhang et al., 2018.

  Args:
    points: `[..., K, 2]`.
    bandwidth: b, in the unit of the points.

  Returns:
    `[...]`, from 0 to K (K - 1). Its gradient is zero where all points are the
    same.

  Raises:
    ValueError: a shape or dtype that does not fit, or a bandwidth that is not
      above 0.
  """
  _arguments.check_floats(points=points)
  if points.ndim < 2 or points.shape[-1] != 2:
    raise ValueError(f'points must be [..., K, 2], got {points.shape}.')
  _check_positive(bandwidth=bandwidth)
  points = _arguments.at_least_float32(points)
  difference = points[..., :, None, :] - points[..., None, :, :]
  near = jnp.exp(jnp.sum(difference**2, axis=-1) / (-2 * bandwidth**2))
  itself = jnp.eye(points.shape[-2], dtype=bool)
  itself = itself.reshape(*[1] * (points.ndim - 2), *itself.shape)
  return jnp.sum(jnp.where(itself, 0.0, near), axis=(-2, -1))


def concentration(variances: jax.Array) -> jax.Array:
  """Sum over landmarks of exp(entropy) of Gaussians as wide as the heatmaps.

  That is 2 pi e sigma^2 each, sigma being the mean of the standard deviations
  along the two axes. From the same paper as `separation`.

  Args:
    variances: `[..., K, 2]` along rows and columns, from `heatmaps.variances`.

  Returns:
    `[...]`, in the unit of the variances; 0 for heatmaps of single pixels.

  Raises:
    ValueError: a shape or dtype that does not fit.
  """
  _arguments.check_floats(variances=variances)
  if variances.ndim < 2 or variances.shape[-1] != 2:
    raise ValueError(f'variances must be [..., K, 2], got {variances.shape}.')
  variances = _arguments.at_least_float32(variances)
  deviations = variances * jax.lax.rsqrt(
      jnp.maximum(variances, _LEAST_VARIANCE)
  )
  square = jnp.mean(deviations, axis=-1) ** 2
  return 2 * math.pi * math.e * jnp.sum(square, axis=-1)


def matching(
    features: jax.Array,
    other_features: jax.Array,
    targets: jax.Array,
    places: jax.Array,
    *,
    through: jax.Array | None = None,
    temperature: float = 0.05,
    power: float = 0.5,
    valid: jax.Array | None = None,
) -> jax.Array:
  """Expected distance to where a feature should be found in the other view.

  A feature f_u picks place v of the other view with probability p(v|u), a
  softmax of cosine similarities, and pays |v - g(u)|^power for it. With
  `through`, f_u is first replaced by what it finds in a third image, the mean
  of that image's features by a softmax of similarities to them, of unit length
  no longer. So it must mean the same in two objects to come through. See
  "Unsupervised learning of landmarks by descriptor vector exchange" by Thewlis,
  Albanie, Bilen and Vedaldi, 2019; without `through`, "Unsupervised learning of
  object frames by dense equivariant image labelling" by Thewlis, Bilen and
  Vedaldi, 2017.

  It holds `[..., M, P]` similarities. Distances have no gradient.

  Args:
    features: `[..., M, D]`, f_u at places u of the first view.
    other_features: `[..., P, D]`, those of the other view.
    targets: `[..., M, 2]`, g(u).
    places: `[P, 2]`, where `other_features` are.
    through: `[..., Q, D]`, features of a third image.
    temperature: of both softmaxes.
    power: of the distance.
    valid: `[..., M]` boolean; places u that count, all by default. The others'
      features and targets may hold anything.

  Returns:
    `[...]`: mean over the valid u; 0 where none is valid.

  Raises:
    ValueError: shapes or dtypes that do not match, a temperature or a power
      that is not above 0.
  """
  _check_matching(features, other_features, targets, places, through)
  _check_positive(temperature=temperature, power=power)
  if valid is None:
    valid = jnp.ones(features.shape[:-1], bool)
  else:
    _arguments.check_mask(valid, features.shape[:-1])
    features, targets = (
        jnp.where(valid[..., None], x, 0.0) for x in (features, targets)
    )
  features = geometry.unit_vectors(features)
  if through is not None:
    through = geometry.unit_vectors(through)
    features = _matmul(_softmax(features, through, temperature), through)
  probability = _softmax(
      features, geometry.unit_vectors(other_features), temperature
  )
  cost = jax.lax.stop_gradient(_distances(targets, places) ** power)
  return _mean_of_valid(jnp.sum(probability * cost, axis=-1), valid)


def _softmax(
    features: jax.Array, others: jax.Array, temperature: float
) -> jax.Array:
  """`[..., M, P]` probabilities of `[..., P, D]` for `[..., M, D]`."""
  similarities = _matmul(features, jnp.swapaxes(others, -1, -2))
  return jax.nn.softmax(similarities / temperature, axis=-1)


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
  # Not in TF32, as a GPU would: similarities are divided by the temperature.
  return jnp.matmul(a, b, precision='highest')


def _distances(targets: jax.Array, places: jax.Array) -> jax.Array:
  """`[..., M, P]` distances of `[..., M, 2]` and `[P, 2]`."""
  places = places.reshape(*[1] * (targets.ndim - 1), *places.shape)
  return jnp.linalg.norm(targets[..., None, :] - places, axis=-1)


def _mean_of_valid(each: jax.Array, valid: jax.Array) -> jax.Array:
  """The mean over the last axis of those that are valid, 0 of none."""
  total = jnp.sum(jnp.where(valid, each, 0.0), axis=-1)
  return total / jnp.maximum(jnp.sum(valid, axis=-1), 1)


def _check_matching(
    features: jax.Array,
    other_features: jax.Array,
    targets: jax.Array,
    places: jax.Array,
    through: jax.Array | None,
) -> None:
  arrays = {
      'features': features, 'other_features': other_features,
      'targets': targets, 'places': places,
      **({} if through is None else {'through': through}),
  }  # fmt: skip
  _arguments.check_floats(**arrays)
  *batch, _, depth = features.shape if features.ndim > 1 else (None, None, None)
  sets = [other_features] if through is None else [other_features, through]
  if (
      features.ndim < 2
      or any(x.ndim != features.ndim for x in sets)
      or any((*x.shape[:-2], x.shape[-1]) != (*batch, depth) for x in sets)
      or targets.shape != (*features.shape[:-1], 2)
      or places.shape != (other_features.shape[-2], 2)
  ):
    shapes = ', '.join(f'{name} {x.shape}' for name, x in arrays.items())
    raise ValueError(
        'matching needs features [..., M, D], other_features [..., P, D], '
        f'targets [..., M, 2] and places [P, 2], got {shapes}.'
    )


def _check_positive(**values: float) -> None:
  for name, value in values.items():
    if isinstance(value, numbers.Real) and not value > 0:
      raise ValueError(f'{name} must be above 0, got {value}.')
