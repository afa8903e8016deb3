"""The text files of CelebA and MAFL."""

import pathlib

import numpy as np

from eqlandmarks.datasets import text_files
from eqlandmarks.errors import UserError

NUM_IMAGES = 202_599
# Images of the partitions train, validation and test.
PARTITIONS = (162_770, 19_867, 19_962)
# (height, width) of the aligned images.
SHAPE = (218, 178)

POINTS = ('left_eye', 'right_eye', 'nose', 'left_mouth', 'right_mouth')
HEADER = (
    'lefteye_x', 'lefteye_y', 'righteye_x', 'righteye_y', 'nose_x', 'nose_y',
    'leftmouth_x', 'leftmouth_y', 'rightmouth_x', 'rightmouth_y',
)  # fmt: skip

# No coordinate is beyond: the images are small.
_LARGEST = 100_000


def read_landmarks(path: pathlib.Path) -> dict[str, np.ndarray]:
  """list_landmarks_align_celeba.txt.

  Line 1 is the number of images, line 2 the header, and each line after them a
  file name and ten whole numbers, in pixels of the aligned image with the
  centre of the top-left pixel at 0. Left is the image's left.

  Returns:
    File name -> `[5, 2]`, (row, column) in pixels, that centre at (0.5, 0.5).

  Raises:
    UserError: the file has another form, or another number of rows than it
      says.
  """
  lines = text_files.read_lines(path)
  header = lines[1].split() if len(lines) > 1 else []
  if not lines[0].isdecimal() or tuple(header) != HEADER:
    raise UserError(
        f"{path}: begins with {' '.join(lines[:2])[:80]!r}, expected the "
        f'number of images in line 1 and in line 2 {" ".join(HEADER)}'
    )
  found: dict[str, np.ndarray] = {}
  for number, line in enumerate(lines[2:], start=3):
    if line:
      name, points = _landmarks(line, f'{path}, line {number}')
      if name in found:
        raise UserError(
            f'{path}, line {number}: found {name[:60]!r} again, expected each '
            'once'
        )
      found[name] = points
  if lines[0] != str(len(found)):
    raise UserError(
        f'{path}: found {len(found)} rows, expected {lines[0][:20]}, as line 1 '
        'says'
    )
  return found


def _landmarks(line: str, where: str) -> tuple[str, np.ndarray]:
  name, *values = line.split()
  try:
    numbers = [int(value) for value in values]
  except ValueError:
    numbers = []
  good = len(numbers) == len(HEADER) and name.isprintable()
  if not good or max(map(abs, numbers)) > _LARGEST:
    raise UserError(
        f'{where}: found {line[:80]!r}, expected a file name and {len(HEADER)} '
        'whole numbers, in pixels'
    )
  points = np.array(numbers, np.float64).reshape(-1, 2)
  return name, points[:, ::-1] + 0.5


def read_partition(path: pathlib.Path) -> dict[str, int]:
  """list_eval_partition.txt: file name -> 0 train, 1 validation, 2 test.

  Raises:
    UserError: the file has another form.
  """
  found: dict[str, int] = {}
  for number, line in enumerate(text_files.read_lines(path), start=1):
    pieces = line.split()
    if not pieces:
      continue
    good = len(pieces) == 2 and pieces[0].isprintable()
    if not good or pieces[1] not in ('0', '1', '2'):
      raise UserError(
          f'{path}, line {number}: found {line[:80]!r}, expected a file name '
          'and 0, 1 or 2'
      )
    if pieces[0] in found:
      raise UserError(
          f'{path}, line {number}: found {pieces[0][:60]!r} again, expected '
          'each once'
      )
    found[pieces[0]] = int(pieces[1])
  if not found:
    raise UserError(f'{path}: found no names, expected one on each line')
  return found
