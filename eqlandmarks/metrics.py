"""What is measured: Acc(d), share of points found, inter-ocular error.

Every metric is a `Mean`, a (sum, count) that merges exactly over batches and
hosts, and counts only points that are there: a missing annotation is NaN, and a
point that leaves the image is left out, never moved to the edge. Points are
(row, column) in pixels, see `eqlandmarks.geometry`.

NumPy arrays are computed with NumPy, in their own precision, and summed in
float64; JAX arrays with JAX, also within transformations.

    errors = metrics.to_128(metrics.distances(predicted, true), image_size)
    metrics.Mean.of(errors).value              # mean error, px of 128
    metrics.share_within(errors, 6.0).value    # PCK at 6 px
    metrics.inter_ocular(errors, metrics.to_128(true, image_size), (0, 1)).value
"""

from typing import Any, TypeVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import geometry

__all__ = [
    'Mean',
    'accuracy_curve',
    'distances',
    'explained',
    'inter_ocular',
    'inter_ocular_errors',
    'match',
    'share_within',
    'standard_error',
    'to_128',
    'uniform_curve',
    'within',
]

Array = TypeVar('Array', np.ndarray, jax.Array)


@flax.struct.dataclass
class Mean:
  """A mean that can be merged.

  Attributes:
    total: sum of the values.
    count: number of the values.
  """

  total: jax.Array | float
  count: jax.Array | int

  @classmethod
  def of(cls, values: Array) -> 'Mean':
    """The mean of the values that are not NaN."""
    if not isinstance(values, jax.Array):
      present = np.asarray(values, np.float64)
      present = present[~np.isnan(present)]
      return cls(float(present.sum()), present.size)
    mask = ~jnp.isnan(values)
    return cls(jnp.sum(jnp.where(mask, values, 0.0)), jnp.sum(mask))

  def merge(self, other: 'Mean') -> 'Mean':
    """The mean over both sets of values."""
    return Mean(self.total + other.total, self.count + other.count)

  @property
  def value(self) -> float:
    """The mean; NaN of no values."""
    return float(self.total) / int(self.count) if self.count else float('nan')


def distances(predicted: Array, true: Array) -> Array:
  """Distances of points.

  Args:
    predicted: `[..., 2]`.
    true: `[..., 2]`, NaN where missing.

  Returns:
    `[...]` in pixels, NaN where either point is missing.

  Raises:
    ValueError: shapes that do not match.
  """
  if predicted.shape != true.shape or true.shape[-1:] != (2,):
    raise ValueError(
        'distances needs two arrays [..., 2] of one shape, got '
        f'{predicted.shape} and {true.shape}.'
    )
  xp = _numpy_of(predicted, true)
  difference = xp.asarray(predicted) - xp.asarray(true)
  missing = xp.isnan(difference).any(-1)
  # Masked on both sides of the root, so that the gradient is zero, not NaN,
  # where a point is missing or the distance is zero.
  square = xp.sum(xp.where(missing[..., None], 0.0, difference) ** 2, axis=-1)
  apart = square > 0
  distance = xp.where(apart, xp.sqrt(xp.where(apart, square, 1.0)), 0.0)
  return xp.where(missing, xp.nan, distance)


def within(errors: Array, limit: float) -> Array:
  """Which distances are at most `limit`.

  Args:
    errors: `[...]` distances in pixels, NaN where missing.
    limit: in the same pixels.

  Returns:
    `[...]`, 1 where the distance is at most `limit`, 0 where it is larger, and
    NaN where it is missing.
  """
  xp = _numpy_of(errors)
  # In the errors' precision, so that a distance of exactly d counts at d.
  hits = errors <= xp.asarray(limit, errors.dtype)
  return xp.where(xp.isnan(errors), xp.nan, hits.astype(errors.dtype))


def share_within(errors: Array, limit: float) -> Mean:
  """Share of the distances that are at most `limit`: Acc(d) and PCK.

  With the distances of `match`, it is equation (6) of the paper at d = limit.

  Args:
    errors: `[...]` distances in pixels, NaN where missing.
    limit: in the same pixels.
  """
  return Mean.of(within(errors, limit))


def inter_ocular_errors(
    errors: Array, points: Array, eyes: tuple[int, int]
) -> Array:
  """Distances over the distance of the eyes, the terms of equation (8).

  Args:
    errors: `[N, J]` distances in pixels, NaN where missing.
    points: `[N, P, 2]` annotations, NaN where missing.
    eyes: positions of the two eyes among the P points.

  Returns:
    `[N, J]` ratios (times 100, they are the paper's %), NaN where the error is
    missing, and in images whose eyes coincide or are missing.
  """
  xp = _numpy_of(errors, points)
  between = distances(points[:, eyes[0]], points[:, eyes[1]])
  counts = (between > 0)[:, None] & ~xp.isnan(errors)
  ratios = xp.where(counts, errors, 0.0) / xp.where(
      counts, between[:, None], 1.0
  )
  return xp.where(counts, ratios, xp.nan)


def inter_ocular(
    errors: Array, points: Array, eyes: tuple[int, int]
) -> Mean:
  """Inter-ocular error, equation (8): the mean of `inter_ocular_errors`.

  Images whose eyes coincide, or are missing, are left out.
  """
  return Mean.of(inter_ocular_errors(errors, points, eyes))


