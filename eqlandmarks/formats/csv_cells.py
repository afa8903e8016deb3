"""Reading csv files of points: their cells, and the numbers in them."""

import csv
import math
import pathlib
import re

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths

# Column of x, of y, and of the confidence or -1.
Columns = tuple[int, int, int]
# Its number from 1, and its cells.
Line = tuple[int, list[str]]
_COORDS = ('x', 'y', 'likelihood')
# Python's `float` also takes 1_0, digits of other scripts, inf and infinity.
_NUMBER = re.compile(
    r'[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?|nan', re.ASCII | re.IGNORECASE
)
# Likelihoods are sums of softmax outputs, so rounding may carry them past 1.
_SLACK = 1e-3


def read_cells(path: pathlib.Path) -> list[Line]:
  """The lines of a csv that are not blank, with their numbers from 1."""
  try:
    # utf-8-sig drops the mark that Excel puts before the first cell.
    with open(path, encoding='utf-8-sig', newline='') as file:
      reader = csv.reader(file)
      lines = [(reader.line_num, [c.strip() for c in row]) for row in reader]
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    raise UserError(
        f'{path}: cannot be read ({error}), expected a csv in UTF-8'
    ) from error
  return [(number, cells) for number, cells in lines if any(cells)]


def fitted(cells: list[str], width: int, where: str) -> list[str]:
  """The cells of a row, which must have as many as the header."""
  if len(cells) < width or any(cells[width:]):
    raise UserError(
        f'{where}: found {len(cells)} cells, expected {width} as in the header'
    )
  return cells[:width]


def read_points(
    cells: list[str], points: dict[str, Columns], where: str
) -> tuple[np.ndarray, np.ndarray | None]:
  """The points of a row, [J, 2] (x, y), and [J] confidences or None."""
  values = np.full((len(points), 3), np.nan)
  for j, (name, columns) in enumerate(points.items()):
    for axis, index in enumerate(columns):
      if index >= 0:
        place = f"{where}, column '{paths.shown(name)}_{_COORDS[axis]}'"
        values[j, axis] = _number(cells[index], place)
        if axis == 2:
          values[j, axis] = on_unit_interval(values[j, axis], place)
    if np.isnan(values[j, :2]).sum() == 1:
      raise UserError(
          f"{where}: point '{paths.shown(name)}' has only one of x and y, "
          'expected both or two blank cells'
      )
  scored = any(columns[2] >= 0 for columns in points.values())
  return values[:, :2], values[:, 2] if scored else None


def on_unit_interval(value: float, where: str) -> float:
  """A confidence, which must be on [0, 1] but for rounding; NaN passes."""
  if value < -_SLACK or value > 1 + _SLACK:
    raise UserError(f'{where}: found {value:g}, expected a number on [0, 1]')
  return float(np.clip(value, 0, 1))


def _number(cell: str, where: str) -> float:
  """A cell as a number; blank and nan are missing."""
  value = float(cell or 'nan') if _NUMBER.fullmatch(cell or 'nan') else math.inf
  if math.isinf(value):
    raise UserError(
        f"{where}: found '{paths.shown(cell)}', expected a number such as 1.5, "
        'or a blank'
    )
  return value
