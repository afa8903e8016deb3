"""What is measured: Acc(d), share of points found, inter-ocular error.

Every metric is a `Mean`, a (sum, count) that merges exactly over batches and
hosts, and counts only points that are there: a missing annotation is NaN, and a
point that leaves the image is left out, never moved to the edge. Points are
(row, column) in pixels, see `eqlandmarks.geometry`.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    'Mean',
    'distances',
    'inter_ocular',
    'match',
    'share_within',
    'to_128',
]


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
  def of(cls, values: jax.Array) -> 'Mean':
    """The mean of the values that are not NaN."""
    there = ~jnp.isnan(values)
    return cls(jnp.sum(jnp.where(there, values, 0.0)), jnp.sum(there))

  def merge(self, other: 'Mean') -> 'Mean':
    """The mean over both sets of values."""
    return Mean(self.total + other.total, self.count + other.count)

  @property
  def value(self) -> float:
    """The mean; NaN of nothing."""
    return float(self.total) / int(self.count) if self.count else float('nan')


def distances(predicted: jax.Array, true: jax.Array) -> jax.Array:
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
  difference = jnp.asarray(predicted) - jnp.asarray(true)
  return jnp.sqrt(jnp.sum(difference**2, axis=-1))


def share_within(errors: jax.Array, limit: float) -> Mean:
  """Share of the distances that are at most `limit`: Acc(d) and PCK.

  With the distances of `match`, it is equation (6) of the paper at d = limit.

  Args:
    errors: `[...]` distances in pixels, NaN where missing.
    limit: in the same pixels.
  """
  hit = (errors <= limit).astype(jnp.float32)
  return Mean.of(jnp.where(jnp.isnan(errors), jnp.nan, hit))


def inter_ocular(
    errors: jax.Array, points: jax.Array, eyes: tuple[int, int]
) -> Mean:
  """Inter-ocular error, equation (8): distances over the eyes' distance.

  Args:
    errors: `[N, J]` distances in pixels, NaN where missing.
    points: `[N, J, 2]` annotations.
    eyes: positions of the two eyes among the J points.

  Returns:
    A mean of ratios (times 100, it is the paper's %). Images whose eyes
    coincide, or are missing, are left out.
  """
  between = distances(points[:, eyes[0]], points[:, eyes[1]])
  between = jnp.where(between > 0, between, jnp.nan)
  return Mean.of(errors / between[:, None])


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
  flat = features.reshape(-1, depth).astype(jnp.float32)
  norm = jnp.linalg.norm(flat, axis=-1)
  # A pixel without any feature is similar to nothing, not to everything.
  similarity = jnp.matmul(
      queries.astype(jnp.float32), flat.T, precision='highest'
  )
  similarity = jnp.where(
      norm > 0, similarity / jnp.where(norm > 0, norm, 1.0), -jnp.inf
  )
  best = jnp.argmax(similarity, axis=-1)
  return jnp.stack([best // width, best % width], axis=-1) + 0.5


def to_128(values: np.ndarray | float, image_size: int) -> np.ndarray | float:
  """Pixels of an image as pixels of a 128-pixel image, the paper's unit."""
  return values * (128.0 / image_size)
