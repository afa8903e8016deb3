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
class View:
  """A part of an image, resized.

  Attributes:
    pixels: uint8 `[S, S, 3]`.
    origin: (row, column) of its top left corner in the original image.
    scale: pixels of the original image for one of the view, (row, column).
    size: (height, width) of the original image.
  """

  pixels: np.ndarray
  origin: tuple[float, float]
  scale: tuple[float, float]
  size: tuple[int, int]


def view(
    image: Image.Image, size: int, *, name: str, crop: crops.Box | None = None
) -> View:
  """An image, squashed to `size` x `size` as the training images are.

  Args:
    image: RGB.
    size: S.
    name: of the image, for messages.
    crop: what is shown of it; None for everything.

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
  return View(
      pixels=np.asarray(crops.cut(image, box, size)),
      origin=(box.top, box.left),
      scale=tuple(side / size for side in box.shape),
      size=(height, width),
  )


def to_original(points: np.ndarray, views: Sequence[View]) -> np.ndarray:
  """Points of views in pixels of the original images.

  Args:
    points: float32 `[N, P, 2]`, in pixels of each of the N views.
    views: N views.
  """
  origins = np.array([one.origin for one in views], np.float32)
  scales = np.array([one.scale for one in views], np.float32)
  return points * scales.reshape(-1, 1, 2) + origins.reshape(-1, 1, 2)
