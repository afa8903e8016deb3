"""Boxes that benchmarks cut out of their images, and points within them.

**Convention.** Boxes and points are (row, column) in pixels of the image, from
its top left corner: the centre of the top-left pixel is (0.5, 0.5). A box may
reach beyond the image, whose edge pixels are repeated there.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from eqlandmarks.errors import UserError
from eqlandmarks.media import images

# A box this many times as large as the image shows next to nothing of it: the
# points that it was made from are wrong.
_LARGEST = 8

# In the protocol of a dataset, where videos are cropped in different ways.
OF_EACH_VIDEO = "each video's own"


@dataclasses.dataclass(frozen=True)
class Box:
  """A rectangle; its edges need not be whole pixels."""

  top: float
  left: float
  bottom: float
  right: float

  @property
  def shape(self) -> tuple[float, float]:
    """(height, width), in pixels."""
    return self.bottom - self.top, self.right - self.left

  def clipped(self, height: int, width: int) -> 'Box':
    """The part of the box that lies in an image."""
    return Box(
        max(self.top, 0.0), max(self.left, 0.0),
        min(self.bottom, height), min(self.right, width),
    )  # fmt: skip

  def contains(self, points: np.ndarray) -> np.ndarray:
    """Which of the points `[J, 2]` lie in the box, edges included: `[J]`."""
    low, high = (self.top, self.left), (self.bottom, self.right)
    return ((points >= low) & (points <= high)).all(axis=-1)

  def lies_in(self, other: 'Box') -> bool:
    """Whether no part of the box is outside another one."""
    return (
        other.top <= self.top and self.bottom <= other.bottom
        and other.left <= self.left and self.right <= other.right
    )

  def shrunk(self, share: float) -> 'Box':
    """What is left when a share of the box is cut off on every side."""
    rows, columns = (share * side for side in self.shape)
    return Box(
        self.top + rows, self.left + columns,
        self.bottom - rows, self.right - columns,
    )  # fmt: skip

  def is_sound(self, height: int, width: int) -> bool:
    """Whether the box shows something of an image."""
    part = self.clipped(height, width).shape
    largest = _LARGEST * max(height, width)
    return min(part) > 0 and max(self.shape) <= largest

  def to_stored(self, points: np.ndarray, size: int) -> np.ndarray:
    """Points `[J, 2]` of the image, in pixels of the box at `size` x `size`."""
    origin = np.array([self.top, self.left])
    return ((points - origin) * size / np.array(self.shape)).astype(np.float32)


def from_text(given: str | Sequence[int]) -> Box | None:
  """The box of the field `dataset.crop_box`; None for ''.

  Raises:
    UserError: it is neither 'top,left,height,width' in whole pixels, nor these
      four numbers.
  """
  parts = given.split(',') if isinstance(given, str) else list(given or ())
  if not any(str(part).strip() for part in parts):
    return None
  try:
    top, left, height, width = (int(part) for part in parts)
  except ValueError:
    top = left = height = width = -1
  if min(top, left) < 0 or min(height, width) < 1:
    raise UserError(
        f'config.dataset.crop_box: found {given!r}, expected '
        "'top,left,height,width' in whole pixels of the frames"
    )
  return Box(top, left, top + height, left + width)


def around(points: np.ndarray, margin: float) -> Box:
  """The bounding box of points `[J, 2]`, with a margin of pixels on all sides.

  At least one of them is not NaN.
  """
  low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
  return Box(*map(float, (*(low - margin), *(high + margin))))


def centred(points: np.ndarray, half: float) -> Box:
  """The square of side 2 * `half` about the centre of the points' box."""
  box = around(points, 0)
  centre = np.array([[box.top + box.bottom, box.left + box.right]]) / 2
  return around(centre, half)


def square(points: np.ndarray) -> Box:
  """The square twice as large as the points' box, about its centre."""
  return centred(points, max(around(points, 0).shape))


def cut(image: Image.Image, box: Box, size: int) -> Image.Image:
  """The box of an image, resized to `size` x `size` in one step."""
  left, top, right, bottom = (math.ceil(max(x, 0)) for x in (
      -box.left, -box.top, box.right - image.width, box.bottom - image.height
  ))  # fmt: skip
  if left or top or right or bottom:
    pixels = np.pad(
        np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode='edge'
    )
    image = Image.fromarray(pixels)
  moved = (box.left + left, box.top + top, box.right + left, box.bottom + top)
  return images.resize(image, size, moved)
