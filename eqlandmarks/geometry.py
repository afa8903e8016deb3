"""The coordinate convention, and sampling of images at points.

**Convention**, the same everywhere in eqlandmarks. A point is a float array
`[..., 2]` holding (row, column) in pixels of the image, on the domain
[0, H] x [0, W] of the paper: the top-left corner of the image is (0, 0) and the
*centre* of the top-left pixel is (0.5, 0.5). Images and feature maps are
`[H, W, C]`, and the value of a pixel is the value at its centre.

Functions of an image are unbatched: use `jax.vmap`.

    centres = geometry.pixel_centres(image.shape[:2])  # [H, W, 2]
    geometry.sample(image, centres)                    # the image itself
    geometry.inside(centres, image.shape[:2])          # [H, W], all True
"""

import jax
import jax.numpy as jnp

__all__ = ['BORDERS', 'inside', 'pixel_centres', 'sample']

# What lies beyond the image's edge: the nearest pixel, zero, or the mirror
# image.
BORDERS = ('edge', 'zeros', 'reflect')


def pixel_centres(shape: tuple[int, int]) -> jax.Array:
  """The centres of all pixels.

  Args:
    shape: (H, W) of the image.

  Returns:
    Float array `[H, W, 2]`; entry (i, j) is (i + 0.5, j + 0.5).
  """
  rows = jnp.arange(shape[0], dtype=float) + 0.5
  columns = jnp.arange(shape[1], dtype=float) + 0.5
  return jnp.stack(jnp.meshgrid(rows, columns, indexing='ij'), axis=-1)


def inside(
    points: jax.Array, shape: tuple[int, int], *, margin: float = 0.0
) -> jax.Array:
  """Which points lie in [margin, H - margin] x [margin, W - margin].

  Args:
    points: `[..., 2]`, (row, column) in pixels.
    shape: (H, W) of the image.
    margin: distance from the edge, in pixels, that still counts as outside.

  Returns:
    Boolean array `[...]`. NaN points are not inside.
  """
  limits = jnp.asarray(shape, points.dtype)
  return jnp.all((points >= margin) & (points <= limits - margin), axis=-1)


def sample(
    image: jax.Array, points: jax.Array, *, border: str = 'edge'
) -> jax.Array:
  """Bilinear values of an image at points.

  The four neighbours of every point are read for all channels by one gather.
  The gradient with respect to `points` is the interpolant's slope; at pixel
  centres, where it has two, that of the cell below and to the right.

  Args:
    image: `[H, W, C]`, floating point.
    points: `[..., 2]`, (row, column) in pixels.
    border: one of `BORDERS`.

  Returns:
    `[..., C]`, in the image's dtype. Points that are NaN give NaN, and do not
    take part in the gradient.

  Raises:
    ValueError: the image is not `[H, W, C]` or not floating point, or the
      border is unknown.
  """
  if image.ndim != 3 or points.shape[-1:] != (2,):
    raise ValueError(
        'sample needs an image [H, W, C] and points [..., 2], got shapes '
        f'{image.shape} and {points.shape}.'
    )
  if not jnp.issubdtype(image.dtype, jnp.floating):
    raise ValueError(
        f'sample needs an image of floating-point values, got {image.dtype}.'
    )
  if border not in BORDERS:
    raise ValueError(f'border is {border!r}, expected one of {BORDERS}.')
  shape = jnp.asarray(image.shape[:2], points.dtype)
  if border == 'reflect':
    points = shape - jnp.abs(jnp.mod(points, 2 * shape) - shape)
  missing = jnp.isnan(points).any(-1, keepdims=True)
  points = jnp.where(missing, 0.0, points)
  # One pixel of padding on each side, so that every point has four neighbours:
  # pixel (i, j) is at (i + 1, j + 1) in the padded array.
  mode = 'constant' if border == 'zeros' else 'edge'
  padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)), mode=mode)
  position = jnp.clip(points + 0.5, 0.0, shape + 1.0)
  corner = jnp.clip(jnp.floor(position), 0.0, shape)
  fraction = (position - corner).astype(image.dtype)
  patches = _gather_2x2(padded, corner.astype(jnp.int32).reshape(-1, 2))
  patches = patches.reshape(*points.shape[:-1], 2, 2, image.shape[-1])
  row, column = fraction[..., :1, None], fraction[..., 1:]
  lines = patches[..., 0, :, :] * (1 - row) + patches[..., 1, :, :] * row
  values = lines[..., 0, :] * (1 - column) + lines[..., 1, :] * column
  return jnp.where(missing, jnp.nan, values)


def unit_vectors(vectors: jax.Array) -> jax.Array:
  """Vectors `[..., D]` of length 1, float32 at least.

  A zero vector stays zero, with a zero gradient.
  """
  vectors = vectors.astype(jnp.result_type(vectors, jnp.float32))
  # Scaled first, so that neither huge nor tiny vectors leave float32's range.
  largest = jnp.max(jnp.abs(vectors), axis=-1, keepdims=True)
  scaled = vectors / jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1.0))
  square = jnp.sum(scaled**2, axis=-1, keepdims=True)
  return scaled * jnp.where(
      square > 0, jax.lax.rsqrt(jnp.where(square > 0, square, 1.0)), 0.0
  )


def _gather_2x2(image: jax.Array, corners: jax.Array) -> jax.Array:
  """`[N, 2, 2, C]`: the 2 x 2 pixels from `corners[n]` on."""
  numbers = jax.lax.GatherDimensionNumbers(
      offset_dims=(1, 2, 3), collapsed_slice_dims=(), start_index_map=(0, 1)
  )
  return jax.lax.gather(
      image,
      corners,
      numbers,
      slice_sizes=(2, 2, image.shape[-1]),
      mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
  )
