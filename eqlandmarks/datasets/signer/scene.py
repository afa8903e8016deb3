"""One picture: background, person, light, and the camera's faults."""

import numpy as np

from eqlandmarks.datasets.signer import body
from eqlandmarks.datasets.signer import motion
from eqlandmarks.datasets.signer import person
from eqlandmarks.datasets.signer import shapes


def _paint_background(canvas: shapes.Canvas, rng: np.random.Generator):
  """A wall, a studio, or a cluttered room, more or less out of focus."""
  first = shapes.random_colour(rng, 0.25, 1)
  second = shapes.random_colour(rng, 0.2, 1)
  second = first + rng.uniform(0.1, 0.7) * (second - first)
  angle, kind = rng.uniform(0, 2 * np.pi), rng.choice(4)
  dx, dy = shapes.towards(angle)
  everything = shapes.limb((0.5, 0.5), (0.5, 0.5), 2, 2)

  def gradient(u, v):
    del u, v  # a gradient across the image, whatever the shape
    slope = (canvas.x - 0.5) * dx + (canvas.y - 0.5) * dy
    return np.clip(0.5 + slope, 0, 1)

  canvas.paint(everything, shapes.mix(first, second, gradient), relief=0)
  if kind == 1:
    texture = shapes.pattern(rng, rng.choice(shapes.PATTERNS[1:]))
    canvas.paint(
        shapes.hull(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]), 0.5),
        shapes.mix(first, second, texture),
        relief=0,
        opacity=rng.uniform(0.3, 0.9),
    )
  if kind >= 2:
    soft = rng.uniform(0.15, 0.4) if kind == 2 else rng.uniform(0, 0.03)
    _paint_clutter(canvas, rng, first, soft)
  canvas.body[:] = 0


def _paint_clutter(
    canvas: shapes.Canvas,
    rng: np.random.Generator,
    wall: np.ndarray,
    soft: float,
):
  """Things behind the person, in colours not too far from the wall's."""
  for _ in range(rng.integers(5, 13)):
    centre, (rx, ry) = rng.random(2), rng.uniform(0.04, 0.22, 2)
    if rng.random() < 0.5:
      shape = shapes.ellipse(centre, rx, ry, rng.uniform(0, np.pi))
    else:
      corners = np.array([[-rx, -ry], [rx, -ry], [rx, ry], [-rx, ry]])
      shape = shapes.hull(centre + corners, 0.005)
    share = rng.uniform(0.3, 1)
    colour = wall + share * (shapes.random_colour(rng, 0.1, 1) - wall)
    canvas.paint(shape, colour, soft=soft, relief=0.3 * rng.random())


def _finish(
    canvas: shapes.Canvas,
    rng: np.random.Generator,
    noise: np.random.Generator | None,
) -> np.ndarray:
  """Uneven light, exposure and sensor noise; returns the uint8 image.

  Of a moving person, all is the same in each frame but the noise.
  """
  dx, dy = rng.normal(0, 0.22, 2)
  gain = rng.uniform(0.85, 1.12) * rng.normal(1, 0.03, 3)
  light = 1 + dx * (canvas.x - 0.5) + dy * (canvas.y - 0.5)
  # The noise is a table, so that it's the same scene at every size.
  grain = rng.standard_normal((128, 128), dtype=np.float32)
  if noise:
    grain = noise.standard_normal((128, 128), dtype=np.float32)
  light += rng.uniform(0, 0.035) * shapes.lookup(grain, canvas.x, canvas.y)
  image = canvas.image * (light[..., None] * gain.astype(np.float32))
  return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def render(
    seed: int, split: str, index: int, size: int, frame: int = 0
) -> tuple[np.ndarray, np.ndarray]:
  """Draws one image of the dataset, independently of all others.

  Args:
    seed: of the whole dataset, not negative.
    split: one of `SPLITS`.
    index: number of the image within its split.
    size: side of the square image in pixels; the scene does not depend on it.
    frame: of the person in motion, `motion.STEP` seconds apart; the person, the
      place and the light are the same in all of them.

  Returns:
    The image, uint8 [size, size, 3], and its points in the order of `JOINTS`,
    float32 [7, 2], in the convention of `examples`.
  """
  rng = person.generator(seed, split, index)
  stance, noise = person.sample_stance(rng), None
  if frame:
    of_motion = person.generator(seed, split, index, 1)
    stance = motion.stance_at(stance, frame, of_motion)
    noise = person.generator(seed, split, index, 1 + frame)
  pose, look = person.pose_of(stance), person.sample_look(rng)
  light = np.array([rng.normal(0, 0.45), -rng.uniform(0.1, 0.6), 0.8])
  canvas = shapes.Canvas(size, light / np.linalg.norm(light))
  _paint_background(canvas, rng)
  body.paint_hair_behind(canvas, pose, look)
  body.paint_torso(canvas, pose, look)
  sides = rng.permutation(2)
  for side in sides:
    body.paint_upper_arm(canvas, pose, look, side)
  body.paint_head(canvas, pose, look, rng)
  for side in sides:
    body.paint_forearm(canvas, pose, look, side, rng)
  points = (size * pose.joints[:, ::-1]).astype(np.float32)
  return _finish(canvas, rng, noise), points
