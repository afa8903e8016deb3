"""How much of an image another one leaves unexplained.

0 where both are equal, 1 where the other is no better than a flat image of the
same mean. The distance is made of levels, at each of which it is a share of the
image's own variance, so that they weigh the same whatever their scale, the
images of a batch too, and an image and its copy of other brightness and
contrast.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

__all__ = ['of_levels', 'of_pixels']

# Scales at which pixels are compared: full size, a half, a quarter.
_SCALES = 3
# Variance below which an image counts as flat, and an error in it as one of
# this variance: of pixels in [0, 1], 8 grey levels of 255.
_FLAT = 1e-3


def of_pixels(drawn: jax.Array, target: jax.Array) -> jax.Array:
  """Share of the variance that is not explained, by pixels and their edges.

  A level compares pixels, and their differences to the right and down, by the
  mean of the squares; the levels are the image, and the same at a half and a
  quarter of its size, by means of 2 x 2 pixels.

  Args:
    drawn: `[..., H, W, C]`.
    target: of the same shape, in [0, 1]; H and W are multiples of 4.

  Returns:
    `[...]`, the mean over the levels.

  Raises:
    ValueError: the shapes differ, or cannot be halved twice.
  """
  _check_shapes(drawn, target)
  step = 2 ** (_SCALES - 1)
  if drawn.shape[-3] % step or drawn.shape[-2] % step:
    raise ValueError(
        f'images are of shape {drawn.shape}, expected heights and widths that '
        f'are multiples of {step}.'
    )
  # All of it is linear in the images.
  error, contrast = drawn - target, _contrast(target)
  shares = []
  for scale in range(_SCALES):
    if scale:
      error, contrast = _halve(error), _halve(contrast)
    shares.append(_share(_with_edges(error), _with_edges(contrast)))
  return sum(shares) / _SCALES


def of_levels(
    drawn: Sequence[jax.Array], target: Sequence[jax.Array]
) -> jax.Array:
  """Share of the variance that is not explained, by levels of one's own.

  Args:
    drawn: `[..., h, w, C]` of each level, such as those of
      `models.Hourglass.pyramid`.
    target: of the same shapes.

  Returns:
    `[...]`, the mean over the levels.

  Raises:
    ValueError: the shapes differ.
  """
  shares = []
  for first, second in zip(drawn, target, strict=True):
    _check_shapes(first, second)
    shares.append(
        _share(_square(first - second), _square(_contrast(second)))
    )
  return sum(shares) / len(shares)


def _share(error: jax.Array, variance: jax.Array) -> jax.Array:
  return error / jnp.maximum(variance, _FLAT)


def _contrast(x: jax.Array) -> jax.Array:
  """What differs from the mean of each channel."""
  return x - jnp.mean(x, axis=(-3, -2), keepdims=True)


def _with_edges(x: jax.Array) -> jax.Array:
  """Mean square of the values, and of their differences along both axes."""
  return (
      _square(x)
      + _square(jnp.diff(x, axis=-2))
      + _square(jnp.diff(x, axis=-3))
  )


def _square(x: jax.Array) -> jax.Array:
  x = x.astype(jnp.result_type(x, jnp.float32))
  return jnp.mean(x * x, axis=(-3, -2, -1))


def _halve(x: jax.Array) -> jax.Array:
  """Means of 2 x 2 pixels."""
  *batch, height, width, channels = x.shape
  x = x.reshape(*batch, height // 2, 2, width // 2, 2, channels)
  return jnp.mean(x, axis=(-4, -2))


def _check_shapes(drawn: jax.Array, target: jax.Array) -> None:
  if drawn.shape != target.shape or drawn.ndim < 3:
    raise ValueError(
        f'got shapes {drawn.shape} and {target.shape}, expected the same '
        '[..., H, W, C] twice.'
    )
