"""Invertible geometric deformations g of the image domain.

A `Warp` is a chain of affine maps and flows of smooth velocity fields, so it is
a bijection by construction, and its inverse is as exact as itself. Points are
*pushed* through g, images are *pulled* through its inverse: pixel p of the
warped image shows the image at g^-1(p), as in the paper's definition of
g#(x)(p) = x(g^-1(p)).

**Convention.** Points are (row, column) in pixels on [0, H] x [0, W], see
`eqlandmarks.geometry`. A positive rotation turns the picture clockwise, seen
with rows running down. Everything is unbatched: use `jax.vmap`, over keys to
draw many warps.
"""

import math

import flax.struct
import jax
import jax.numpy as jnp

from eqlandmarks import geometry

__all__ = [
    'Affine',
    'Flow',
    'Warp',
    'affine',
    'elastic',
    'identity',
    'random_warp',
    'warp_image',
]

# Midpoint steps by which a flow is followed.
FLOW_STEPS = 3

# Largest `elastic` times cells a side (grid - 3) at which random warps were
# checked: of 1,500 draws each at (elastic, grid) = (0.15, 5) and (0.05, 9), 128
# pixels, none folds the image, and every round trip ends within 0.1 px.
MAX_STEEPNESS = 0.3


@flax.struct.dataclass
class Affine:
  """The map p -> matrix @ p + offset.

  Attributes:
    matrix: `[2, 2]`, in (row, column) order.
    offset: `[2]`, in pixels.
  """

  matrix: jax.Array
  offset: jax.Array

  def __call__(self, points: jax.Array) -> jax.Array:
    """Maps `[..., 2]`."""
    # Written out: a batched [N, 2] @ [2, 2] is slow as a matmul.
    row, column = points[..., 0], points[..., 1]
    m, t = self.matrix, self.offset
    return jnp.stack(
        [
            m[0, 0] * row + m[0, 1] * column + t[0],
            m[1, 0] * row + m[1, 1] * column + t[1],
        ],
        axis=-1,
    )

  def inverse(self) -> 'Affine':
    """The inverse map."""
    m = self.matrix
    adjugate = jnp.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]])
    matrix = adjugate / (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])
    return Affine(matrix, -matrix @ self.offset)


@flax.struct.dataclass
class Flow:
  """The flow for time 1 of a stationary cubic B-spline velocity field.

  See "A log-Euclidean framework for statistics on diffeomorphisms" by Arsigny
  et al., 2006, for why the flow of -v is the inverse of the flow of v.

  Attributes:
    velocity: `[G, G, 2]` control values, in pixels; G >= 4. Control points
      stand on a square grid that reaches one cell beyond the image.
    shape: (H, W) of the image domain; beyond it, v has its value at the edge.
  """

  velocity: jax.Array
  shape: tuple[int, int] = flax.struct.field(pytree_node=False)

  def __call__(self, points: jax.Array) -> jax.Array:
    """Maps `[..., 2]`."""
    step = 1.0 / FLOW_STEPS
    for _ in range(FLOW_STEPS):
      middle = points + 0.5 * step * self.velocity_at(points)
      points = points + step * self.velocity_at(middle)
    return points

  def velocity_at(self, points: jax.Array) -> jax.Array:
    """The field v at `[..., 2]` points, in pixels per unit of time."""
    cells = self.velocity.shape[0] - 3
    limits = jnp.asarray(self.shape, points.dtype)
    position = jnp.clip(points / limits, 0.0, 1.0) * cells + 1.0
    knots = jnp.arange(cells + 3, dtype=points.dtype)
    weights = _cubic_b_spline(position[..., None] - knots)  # [..., 2, G]
    return jnp.einsum(
        '...i,...j,ijc->...c',
        weights[..., 0, :],
        weights[..., 1, :],
        self.velocity,
        precision='highest',
    )

  def inverse(self) -> 'Flow':
    """The flow of the opposite field."""
    return Flow(-self.velocity, self.shape)


@flax.struct.dataclass
class Warp:
  """A chain of invertible maps, the first one applied first.

  Attributes:
    parts: `Affine` and `Flow` maps; an empty chain is the identity.
  """

  parts: tuple[Affine | Flow, ...] = ()

  def __call__(self, points: jax.Array) -> jax.Array:
    """g(points), for points `[..., 2]` in pixels."""
    if points.shape[-1:] != (2,):
      raise ValueError(f'points must be [..., 2], got shape {points.shape}.')
    for part in self.parts:
      points = part(points)
    return points

  def inverse(self) -> 'Warp':
    """The warp g^-1."""
    return Warp(tuple(part.inverse() for part in reversed(self.parts)))

  def compose(self, first: 'Warp') -> 'Warp':
    """The warp that applies `first`, then this one."""
    return Warp(first.parts + self.parts)


def identity() -> Warp:
  """The warp that moves nothing."""
  return Warp()


