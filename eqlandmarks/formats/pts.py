"""Points files `.pts`, as of 300-W: one text file beside each image.

    version: 1
    n_points: 2
    {
    1.0 1.0
    30.25 17.5
    }

holds x and y, with the centre of the top-left pixel at 1. The points have no
names; here they are called 1, 2, ... as in pictures of the markup. A point
`nan nan` is missing, which the format does not provide for.
"""

import os
import pathlib
import re

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import base
from eqlandmarks.formats import conventions
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.formats.csv_cells import read_points
from eqlandmarks.formats.poses import Poses
from eqlandmarks.formats.poses import Row
from eqlandmarks.formats.poses import assemble
from eqlandmarks.system import file_names
from eqlandmarks.system import regular_files

SUFFIX = '.pts'


def find(folder: pathlib.Path) -> list[pathlib.Path]:
  """The points files below a folder, sorted, without hidden names."""
  return [
      path for path in sorted(folder.rglob(f'*{SUFFIX}'))
      if not any(p.startswith('.') for p in path.relative_to(folder).parts)
  ]


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a points file, or all below a folder; see `formats.read`.

  The image of `path/a/b.pts` is `a/b` with any ending below `root`.
  """
  if path.is_dir():
    return read_files(find(path), path, root)
  return read_files([path], path.parent, root)


def read_files(
    files: list[pathlib.Path], folder: pathlib.Path, root: pathlib.Path
) -> Poses:
  """Reads points files that lie below a folder as their images below `root`."""
  if not files:
    raise UserError(f'{folder}: found no {SUFFIX} file, expected at least one')
  rows, listings = [], {}
  for path in files:
    points = _read_file(path)
    if rows and len(points) != len(rows[0].points):
      raise UserError(
          f'{path}: found {len(points)} points, expected '
          f'{len(rows[0].points)} as in {files[0]}'
      )
    image = _image(path, folder, root, listings)
    rows.append(Row(image, points, str(path)))
  centre = conventions.CENTRE['pts']
  names = tuple(str(j + 1) for j in range(len(rows[0].points)))
  return assemble(centre, folder, names, rows, scorer='')


def _read_file(path: pathlib.Path) -> np.ndarray:
  """The points of one file, [J, 2] (x, y)."""
  with label_files.reading(path, 'a text file'):
    text = regular_files.read_text(path)
  match = re.fullmatch(
      r'\s*version:\s*1\s+n_points:\s*(\d{1,6})\s*\{([^{}]*)\}\s*',
      text, re.ASCII,
  )  # fmt: skip
  if match is None:
    raise UserError(
        f"{path}: found '{paths.shown(text[:60])}', expected 'version: 1', "
        "'n_points: N', and N lines of x and y between braces"
    )
  lines = [line.split() for line in match[2].split('\n') if line.strip()]
  if len(lines) != int(match[1]) or not lines:
    raise UserError(
        f'{path}: found {len(lines)} points, expected n_points: {match[1]}'
    )
  points = []
  for number, words in enumerate(lines, start=1):
    where = f'{path}, point {number}'
    if len(words) != 2:
      raise UserError(f'{where}: found {len(words)} numbers, expected x and y')
    values, _ = read_points(words, {str(number): (0, 1, -1)}, where)
    points.append(values[0])
  return np.array(points)


def _image(
    path: pathlib.Path,
    folder: pathlib.Path,
    root: pathlib.Path,
    listings: dict[pathlib.Path, dict[str, list[str]]],
) -> str:
  """The image that a points file belongs to, as a path below the root."""
  stem = path.relative_to(folder).with_suffix('')
  if stem.parent not in listings:  # a folder is listed once, not for each file
    listings[stem.parent] = _images_by_stem(root / stem.parent)
  names = listings[stem.parent].get(paths.canonical(stem.name), [])
  if len(names) != 1:
    raise UserError(
        f'{path}: found as its image {", ".join(names) or "none"}, expected '
        f'one image {(root / stem).as_posix()}.*'
    )
  return paths.canonical((stem.parent / names[0]).as_posix())


def _images_by_stem(folder: pathlib.Path) -> dict[str, list[str]]:
  """The images in a folder: name without ending -> names."""
  images: dict[str, list[str]] = {}
  others: dict[str, list[str]] = {}  # a later message names their kind
  with label_files.reading(folder, 'a folder of images'):
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
      for kind, endings in ((images, paths.EXTENSIONS), (others, paths.UNREAD)):
        if path.suffix.lower() in endings:
          kind.setdefault(paths.canonical(path.stem), []).append(path.name)
  return others | images


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a new or empty folder, with a points file for each image."""
  points = conventions.to_file(poses.points, conventions.CENTRE['pts'])
  texts: dict[pathlib.Path, str] = {}
  for image, values in zip(poses.images, points, strict=True):
    file = file_names.below(path, paths.canonical(image)).with_suffix(SUFFIX)
    name = file.relative_to(path)
    if name in texts:
      raise UserError(
          f"{path}: found two images for '{name}', expected their names to "
          'differ in more than the ending'
      )
    lines = [f'{label_files.number(x, "nan")} {label_files.number(y, "nan")}'
             for x, y in values]  # fmt: skip
    head = f'version: 1\nn_points: {len(lines)}\n'
    texts[name] = head + '\n'.join(['{', *lines, '}']) + '\n'
  with label_files.replacing(path) as partial:
    if os.path.exists(path) and (not path.is_dir() or any(path.iterdir())):
      raise UserError(
          f'{path}: found something there, expected a new or an empty folder'
      )
    partial.mkdir()
    for name, text in texts.items():
      file = partial / name
      file.parent.mkdir(parents=True, exist_ok=True)
      file.write_text(text, encoding='utf-8', newline='')


FORMATS = (base.Format('pts', read, write, endings=('.pts',), ending=''),)
