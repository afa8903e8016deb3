"""DeepLabCut's csv and H5 files, of one animal, and Lightning Pose's csv.

All hold one pandas frame. Its columns have three levels (scorer, bodyparts,
coords); coords are x, y for labels, and x, y, likelihood for predictions. A
level of individuals between the first two is read if it has one name only. The
index is the image, `labeled-data/VIDEO/img042.png`, in one piece or in three,
or the number of the frame in the predictions for a video.

Lightning Pose always names the image in one piece. Its predictions for labelled
images have a last column `set`: whether the image was one to train on.

H5 files, where the frame's key is `df_with_missing`, are written but not read:
PyTables unpickles what it finds in them, and a pickle can run any program.
"""

import functools
import itertools
import pathlib
import re
from collections.abc import Sequence

import numpy as np

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

LEVELS = ('scorer', 'bodyparts', 'coords')
KEY = 'df_with_missing'
_LIGHTNING = 'lightning-pose'


def read(
    path: pathlib.Path, root: pathlib.Path, form: str = 'deeplabcut'
) -> Poses:
  """Reads a csv whose paths lie below `root`; see `formats.read`."""
  lines = csv_cells.read_cells(path)
  header, lines = _header(lines, path)
  split = header[0][-1] == 'set'
  if split:
    header = [cells[: len(header[0]) - 1] for cells in header]
  start = 3 if header[2][1:3] == ['', ''] else 1
  points = _bodyparts(header[1][start:], header[2][start:], start, path)
  width = start + sum(sum(c >= 0 for c in place) for place in points.values())
  scorer = ''.join(header[0][start : start + 1])
  video = _video(path, [cells[0] for _, cells in lines], start, scorer)
  rows = []
  for number, cells in lines:
    where = f'{path} row {number}'
    cells = csv_cells.fitted(cells, width + split, where)
    values, confidence = csv_cells.read_points(cells, points, where)
    if video:
      image = paths.frame_name(video, int(cells[0]))
    else:
      image = paths.below_root('/'.join(cells[:start]), root, where)
    kind = cells[-1].lower() if split else ''
    rows.append(Row(image, values, where, confidence, kind))
  splits = [row.split for row in rows] if split else None
  fields = {'scorer': scorer, 'video': video, 'splits': splits}
  return assemble(conventions.CENTRE[form], path, tuple(points), rows, **fields)


def _header(
    lines: list[csv_cells.Line], path: pathlib.Path
) -> tuple[list[list[str]], list[csv_cells.Line]]:
  """The header's rows, those of `LEVELS`, and the lines below it."""
  titles = [cells[0].lower() for _, cells in lines[:3]]
  # Projects made for several animals have a row of individuals besides.
  depth = 4 if 'individuals' in titles else 3
  header = {cells[0].lower(): cells for _, cells in lines[:depth]}
  individuals = header.pop('individuals', [''])
  names = list(dict.fromkeys(filter(None, individuals[1:])))
  if len(names) > 1:
    raise UserError(
        f"{path}: found header row 'individuals' with "
        f'{paths.shown(", ".join(names))}, expected one name throughout; '
        'multi-animal projects are not supported'
    )
  if list(header) != list(LEVELS):
    raise UserError(
        f'{path}: found header rows '
        f'{paths.shown(", ".join(titles)) or "(none)"}, expected '
        'scorer, bodyparts, coords'
    )
  return list(header.values()), lines[depth:]


def _bodyparts(
    bodyparts: Sequence[str],
    coords: Sequence[str],
    start: int,
    path: pathlib.Path,
) -> dict[str, Columns]:
  """The columns of each bodypart, from column `start` on."""
  names = list(dict.fromkeys(bodyparts))
  axes = ['x', 'y', 'likelihood'][: 3 if 'likelihood' in coords else 2]
  pairs = [(name, axis) for name in names for axis in axes]
  if pairs != list(zip(bodyparts, coords, strict=False)) or not all(names) or (
      not names or len(coords) != len(bodyparts)
  ):
    raise UserError(
        f"{path}: found coords '{paths.shown(','.join(coords[:6]))},...', "
        'expected x,y once for each bodypart, or x,y,likelihood'
    )
  step = len(axes)
  return {
      name: (at, at + 1, at + 2 if step == 3 else -1)
      for at, name in zip(itertools.count(start, step), names, strict=False)
  }


