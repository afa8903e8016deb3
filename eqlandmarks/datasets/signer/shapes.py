"""Shapes, fabrics, and the canvas that they are painted on.

Shapes are signed distance fields, which gives antialiasing for one sample per
pixel, and a surface normal, which gives limbs their cylindrical shading. All
are formulas in unit coordinates: x to the right, y down, the image is [0, 1]^2.
"""

import colorsys
import dataclasses
from collections.abc import Callable

import numpy as np

PATTERNS = ('plain', 'stripes', 'checks', 'dots', 'noise')

# A field maps the pixels' (x, y) to: signed distance to the outline, the two
# components of the normal that lie in the image, and two surface coordinates.
Field = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
# A fabric maps surface coordinates to colours [..., 3].
Fabric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def towards(angle: float) -> np.ndarray:
  """The unit vector (x, y) that points up for 0 and to the right for pi/2."""
  return np.array([np.sin(angle), -np.cos(angle)])


@dataclasses.dataclass
class Shape:
  """A field, and a box that holds all of its inside."""

  field: Field
  box: tuple[float, float, float, float]  # left, top, right, bottom


def limb(start, end, start_radius: float, end_radius: float) -> Shape:
  """A tapered stroke with round ends."""
  (x0, y0), (x1, y1) = start, end
  length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
  ax, ay = (x1 - x0) / length, (y1 - y0) / length

  def field(x, y):
    x, y = x - x0, y - y0
    along = x * ax + y * ay
    reach = np.clip(along, 0, length)
    radius = start_radius + (end_radius - start_radius) / length * reach
    dx, dy = x - ax * reach, y - ay * reach
    distance = np.sqrt(dx * dx + dy * dy) - radius
    return distance, dx / radius, dy / radius, along, y * ax - x * ay

  r = max(start_radius, end_radius)
  left, right = min(x0, x1) - r, max(x0, x1) + r
  return Shape(field, (left, min(y0, y1) - r, right, max(y0, y1) + r))


def ellipse(centre, rx: float, ry: float, angle: float = 0.0) -> Shape:
  """An ellipse whose `ry` axis points to `angle`."""
  cos, sin = np.cos(angle), np.sin(angle)

  def field(x, y):
    x, y = x - centre[0], y - centre[1]
    u, v = x * cos + y * sin, x * sin - y * cos
    p, q = u / rx, v / ry
    norm = np.sqrt(p * p + q * q) + 1e-6
    slope = np.sqrt((p / rx) ** 2 + (q / ry) ** 2) + 1e-3
    return norm * (norm - 1) / slope, p * cos + q * sin, p * sin - q * cos, u, v

  r = max(rx, ry)
  x, y = centre
  return Shape(field, (x - r, y - r, x + r, y + r))


def hull(corners: np.ndarray, rounding: float) -> Shape:
  """A convex polygon (corners clockwise in the image), grown by `rounding`."""
  edges = np.roll(corners, -1, axis=0) - corners
  normals = edges[:, ::-1] * (1, -1)
  normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
  (left, top), (right, bottom) = corners.min(0), corners.max(0)
  centre = (left + right) / 2

  def field(x, y):
    distance = np.full(x.shape, -1, np.float32)
    for (cx, cy), (nx, ny) in zip(corners, normals, strict=True):
      distance = np.maximum(distance, (x - cx) * nx + (y - cy) * ny)
    # A flat chest that turns away towards its outline.
    edge = np.clip(1 + (distance - rounding) / 0.12, 0, 1)
    side = edge * edge * np.sign(x - centre)
    return distance - rounding, side, np.zeros_like(x), x - centre, y - top

  r = rounding
  return Shape(field, (left - r, top - r, right + r, bottom + r))


def cut(shape: Shape, keep: Field) -> Shape:
  """The part of a shape where `keep(u, v)`, a signed distance, is negative."""

  def field(x, y):
    distance, nx, ny, u, v = shape.field(x, y)
    return np.maximum(distance, keep(u, v)), nx, ny, u, v

  return Shape(field, shape.box)


