"""What the nets are shown of an image, and the way back to its own pixels.

Training shows them whole images, or for videos a fixed box of the frames.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from eqlandmarks.datasets.base import crops
from eqlandmarks.errors import UserError

# Smaller images show the nets little but their own interpolation.
MIN_SIDE = 32


@dataclasses.dataclass(frozen=True)
class Region:
  """A part of an image, resized.

  Attributes:
    pixels: uint8 `[S, S, 3]`.
    box: which part of the original image.
    size: (height, width) of the original image.
  """

  pixels: np.ndarray
  box: crops.Box
  size: tuple[int, int]


def region(
    image: Image.Image, size: int, *, name: str, crop: crops.Box | None = None
) -> Region:
  """Squashes an image, or a crop of it, to the size of the training images.

  Raises:
    UserError: the image is too small, or the crop reaches beyond it.
  """
  height, width = image.height, image.width
  if min(height, width) < MIN_SIDE:
    raise UserError(
        f'{name}: is {width} x {height} pixels, expected at least {MIN_SIDE} x '
        f'{MIN_SIDE}'
    )
  box = crop or crops.Box(0.0, 0.0, height, width)
  if box != box.clipped(height, width):
    raise UserError(
        f'{name}: is {width} x {height} pixels, expected at least '
        f'{box.right:.0f} x {box.bottom:.0f}, where the crop_box ends on which '
        'the model was trained'
    )
  return Region(np.asarray(crops.cut(image, box, size)), box, (height, width))


def to_original(points: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
  """Points `[N, P, 2]` of N regions, in pixels of the original images."""
  boxes = [each.box for each in regions]
  origins = np.array([(box.top, box.left) for box in boxes], np.float32)
  scales = np.array(
      [np.divide(each.box.shape, len(each.pixels)) for each in regions],
      np.float32,
  )
  return points * scales.reshape(-1, 1, 2) + origins.reshape(-1, 1, 2)
