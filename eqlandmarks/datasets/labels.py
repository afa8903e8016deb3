"""Labels made by hand: a csv table, or a DeepLabCut project.

Both forms, like Lightning Pose's, hold x, y in pixels of the image as
displayed, with the CENTRE of the top-left pixel at 0. `to_ours` is the one
place that turns them into this project's (row, column) with that centre at
(0.5, 0.5).
"""

import pathlib

import numpy as np

from eqlandmarks.datasets import deeplabcut
from eqlandmarks.datasets import label_rows
from eqlandmarks.datasets.label_rows import Labels
from eqlandmarks.datasets.label_rows import Row
from eqlandmarks.errors import UserError

DEEPLABCUT = deeplabcut.NAME


def to_ours(points: np.ndarray) -> np.ndarray:
  """(x, y) of label files to this project's (row, column).

  Args:
    points: [J, 2] (x, y) in pixels of the image, top-left centre at 0.

  Returns:
    [J, 2] (row, column) in the same pixels, top-left centre at (0.5, 0.5).
  """
  return points[:, ::-1] + 0.5


def label_files(
    labels: str, root: pathlib.Path, exclude: tuple[str, ...]
) -> list[pathlib.Path]:
  """The files that hold the labels; none where `labels` is ''."""
  if not labels:
    return []
  if labels == DEEPLABCUT:
    return deeplabcut.annotation_files(root, exclude)
  path = pathlib.Path(labels).expanduser()
  tried = [path] if path.is_absolute() else [path, root / path]
  for candidate in tried:
    if candidate.is_file():
      return [candidate]
  if path.suffix or path.name != labels:
    raise UserError(
        f"config.dataset.labels: there is no file '{labels}', expected the "
        f'path of a csv table, absolute or relative to here or to {root}'
    )
  raise UserError(
      f"config.dataset.labels: found '{labels}', expected '' (no labels), "
      f"'{DEEPLABCUT}' or the path of a csv table"
  )


def read_labels(
    labels: str, root: pathlib.Path, files: list[pathlib.Path]
) -> Labels:
  """Reads the files that `label_files` found."""
  if not files:
    return Labels()
  if labels != DEEPLABCUT:
    return _read_table(files[0], root)
  return deeplabcut.read(root, files)


def _read_table(path: pathlib.Path, root: pathlib.Path) -> Labels:
  """Reads the table form: path, split, <name>_x, <name>_y, ..."""
  lines = label_rows.read_cells(path)
  header = lines[0][1] if lines else []
  while header and not header[-1]:  # Excel likes to leave trailing commas
    header = header[:-1]
  columns, points = _table_columns(header, path)
  rows: dict[str, Row] = {}
  for number, cells in lines[1:]:
    where = f'{path} row {number}'
    cells = label_rows.fitted(cells, len(header), where)
    split = cells[columns['split']].lower() if 'split' in columns else ''
    row = Row(label_rows.read_points(cells, points, where), split, where)
    name = label_rows.below_root(cells[columns['path']], root, where)
    label_rows.add(rows, name, row)
  return Labels(tuple(points), rows, 'split' in columns)


def _table_columns(
    header: list[str], path: pathlib.Path
) -> tuple[dict[str, int], dict[str, list[int]]]:
  """Where `path` and `split` are, and the x and y columns of each point."""
  columns: dict[str, int] = {}
  points: dict[str, list[int]] = {}
  for index, column in enumerate(header):
    name, suffix = column[:-2], column[-2:]
    if header.index(column) != index or column.lower() in columns:
      raise UserError(f"{path}: found column '{column}' twice, expected once")
    if column.lower() in ('path', 'split'):
      columns[column.lower()] = index
    elif name and suffix in ('_x', '_y'):
      points.setdefault(name, [-1, -1])['xy'.index(suffix[1])] = index
    else:
      raise UserError(
          f"{path}: found column '{column}', expected only path, split, and "
          '<name>_x, <name>_y for each point'
      )
  if 'path' not in columns or not points:
    raise UserError(
        f'{path}: found columns {", ".join(header) or "(none)"}, expected path '
        'and <name>_x, <name>_y for at least one point, parted by commas'
    )
  for name, pair in points.items():
    if -1 in pair:
      raise UserError(
          f"{path}: found one column for point '{name}', expected both "
          f"'{name}_x' and '{name}_y'"
      )
  return columns, points