def lookup(grain: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
  """Samples a square periodic table of period 1 linearly."""
  n = grain.shape[0]
  u, v = u * n - 0.5, v * n - 0.5
  column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
  fu, fv = u - column, v - row
  column, row = column % n, row % n
  right, below = (column + 1) % n, (row + 1) % n
  upper = grain[row, column] * (1 - fu) + grain[row, right] * fu
  lower = grain[below, column] * (1 - fu) + grain[below, right] * fu
  return upper * (1 - fv) + lower * fv


def pattern(rng: np.random.Generator, kind: str) -> Field:
  """A texture: a map from surface coordinates to weights in [0, 1]."""
  # Periods stay above two pixels of a 64 px image, or sizes would differ.
  period = rng.uniform(0.045, 0.11)
  angle = rng.choice([0, 0, 0.25, 0.5]) * np.pi
  cos, sin = np.cos(angle), np.sin(angle)
  grain = rng.random((32, 32), dtype=np.float32)

  def weights(u, v):
    if kind == 'plain':
      return np.zeros_like(u)
    u, v = u * cos + v * sin, v * cos - u * sin
    if kind == 'noise':
      return lookup(grain, u / period / 16, v / period / 16)
    p, q = (np.sin(w * (2 * np.pi / period)) for w in (u, v))
    if kind == 'stripes':
      return np.clip(0.5 + 1.5 * q, 0, 1)
    if kind == 'checks':
      return (np.clip(0.5 + 2 * p, 0, 1) + np.clip(0.5 + 2 * q, 0, 1)) / 2
    return np.clip(2 * (p + q) - 1.6, 0, 1)  # dots

  return weights


def mix(first, second, weights: Field) -> Fabric:
  """A fabric of two colours."""
  first, step = np.float32(first), np.float32(second) - np.float32(first)
  return lambda u, v: first + weights(u, v)[..., None] * step


def random_colour(
    rng: np.random.Generator, low: float, high: float
) -> np.ndarray:
  """A random colour with a value (of HSV) between `low` and `high`."""
  hue, saturation, value = rng.random(), rng.beta(1.3, 1.6), rng.random()
  return np.array(
      colorsys.hsv_to_rgb(hue, saturation, low + (high - low) * value)
  )


class Canvas:
  """An image in the making, under one light."""

  def __init__(self, size: int, light: np.ndarray):
    self.size = size
    self.light = light.astype(np.float32)
    self.image = np.zeros((size, size, 3), np.float32)
    self.body = np.zeros((size, size), np.float32)  # where shadows fall
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size
    self.x, self.y = np.meshgrid(centres, centres)

  def paint(
      self,
      shape: Shape,
      fabric,
      *,
      opacity: float = 1.0,
      soft: float = 0.0,
      relief: float = 1.0,
      shadow: float = 0.0,
  ):
    """Lays a shape over the image.

    Args:
      shape: what to draw.
      fabric: a colour, or a `Fabric`.
      opacity: of the inside.
      soft: width of the blurred outline, beside the antialiasing.
      relief: 0 draws the shape flat, 1 as a round solid.
      shadow: darkness of its shadow on the body parts behind it.
    """
    pad = 2 / self.size + soft + (0.045 if shadow else 0)
    left, top, right, bottom = shape.box
    spans = np.array([[top - pad, bottom + pad], [left - pad, right + pad]])
    spans = np.clip(np.rint(spans * self.size), 0, self.size).astype(int)
    window = tuple(slice(low, high) for low, high in spans)
    if 0 in self.x[window].shape:
      return
    distance, nx, ny, u, v = shape.field(self.x[window], self.y[window])
    if shadow:
      self._cast(window, distance, nx, ny, shadow)
    alpha = np.clip(0.5 - distance / (1 / self.size + soft), 0, 1) * opacity
    colour = fabric(u, v) if callable(fabric) else np.float32(fabric)
    if relief:
      colour = colour * self._shade(relief * nx, relief * ny)[..., None]
    target = self.image[window]
    target += alpha[..., None] * (colour - target)
    np.maximum(self.body[window], alpha, out=self.body[window])

  def _shade(self, nx: np.ndarray, ny: np.ndarray) -> np.ndarray:
    """Brightness of a surface; a dark rim stands in for an outline."""
    flat = np.minimum(nx * nx + ny * ny, 1)
    lx, ly, lz = self.light
    diffuse = np.maximum(nx * lx + ny * ly + np.sqrt(1 - flat) * lz, 0)
    return (0.58 + 0.6 * diffuse) * (1 - 0.3 * flat * flat * flat)

  def _cast(self, window, distance, nx, ny, shadow: float):
    """Darkens the body around a shape, most on the side away from light."""
    away = 0.6 - 0.8 * np.clip(nx * self.light[0] + ny * self.light[1], -1, 0.7)
    near = np.clip(1 - distance / 0.04, 0, 1) ** 2 * self.body[window]
    self.image[window] *= (1 - np.clip(shadow * away * near, 0, 0.7))[..., None]
