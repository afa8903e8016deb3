"""The nine points of a cat's head, and the files that hold them."""

import pathlib

import numpy as np

from eqlandmarks.errors import UserError

# In the order of the files; left is the image's left.
_ALL = (
    'left_eye', 'right_eye', 'mouth', 'left_ear_1', 'left_ear_2', 'left_ear_3',
    'right_ear_1', 'right_ear_2', 'right_ear_3',
)  # fmt: skip
# The two ear tips are left out, as in the literature.
KEPT = (0, 1, 2, 3, 5, 6, 8)
NAMES = tuple(_ALL[i] for i in KEPT)
NUM_ANNOTATED = len(_ALL)
GROUPS = {
    'eyes': ['left_eye', 'right_eye'],
    'mouth': ['mouth'],
    'ears': ['left_ear_1', 'left_ear_3', 'right_ear_1', 'right_ear_3'],
}

# What the crop `central` cuts off on every side: 10 of 100 pixels.
CENTRAL = 0.1

# No photo is as large; what is beyond is no coordinate.
_LARGEST = 100_000


def read_cat(path: pathlib.Path) -> np.ndarray:
  """The points of a .cat file.

  It has one line: the number 9, and then x and y nine times, in whole pixels of
  the image with the centre of its top-left pixel at 0. They may be negative, or
  lie outside the image.

  Returns:
    `[7, 2]`, the kept points, (row, column) in pixels with that centre at
    (0.5, 0.5).

  Raises:
    UserError: the file cannot be read, or has another form.
  """
  try:
    text = path.read_text(encoding='ascii')
    values = [int(piece) for piece in text.split()]
  except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
    reason = ' '.join(str(error).split())[:120]
    raise UserError(
        f'{path}: cannot be read ({reason}), expected {_FORM}'
    ) from error
  if len(values) != 2 * NUM_ANNOTATED + 1 or values[0] != NUM_ANNOTATED:
    raise UserError(
        f'{path}: found {len(values)} numbers'
        f'{f", the first is {values[0]!s:.20}" if values else ""}; expected '
        f'{_FORM}'
    )
  if max(map(abs, values)) > _LARGEST:
    raise UserError(
        f'{path}: found {max(values, key=abs)!s:.20}, expected coordinates in '
        'pixels'
    )
  points = np.array(values[1:], np.float64).reshape(-1, 2)
  return points[list(KEPT), ::-1] + 0.5


_FORM = (
    f'{2 * NUM_ANNOTATED + 1} whole numbers: {NUM_ANNOTATED}, and x and y of '
    f'{NUM_ANNOTATED} points'
)
