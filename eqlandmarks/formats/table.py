"""The plain table: path, split, <name>_x, <name>_y, <name>_confidence, ...

`split` and the confidences may be left out; a confidence may also be called
<name>_likelihood or <name>_score. x and y have the centre of the top-left pixel
at 0, as docs/own_images.md says.
"""

import pathlib

from eqlandmarks.errors import UserError
from eqlandmarks.formats import base
from eqlandmarks.formats import conventions
from eqlandmarks.formats import csv_cells
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.formats.csv_cells import Columns
from eqlandmarks.formats.poses import Poses
from eqlandmarks.formats.poses import Row
from eqlandmarks.formats.poses import assemble

_SUFFIXES = ('_x', '_y', '_confidence')
# What a column holds: its place among the `Columns` of a point.
_AXES = {'_x': 0, '_y': 1, '_confidence': 2, '_likelihood': 2, '_score': 2}


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a table whose paths lie below `root`; see `formats.read`."""
  lines = csv_cells.read_cells(path)
  header = lines[0][1] if lines else []
  while header and not header[-1]:  # Excel likes to leave trailing commas
    header = header[:-1]
  columns, points = _columns(header, path)
  rows = []
  for number, cells in lines[1:]:
    where = f'{path} row {number}'
    cells = csv_cells.fitted(cells, len(header), where)
    split = cells[columns['split']].lower() if 'split' in columns else ''
    values, confidence = csv_cells.read_points(cells, points, where)
    image = paths.below_root(cells[columns['path']], root, where)
    rows.append(Row(image, values, where, confidence, split))
  splits = [row.split for row in rows] if 'split' in columns else None
  centre, names = conventions.CENTRE['table'], tuple(points)
  return assemble(centre, path, names, rows, scorer='', splits=splits)


def _columns(
    header: list[str], path: pathlib.Path
) -> tuple[dict[str, int], dict[str, Columns]]:
  """Where `path` and `split` are, and the columns of each point."""
  columns: dict[str, int] = {}
  points: dict[str, list[int]] = {}
  for index, column in enumerate(header):
    suffix = next((s for s in _AXES if column.endswith(s)), '')
    name = column.removesuffix(suffix) if suffix else ''
    axis, place = _AXES.get(suffix, -1), points.get(name, [-1, -1, -1])
    if column.lower() in columns or (name and place[axis] >= 0):
      raise UserError(
          f"{path}: found column '{paths.shown(column)}' for what another "
          'column holds, expected one of each'
      )
    if column.lower() in ('path', 'split'):
      columns[column.lower()] = index
    elif name:
      place[axis] = index
      points[name] = place
    else:
      raise UserError(
          f"{path}: found column '{paths.shown(column)}', expected only path, "
          'split, and <name>_x, <name>_y, perhaps <name>_confidence, for each '
          'point'
      )
  if 'path' not in columns or not points:
    raise UserError(
        f'{path}: found columns {paths.shown(", ".join(header)) or "(none)"}, '
        'expected path and <name>_x, <name>_y for at least one point, parted '
        'by commas'
    )
  for name, place in points.items():
    if -1 in place[:2]:
      raise UserError(
          f"{path}: found too few columns for point '{paths.shown(name)}', "
          f"expected both '{paths.shown(name)}_x' and '{paths.shown(name)}_y'"
      )
  return columns, {name: tuple(place) for name, place in points.items()}


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a table; see `formats.write`."""
  scored = poses.confidence is not None
  header = ['path'] + ['split'] * (poses.splits is not None)
  header += [
      f'{name}{suffix}'
      for name in poses.names
      for suffix in _SUFFIXES[: 3 if scored else 2]
  ]
  points = conventions.to_file(poses.points, conventions.CENTRE['table'])
  rows = [header]
  for n, image in enumerate(poses.images):
    row = [image] + ([poses.splits[n]] if poses.splits is not None else [])
    for j, (x, y) in enumerate(points[n]):
      row += [label_files.number(x), label_files.number(y)]
      row += [label_files.number(poses.confidence[n, j])] if scored else []
    rows.append(row)
  label_files.write_cells(path, rows)


FORMATS = (base.Format('table', read, write),)
