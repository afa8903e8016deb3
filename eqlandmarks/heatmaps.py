"""From heatmaps to points: spatial softmax, soft-argmax, covariance; and back.

Heatmaps are `[..., H, W, K]`, one channel per landmark; points follow the
convention of `eqlandmarks.geometry`: (row, column) in pixels, the centre of the
top-left pixel at (0.5, 0.5). All results are float32 at least, whatever the
dtype of the logits: a softmax over thousands of pixels has no digits to spare
in bfloat16.
"""

import functools

import jax
import jax.numpy as jnp

__all__ = [
    'expectation', 'gaussian_maps', 'soft_argmax', 'spatial_softmax', 'spread',
    'variances',
]  # fmt: skip


def spatial_softmax(logits: jax.Array) -> jax.Array:
  """Softmax over all pixels of each heatmap.

  Args:
    logits: `[..., H, W, K]`.

  Returns:
    Float32 `[..., H, W, K]`; each channel sums to 1 over its H x W pixels.

  Raises:
    ValueError: fewer than three axes.
  """
  _check_rank(logits)
  dtype = jnp.result_type(logits, jnp.float32)
  return jax.nn.softmax(logits.astype(dtype), axis=(-3, -2))


def expectation(probabilities: jax.Array) -> jax.Array:
  """The mean position of each heatmap, read as a measure on the pixels.

  Args:
    probabilities: `[..., H, W, K]`, as from `spatial_softmax`.

  Returns:
    `[..., K, 2]`, (row, column) in pixels.
  """
  _check_rank(probabilities)
  height, width = probabilities.shape[-3:-1]
  # The mean is separable: it needs the marginals alone.
  rows = jnp.sum(probabilities, axis=-2)
  columns = jnp.sum(probabilities, axis=-3)
  # Not in TF32, as a GPU would: a tenth of a pixel would be lost at 128.
  mean = functools.partial(jnp.einsum, precision='highest')
  row = mean('...hk,h->...k', rows, _centres(height))
  column = mean('...wk,w->...k', columns, _centres(width))
  return jnp.stack([row, column], axis=-1)


def soft_argmax(logits: jax.Array) -> jax.Array:
  """Spatial soft-argmax, the landmarks y_k = sigma_arg(h_k) of the paper.

  See "Gradient descent optimization of smoothed information retrieval metrics"
  by Chapelle and Wu, 2010.

  Args:
    logits: `[..., H, W, K]`.

  Returns:
    Float32 `[..., K, 2]`, (row, column) in pixels: the centre of the image for
    a flat heatmap, the centre of the highest pixel for a very peaked one.
  """
  return expectation(spatial_softmax(logits))


def spread(probabilities: jax.Array) -> jax.Array:
  """Trace of the covariance of each heatmap, the paper's Tr(Cov[.]).

  Args:
    probabilities: `[..., H, W, K]`, as from `spatial_softmax`.

  Returns:
    `[..., K]`, in squared pixels.
  """
  rows, columns = _variances(probabilities)
  return rows + columns


def variances(probabilities: jax.Array) -> jax.Array:
  """Variances of each heatmap along both axes, the diagonal of Cov[.].

  Args:
    probabilities: `[..., H, W, K]`, as from `spatial_softmax`.

  Returns:
    `[..., K, 2]`, along rows and along columns, in squared pixels.
  """
  return jnp.stack(_variances(probabilities), axis=-1)


def _variances(probabilities: jax.Array) -> tuple[jax.Array, jax.Array]:
  """The variances along rows and along columns, `[..., K]` each."""
  _check_rank(probabilities)
  height, width = probabilities.shape[-3:-1]
  mean = expectation(probabilities)
  # Centred before squaring: E[x^2] - E[x]^2 loses digits at 128 pixels.
  rows = _offsets(height, mean[..., 0]) ** 2
  columns = _offsets(width, mean[..., 1]) ** 2
  return (
      jnp.sum(jnp.sum(probabilities, -2) * rows, -2),
      jnp.sum(jnp.sum(probabilities, -3) * columns, -2),
  )


def gaussian_maps(
    points: jax.Array,
    shape: tuple[int, int],
    image_shape: tuple[int, int],
    sigma: float,
) -> jax.Array:
  """Maps that are 1 at a point and fall off around it, one for each point.

  exp(-d^2 / (2 sigma^2)) at the centres of the cells, d being the distance to
  the point. See "Unsupervised learning of object landmarks through conditional
  image generation" by Jakab et al., 2018, whose sigma is 0.0354 of the side.

  Args:
    points: `[..., K, 2]`, (row, column) in pixels of the image.
    shape: (h, w) of the maps, whose cells divide the image evenly.
    image_shape: (H, W) of the image.
    sigma: in pixels of the image.

  Returns:
    Float32 at least, `[..., h, w, K]`; the peak is 1, nothing is normalised.
  """
  rows, columns = (
      jnp.exp(-0.5 * (_offsets(cells, points[..., axis], size) / sigma) ** 2)
      for axis, (cells, size) in enumerate(zip(shape, image_shape, strict=True))
  )
  return rows[..., :, None, :] * columns[..., None, :, :]


def _offsets(
    length: int, mean: jax.Array, size: int | None = None
) -> jax.Array:
  """`[..., length, K]`: pixel centres along an axis, less `[..., K]` means.

  With a size, those of `length` cells which divide an axis of that size.
  """
  centres = _centres(length)
  if size is not None:
    centres = centres * (size / length)
  centres = jnp.expand_dims(centres, (*range(mean.ndim - 1), -1))
  return centres - mean[..., None, :]


def _centres(length: int) -> jax.Array:
  return jnp.arange(length, dtype=jnp.float32) + 0.5


def _check_rank(heatmaps: jax.Array) -> None:
  if not hasattr(heatmaps, 'ndim'):
    raise ValueError(
        f'heatmaps must be an array [..., H, W, K], got a {type(heatmaps)}.'
    )
  if heatmaps.ndim < 3:
    raise ValueError(
        f'heatmaps must be [..., H, W, K], got shape {heatmaps.shape}.'
    )