def match(features: jax.Array, queries: jax.Array) -> jax.Array:
  """The pixels whose features are most similar, equations (4) and (5).

  Args:
    features: `[H, W, D]`, f' of the warped image.
    queries: `[J, D]`, f(y_j) at the points of the image.

  Returns:
    `[J, 2]`, the centres of the pixels of highest cosine similarity, the first
    one in row order where several are equal.
  """
  width, depth = features.shape[1:]
  dtype = jnp.result_type(features, queries, jnp.float32)
  unit = geometry.unit_vectors(features.reshape(-1, depth).astype(dtype))
  similarity = jnp.matmul(queries.astype(dtype), unit.T, precision='highest')
  # A pixel without any feature is similar to nothing, not to everything.
  similarity = jnp.where(jnp.any(unit != 0, axis=-1), similarity, -jnp.inf)
  best = jnp.argmax(similarity, axis=-1)
  return jnp.stack([best // width, best % width], axis=-1) + 0.5


def to_128(values: Array | float, image_size: int) -> Array | float:
  """Pixels of an image as pixels of a 128-pixel image, the paper's unit."""
  # In this order only the division rounds: 15 px of 100 are exactly 19.2, and
  # count within 19.2.
  return values * 128.0 / image_size


def explained(predicted: Array, points: Array) -> Array:
  """R^2 of each point: how much of its movement a prediction explains.

  Args:
    predicted: `[N, K, 2]`, of N images.
    points: `[N, K, 2]`, the true ones.

  Returns:
    `[K]`, 1 minus the squared distances over those to the point's mean over the
    images: 1 for perfect predictions, 0 for no better than the mean; NaN for a
    point that does not move.
  """
  xp = _numpy_of(predicted, points)
  missed = xp.sum((points - predicted) ** 2, axis=(0, -1))
  moved = xp.sum((points - xp.mean(points, axis=0)) ** 2, axis=(0, -1))
  return xp.where(moved > 0, 1.0 - missed / xp.where(moved > 0, moved, 1.0),
                  xp.nan)


def accuracy_curve(errors: np.ndarray, limits: np.ndarray) -> np.ndarray:
  """`share_within` at many limits: the curve {(d, Acc(d))} of the paper.

  Args:
    errors: `[...]` distances in pixels, NaN where missing.
    limits: `[D]` in the same pixels.

  Returns:
    `[D]` shares; NaN where all errors are missing.
  """
  flat = np.ravel(errors)
  ordered = np.sort(flat[~np.isnan(flat)])
  if not ordered.size:
    return np.full(len(limits), np.nan)
  # In the errors' precision, so that a distance of exactly d counts at d.
  limits = np.asarray(limits).astype(ordered.dtype)
  return np.searchsorted(ordered, limits, side='right') / len(ordered)


def standard_error(values: np.ndarray) -> float:
  """Standard error over images of the mean of all values.

  The values of one image are not independent, so images are what is counted:
  the linearised error of the ratio of two sums over images (Cochran, "Sampling
  techniques", 1977, equation 6.13).

  Args:
    values: `[N, ...]`, the first axis over images, NaN where missing.

  Returns:
    The standard error; NaN of fewer than two images.
  """
  flat = np.asarray(values, np.float64).reshape(len(values), -1)
  totals, counts = np.nansum(flat, 1), np.sum(~np.isnan(flat), 1)
  used = counts > 0
  number = int(used.sum())
  if number < 2:
    return float('nan')
  residuals = totals[used] - counts[used] * totals.sum() / counts.sum()
  spread = np.sum(residuals**2) * number / (number - 1)
  return float(np.sqrt(spread) / counts.sum())


def uniform_curve(
    points: np.ndarray, shape: tuple[int, int], limits: np.ndarray
) -> np.ndarray:
  """Acc(d) that is expected of points drawn uniformly on the image.

  The share of the image that lies within d of a point, averaged over points:
  the area of a disc cut by a rectangle, in closed form.

  Args:
    points: `[..., 2]` in pixels, NaN where missing.
    shape: (H, W) of the image.
    limits: `[D]` distances, in pixels.

  Returns:
    `[D]`; NaN without any point.
  """
  points = np.asarray(points, np.float64).reshape(-1, 2)
  points = points[~np.isnan(points).any(-1)]
  if not len(points):
    return np.full(len(limits), np.nan)
  rest = np.asarray(shape, np.float64) - points
  area = sum(
      _quarter_disc(rows[:, None], columns[:, None], np.asarray(limits)[None])
      for rows in (points[:, 0], rest[:, 0])
      for columns in (points[:, 1], rest[:, 1])
  )
  return area.mean(axis=0) / (shape[0] * shape[1])


def _quarter_disc(
    a: np.ndarray, b: np.ndarray, radius: np.ndarray
) -> np.ndarray:
  """Area of {0 <= x <= a, 0 <= y <= b, x^2 + y^2 <= radius^2}."""
  end = np.minimum(a, radius)
  # Up to `turn` the disc is cut off at b, from there on it bends down.
  turn = np.minimum(np.sqrt(np.maximum(radius**2 - b**2, 0.0)), end)

  def under_arc(x: np.ndarray) -> np.ndarray:
    ratio = np.minimum(x / np.where(radius > 0, radius, 1.0), 1.0)
    height = np.sqrt(np.maximum(radius**2 - x**2, 0.0))
    return 0.5 * (x * height + radius**2 * np.arcsin(ratio))

  return b * turn + under_arc(end) - under_arc(turn)


def _numpy_of(*arrays: Array) -> Any:
  """The module that computes with these arrays: NumPy, or JAX's."""
  return jnp if any(isinstance(a, jax.Array) for a in arrays) else np
