"""The text files of CelebA and MAFL."""

import pathlib
from typing import Any

import numpy as np

from eqlandmarks.datasets.base import text_files
from eqlandmarks.errors import UserError
from eqlandmarks.formats import csv_cells

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
  """list_landmarks_align_celeba.txt, or .csv as of Kaggle.

  Line 1 of the text is the number of images, line 2 the header, and each line
  after them a file name and ten whole numbers, in pixels of the aligned image
  with the centre of the top-left pixel at 0. Left is the image's left. The csv
  has no number of images, and the header in line 1.

  Returns:
    File name -> `[5, 2]`, (row, column) in pixels, that centre at (0.5, 0.5).

  Raises:
    UserError: the file has another form, or another number of rows than it
      says.
  """
  count, rows = None, _csv_rows(path, HEADER)
  if rows is None:
    count, rows = _text_rows(path)
  marks = {}
  for number, pieces in rows:
    name, *values = pieces
    try:
      numbers = [int(value) for value in values]
    except ValueError:
      numbers = []
    if not name.isprintable() or len(numbers) != len(HEADER) or (
        max(map(abs, numbers)) > _LARGEST
    ):
      expected = f'{len(HEADER)} whole numbers, in pixels'
      raise _wrong(path, number, pieces, expected)
    _check_new(name, marks, path, number)
    points = np.array(numbers, np.float64).reshape(-1, 2)
    marks[name] = points[:, ::-1] + 0.5
  if count not in (None, str(len(marks))):
    raise UserError(
        f'{path}: found {len(marks)} rows, expected {count[:20]}, as line 1 '
        'says'
    )
  return marks


def read_partition(path: pathlib.Path) -> dict[str, int]:
  """list_eval_partition.txt or .csv: name -> 0 train, 1 validation, 2 test.

  Raises:
    UserError: the file has another form.
  """
  rows = _csv_rows(path, ('partition',))
  if rows is None:
    rows = _pieces(text_files.read_lines(path), start=1)
  parts: dict[str, int] = {}
  for number, pieces in rows:
    good = len(pieces) == 2 and pieces[0].isprintable()
    if not good or pieces[1] not in ('0', '1', '2'):
      raise _wrong(path, number, pieces, '0, 1 or 2')
    _check_new(pieces[0], parts, path, number)
    parts[pieces[0]] = int(pieces[1])
  if not parts:
    raise UserError(f'{path}: found no names, expected one on each line')
  return parts


def _csv_rows(
    path: pathlib.Path, header: tuple[str, ...]
) -> list[tuple[int, list[str]]] | None:
  """The numbered rows of a csv below its header; None of another file."""
  if path.suffix != '.csv':
    return None
  rows = csv_cells.read_cells(path)
  if not rows or tuple(rows[0][1]) != ('image_id', *header):
    start = ','.join(rows[0][1]) if rows else ''
    raise UserError(
        f'{path}: begins with {start[:80]!r}, expected '
        f'image_id,{",".join(header)}'
    )
  return rows[1:]


def _text_rows(path: pathlib.Path) -> tuple[str, list[tuple[int, list[str]]]]:
  """The number of rows that a text of landmarks states, and its rows."""
  lines = text_files.read_lines(path)
  header = lines[1].split() if len(lines) > 1 else []
  if not lines[0].isdecimal() or tuple(header) != HEADER:
    raise UserError(
        f"{path}: begins with {' '.join(lines[:2])[:80]!r}, expected the "
        f'number of images in line 1 and in line 2 {" ".join(HEADER)}'
    )
  return lines[0], _pieces(lines[2:], start=3)


def _pieces(lines: list[str], start: int) -> list[tuple[int, list[str]]]:
  """The words of the lines that are not blank, with their numbers."""
  split = [(number, line.split()) for number, line in enumerate(lines, start)]
  return [(number, pieces) for number, pieces in split if pieces]


def _check_new(
    name: str, rows: dict[str, Any], path: pathlib.Path, number: int
) -> None:
  if name in rows:
    raise UserError(
        f'{path}, line {number}: found {name[:60]!r} again, expected each once'
    )


def _wrong(
    path: pathlib.Path, number: int, pieces: list[str], values: str
) -> UserError:
  return UserError(
      f'{path}, line {number}: found {" ".join(pieces)[:80]!r}, expected a '
      f'file name and {values}'
  )
