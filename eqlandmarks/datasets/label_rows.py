"""What the readers of label files share: their result, and their cells.

Both forms of labels are csv files. A row belongs to one image, and its numbers
are x, y in pixels of the image as displayed, with the CENTRE of the top-left
pixel at 0; a point that is blank or nan is missing.
"""

import csv
import dataclasses
import math
import pathlib
import posixpath

import numpy as np

from eqlandmarks.datasets.images import canonical
from eqlandmarks.errors import UserError


@dataclasses.dataclass(frozen=True)
class Row:
  """The labels of one image.

  Attributes:
    points: [J, 2] (x, y) in pixels of the image, NaN where missing.
    split: the table's cell in lower case, or '' where there is none.
    where: the file and the row, for messages.
  """

  points: np.ndarray
  split: str
  where: str

  @property
  def labelled(self) -> bool:
    """Whether any point is annotated."""
    return bool(np.isfinite(self.points).any())


@dataclasses.dataclass(frozen=True)
class Labels:
  """All labels of a dataset.

  Attributes:
    names: the points, in the order of `Row.points`.
    rows: path below the root -> labels.
    has_split: whether the labels say what is train and what is test.
  """

  names: tuple[str, ...] = ()
  rows: dict[str, Row] = dataclasses.field(default_factory=dict)
  has_split: bool = False


def read_cells(path: pathlib.Path) -> list[tuple[int, list[str]]]:
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
  """The cells of a row, of which there must be as many as in the header."""
  if len(cells) < width or any(cells[width:]):
    raise UserError(
        f'{where}: found {len(cells)} cells, expected {width} as in the header'
    )
  return cells[:width]


def read_points(
    cells: list[str], points: dict[str, list[int]], where: str
) -> np.ndarray:
  """The points of a row: [J, 2] (x, y), NaN where missing."""
  values = np.full((len(points), 2), np.nan)
  for j, (name, pair) in enumerate(points.items()):
    for axis, index in enumerate(pair):
      values[j, axis] = _number(
          cells[index], f"{where}, column '{name}_{'xy'[axis]}'"
      )
    if np.isnan(values[j]).sum() == 1:
      raise UserError(
          f"{where}: point '{name}' has only one of x and y, expected both or "
          'two blank cells'
      )
  return values


def _number(cell: str, where: str) -> float:
  """A cell as a number; blank and nan are missing."""
  try:
    value = float(cell or 'nan')
  except ValueError:
    value = math.inf
  if math.isinf(value):
    raise UserError(f"{where}: found '{cell}', expected a number or a blank")
  return value


def below_root(name: str, root: pathlib.Path, where: str) -> str:
  """A path from a label file, relative to the root, in its one spelling."""
  path = posixpath.normpath(canonical(name)) if name else ''
  if path.startswith('/'):
    for base in (root.absolute(), root.resolve()):
      prefix = canonical(base.as_posix()).rstrip('/') + '/'
      if path.startswith(prefix):
        return path[len(prefix):]
  if not path.strip('/.') or path.startswith(('/', '../')) or path[1:2] == ':':
    raise UserError(
        f"{where}: found path '{name}', expected one that stays inside {root}"
    )
  return path


def add(rows: dict[str, Row], path: str, row: Row) -> None:
  """Adds the row of an image, which must have none yet."""
  if path in rows:
    raise UserError(
        f"{row.where}: found '{path}' again, expected one row for an image; "
        f'the first is {rows[path].where}'
    )
  rows[path] = row