def _video(
    path: pathlib.Path, index: list[str], start: int, scorer: str
) -> str:
  """The video whose frames an index of numbers counts, or ''."""
  if start > 1 or not index or not all(
      re.fullmatch('[0-9]{1,15}', text) for text in index
  ):
    return ''
  # DeepLabCut names the file VIDEO + SCORER, Lightning Pose only VIDEO, and our
  # own predictions VIDEO_landmarks_FORMAT.
  own = re.fullmatch(r'(.+)_(?:landmarks|annotations)_[a-z0-9-]+', path.stem)
  if own:
    return own[1]
  return path.stem.removesuffix('_filtered').removesuffix(scorer) or path.stem


def read_h5(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Refuses an H5 file, and names the csv that DeepLabCut writes beside it."""
  del root
  csv = path.with_suffix('.csv')
  remedy = 'holds the same and is there'
  if not csv.is_file():
    remedy = (
        "is not there; pandas' read_hdf and to_csv make it of a file that you "
        'trust'
    )
  raise UserError(
      f'{path}: H5 files are not read, since they can run a program, expected '
      f'{csv}, which {remedy}'
  )


def write(
    poses: Poses, path: pathlib.Path, form: str = 'deeplabcut'
) -> None:
  """Writes a csv, of predictions if there is a confidence."""
  columns, index, values = _frame(poses, form)
  scored = poses.confidence is not None
  split = poses.splits if scored and form == _LIGHTNING else None
  rows = [
      [level, *texts] + (['set' * (level == 'scorer')] if split else [])
      for level, texts in zip(LEVELS, zip(*columns, strict=True), strict=True)
  ]
  for n, (name, numbers) in enumerate(zip(index, values, strict=True)):
    # pandas takes a first row without any number for a header, and drops it.
    missing = 'nan' if n == 0 else ''
    row = [
      str(name),
      *(label_files.number(value, missing) for value in numbers),
    ]
    rows.append(row + ([split[n]] if split else []))
  label_files.write_cells(path, rows)


def write_h5(poses: Poses, path: pathlib.Path) -> None:
  """Writes an H5 file, of predictions if there is a confidence."""
  pandas = label_files.library('pandas')
  label_files.library('tables')
  columns, index, values = _frame(poses, 'deeplabcut-h5')
  frame = pandas.DataFrame(
      values,
      columns=pandas.MultiIndex.from_tuples(columns, names=LEVELS),
      index=pandas.Index(index),
  )
  with label_files.replacing(path) as partial:
    frame.to_hdf(partial, key=KEY, mode='w')


def _frame(
    poses: Poses, form: str
) -> tuple[list[tuple[str, ...]], list[str] | list[int], np.ndarray]:
  """The columns, the index, and the values [N, columns] of the frame."""
  points = conventions.to_file(poses.points, conventions.CENTRE[form])
  axes, parts = ('x', 'y'), [points]
  if poses.confidence is not None:
    axes, parts = (*axes, 'likelihood'), [*parts, poses.confidence[..., None]]
  scorer = poses.scorer or 'unknown'
  columns = [(scorer, name, axis) for name in poses.names for axis in axes]
  values = np.concatenate(parts, axis=-1).reshape(len(poses.images), -1)
  index = list(poses.images)
  if poses.video and poses.confidence is not None:
    index = [number for _, number in map(paths.frame_key, index)]
  return columns, index, values


FORMATS = (
    base.Format(
        'deeplabcut', read, write,
        begins=lambda row: row[0].lower() == 'scorer' and row[-1] != 'set',
        by_number=True,
    ),
    base.Format(
        'deeplabcut-h5', read_h5, write_h5, endings=('.h5', '.hdf5'),
        ending='.h5', by_number=True,
    ),
    base.Format(
        _LIGHTNING,
        functools.partial(read, form=_LIGHTNING),
        functools.partial(write, form=_LIGHTNING),
        begins=lambda row: row[0].lower() == 'scorer' and row[-1] == 'set',
        by_number=True,
    ),
)  # fmt: skip