def affine(
    shape: tuple[int, int],
    *,
    rotation: jax.Array | float = 0.0,
    scale: jax.Array | float = 1.0,
    aspect: jax.Array | float = 1.0,
    translation: jax.Array | tuple[float, float] = (0.0, 0.0),
) -> Warp:
  """Rotation and scaling about the image's centre, then a translation.

  A zoom into a crop is a scale above 1 with a translation that brings the
  crop's centre to the image's centre.

  Args:
    shape: (H, W) of the image.
    rotation: angle in degrees.
    scale: factor; above 1 enlarges the picture.
    aspect: ratio of the row factor to the column factor, whose product stays
      `scale` squared.
    translation: (rows, columns) in pixels.
  """
  angle = jnp.deg2rad(jnp.asarray(rotation, float))
  cosine, sine = jnp.cos(angle), jnp.sin(angle)
  turn = jnp.array([[cosine, sine], [-sine, cosine]])
  stretch = jnp.sqrt(jnp.asarray(aspect, float))
  matrix = turn * scale * jnp.stack([stretch, 1.0 / stretch])
  centre = jnp.asarray(shape, float) / 2
  offset = centre - matrix @ centre + jnp.asarray(translation, float)
  return Warp((Affine(matrix, offset),))


def elastic(velocity: jax.Array, shape: tuple[int, int]) -> Warp:
  """The flow of a B-spline velocity field.

  Args:
    velocity: `[G, G, 2]` control values in pixels, G >= 4.
    shape: (H, W) of the image.

  Raises:
    ValueError: the control values have another shape.
  """
  if velocity.ndim != 3 or velocity.shape[::2] != (velocity.shape[1], 2):
    raise ValueError(f'velocity must be [G, G, 2], got {velocity.shape}.')
  if velocity.shape[0] < 4:
    raise ValueError(f'velocity needs G >= 4, got {velocity.shape[0]}.')
  return Warp((Flow(velocity, tuple(shape)),))


def random_warp(
    key: jax.Array,
    shape: tuple[int, int],
    *,
    rotation: float = 0.0,
    zoom: float = 0.0,
    aspect: float = 0.0,
    translation: float = 0.0,
    elastic: float = 0.0,
    grid: int = 5,
) -> Warp:
  """Draws g = affine after exp(v).

  Stay below `elastic` * (`grid` - 3) = `MAX_STEEPNESS`: far beyond, the
  numerical flow folds the image.

      keys = jax.random.split(key, len(images))
      draw = functools.partial(
          warps.random_warp, shape=(128, 128), rotation=20.0, elastic=0.04
      )
      g = jax.vmap(draw)(keys)
      views = jax.vmap(warps.warp_image)(g, images)
      moved = jax.vmap(lambda g, p: g(p))(g, points)

  Args:
    key: PRNG key.
    shape: (H, W) of the image.
    rotation: largest angle, in degrees; uniform in both directions.
    zoom: largest factor is 1 + zoom, the smallest its inverse; log-uniform.
    aspect: the same for the ratio of the row factor to the column factor.
    translation: largest shift as a share of the image's sides; uniform.
    elastic: standard deviation of the velocity's control values, as a share of
      the image's sides.
    grid: control points a side, at least 4; more of them make finer bends.

  Returns:
    A `Warp` whose structure does not depend on the key.
  """
  sides = jnp.asarray(shape, float)
  spin, size, ratio, shift, bend = jax.random.split(key, 5)
  field = elastic * sides * jax.random.normal(bend, (grid, grid, 2))
  turned = affine(
      shape,
      rotation=rotation * _uniform(spin),
      scale=jnp.exp(math.log1p(zoom) * _uniform(size)),
      aspect=jnp.exp(math.log1p(aspect) * _uniform(ratio)),
      translation=translation * sides * _uniform(shift, (2,)),
  )
  return turned.compose(Warp((Flow(field, tuple(shape)),)))


def warp_image(
    warp: Warp, image: jax.Array, *, border: str = 'reflect'
) -> jax.Array:
  """g#(image): the image as the warp moves it.

  Args:
    warp: g, from image to warped image.
    image: `[H, W, C]`, floating point.
    border: what lies beyond the image's edge, see `geometry.BORDERS`.

  Returns:
    `[H, W, C]`; its pixel p is the image at g^-1(p), bilinearly sampled.
  """
  centres = geometry.pixel_centres(image.shape[:2])
  return geometry.sample(image, warp.inverse()(centres), border=border)


def _cubic_b_spline(t: jax.Array) -> jax.Array:
  """The centred uniform cubic B-spline, zero beyond |t| = 2."""
  t = jnp.abs(t)
  outer, inner = jnp.maximum(2.0 - t, 0.0), jnp.maximum(1.0 - t, 0.0)
  return (outer * outer * outer - 4.0 * inner * inner * inner) / 6.0


def _uniform(key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
  return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
