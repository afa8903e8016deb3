"""Frames of a video as a player shows them, upright or mirrored by a matrix."""

import pathlib
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError

# How far a matrix may be from a quarter turn: about a degree.
_TOLERANCE = 0.02


def as_shown(path: pathlib.Path, frame: Any) -> np.ndarray:
  """The pixels of a decoded frame, uint8 `[H, W, 3]`, if turned by quarters."""
  pixels = frame.to_ndarray(format='rgb24')
  data = next(
      (d for d in frame.side_data if d.type.name == 'DISPLAYMATRIX'), None
  )
  if data is None:
    return pixels
  matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2]
  # A pixel at (x, y) is shown at (a x + c y, b x + d y), moved.
  (a, b), (c, d) = matrix.astype(float)
  largest = max(map(abs, (a, b, c, d)))
  if max(abs(b), abs(c)) <= _TOLERANCE * largest:
    rows, columns = d, a
  elif max(abs(a), abs(d)) <= _TOLERANCE * largest:
    pixels, rows, columns = pixels.swapaxes(0, 1), b, c
  else:
    angle = np.degrees(np.arctan2(b, a))
    raise UserError(
        f'{path}: is shown turned by {angle:.0f} degrees, expected a multiple '
        'of 90; ffmpeg turns the frames themselves when it writes the video '
        'anew'
    )
  if rows < 0:
    pixels = pixels[::-1]
  if columns < 0:
    pixels = pixels[:, ::-1]
  return np.ascontiguousarray(pixels)
