"""Where points of one frame are in another, told by features; pure functions.

Points are (row, column) in pixels (see `eqlandmarks.geometry`). Nothing here
knows of nets, configs or data.
"""

import jax
import jax.numpy as jnp

from eqlandmarks import geometry

__all__ = ['change', 'coverage', 'follow']

# Beside the changes of all cells, each of which is at most 4.
_ROUNDING = 1e-3


def follow(
    features: jax.Array,
    other_features: jax.Array,
    points: jax.Array,
    *,
    window: float,
    temperature: float,
) -> tuple[jax.Array, jax.Array]:
  """Follows points from one frame to another, and back.

  A point is where the other frame's features are most like its own: the mean
  position under a softmax of cosine similarities, within a window about where
  the point was.

  Args:
    features: `[H, W, D]`, of the frame that the points are in.
    other_features: `[H, W, D]`, of the other frame.
    points: `[K, 2]`.
    window: half of its side, in pixels.
    temperature: of the softmax.

  Returns:
    Points of the other frame `[K, 2]`, and how far from where they came from
    they are when they are followed back `[K]`, in pixels.
  """
  first, second = map(geometry.unit_vectors, (features, other_features))
  def moved(
      here: jax.Array, other: jax.Array, starts: jax.Array
  ) -> jax.Array:
    """By how much more than in the frame itself, where nothing moves."""
    places = (
        _match(here, frame, starts, window, temperature)
        for frame in (other, here)
    )
    return starts + next(places) - next(places)

  there = moved(first, second, points)
  back = moved(second, first, there)
  squares = jnp.sum((back - points) ** 2, -1)
  away = squares > 0  # the root has no slope at 0
  return there, jnp.where(away, jnp.sqrt(jnp.where(away, squares, 1.0)), 0.0)


def _match(
    features: jax.Array,
    other_features: jax.Array,
    points: jax.Array,
    window: float,
    temperature: float,
) -> jax.Array:
  """Where points `[K, 2]` are in the other frame, of unit features."""
  queries = geometry.unit_vectors(geometry.sample(features, points))
  similarities = jnp.einsum('hwd,kd->khw', other_features, queries)
  centres = _centres(features.shape[:2])
  # About the nearest place in the frame, and at least the pixel that this is
  # in, so that no window is empty.
  starts = jnp.clip(points, 0.5, jnp.array(features.shape[:2]) - 0.5)
  apart = jnp.abs(centres - starts[:, None, None]).max(-1)
  near = apart <= jnp.maximum(window, 0.5)
  logits = jnp.where(near, similarities / temperature, -jnp.inf)
  shares = jax.nn.softmax(logits, axis=(1, 2))
  return jnp.einsum('khw,hwc->kc', shares, centres)


def change(
    features: jax.Array, other_features: jax.Array, *, cells: int
) -> jax.Array:
  """How much each cell of a frame has changed: squared distances of features.

  Args:
    features: `[H, W, D]`.
    other_features: `[H, W, D]`, of another frame.
    cells: along each axis, which they divide.

  Returns:
    `[cells, cells]`, means over the cells' pixels, from 0 to 4.
  """
  first, second = map(geometry.unit_vectors, (features, other_features))
  distances = jnp.sum((first - second) ** 2, -1)
  height, width = distances.shape
  parts = distances.reshape(cells, height // cells, cells, width // cells)
  return parts.mean((1, 3))


def coverage(
    change: jax.Array, points: jax.Array, *, side: int, sigma: float
) -> jax.Array:
  """The share of what changes that no landmark is near.

  After the feature transport of Kulkarni et al., "Unsupervised learning of
  object keypoints for perception and control", 2019, without its decoder.

  Args:
    change: `[n, n]` weights of cells, not negative.
    points: `[K, 2]`, the landmarks of all frames that the change is between, in
      pixels.
    side: of the image, in pixels.
    sigma: standard deviation of the Gaussian of height 1 by which a landmark
      covers its surroundings, in pixels.

  Returns:
    Scalar from 0 to 1; near 0 where all changes together are below 0.001.
  """
  centres = _centres(change.shape) * (side / change.shape[0])
  squares = jnp.sum((centres - points[:, None, None]) ** 2, -1)
  # 1 minus a Gaussian of height 1, exact where they nearly meet.
  uncovered = jnp.prod(-jnp.expm1(-squares / (2 * sigma**2)), axis=0)
  # What rounding changes is no change.
  return jnp.sum(change * uncovered) / (jnp.sum(change) + _ROUNDING)


def _centres(shape: tuple[int, ...]) -> jax.Array:
  """`[H, W, 2]`, the centres of pixels."""
  height, width = shape
  rows, columns = jnp.meshgrid(
      jnp.arange(height) + 0.5, jnp.arange(width) + 0.5, indexing='ij'
  )
  return jnp.stack([rows, columns], -1)
