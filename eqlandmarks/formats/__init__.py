"""Label files as the field has them, read and written.

    poses = formats.read('CollectedData_me.csv')
    formats.write(poses, 'labels.json', 'coco')

docs/formats.md says what each format holds. Points in memory are always (row,
column), the centre of the top-left pixel at (0.5, 0.5); `conventions` has what
the formats say instead. Needs no JAX.
"""

import importlib
import os
import pathlib
import pkgutil
from collections.abc import Iterator

from eqlandmarks.errors import UserError
from eqlandmarks.formats import base
from eqlandmarks.formats import csv_cells
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.formats import pts
from eqlandmarks.formats.poses import Poses
from eqlandmarks.system import file_names
from eqlandmarks.system import regular_files

__all__ = ['FORMATS', 'Poses', 'read', 'recognise', 'write']


def _formats() -> Iterator[base.Format]:
  """Those of all files of this folder that have `FORMATS`."""
  for module in pkgutil.iter_modules(__path__):
    file = importlib.import_module(f'{__name__}.{module.name}')
    yield from getattr(file, 'FORMATS', ())


FORMATS = {form.name: form for form in _formats()}


def read(
    path: str | os.PathLike,
    form: str = '',
    *,
    root: str | os.PathLike | None = None,
) -> Poses:
  """Reads a label file.

  Args:
    path: the file, or a folder of `.pts`.
    form: a key of `FORMATS`, or '' to go by the ending and the content.
    root: the folder of the images, to which paths in the file are relative; by
      default the file's own, or the folder of `.pts`.

  Returns:
    The points, (row, column) in pixels of the original images. Only for `.pts`,
    which do not name their images, must the images exist.

  Raises:
    UserError: the file is missing, of another format, or wrong; the message
      names the place.
  """
  path = file_names.expanded(path)
  with label_files.reading(path, 'a file or folder of labels'):
    if not path.is_dir():
      regular_files.check(path)
  reader = FORMATS[checked(form or recognise(path))].read
  if path.is_dir() and reader is not pts.read:
    raise UserError(f"{path}: found a folder, expected a file of '{form}'")
  default = path if path.is_dir() else path.parent
  return reader(path, pathlib.Path(default if root is None else root))


def write(poses: Poses, path: str | os.PathLike, form: str) -> None:
  """Writes a label file, or for `.pts` a folder, whole or not at all.

  Labels are written where `poses.confidence` is None, otherwise predictions.
  What a format has no place for is left out: see docs/formats.md.

  Args:
    poses: the points.
    path: where to; an existing file is replaced.
    form: a key of `FORMATS`.

  Raises:
    UserError: the format is unknown, cannot hold these points, or needs a
      library that is not installed; or the place cannot be written to.
  """
  write_form = FORMATS[checked(form)].write
  path = file_names.expanded(path)
  if not poses.images:
    raise UserError(f'{path}: found no images to write, expected at least one')
  for image in poses.images if poses.video else ():
    if paths.frame_key(image) is None:
      raise UserError(
          f"{path}: found image '{image}' of video {poses.video}, expected "
          f"frames such as '{paths.frame_name(poses.video, 0)}'"
      )
  # Unlike `Path.is_dir`, this raises nothing where one may not look.
  if os.path.isdir(path) and write_form is not pts.write:
    raise UserError(f"{path}: found a folder, expected a file of '{form}'")
  write_form(poses, path if path.name else path.resolve())


def checked(form: str) -> str:
  """The name of a format, which must be known."""
  if form not in FORMATS:
    raise UserError(
        f"format: found '{form}', expected one of {', '.join(FORMATS)}"
    )
  return form


def recognise(path: pathlib.Path) -> str:
  """The format of a file by its ending, or of a csv by its first row."""
  if path.is_dir():
    return 'pts'
  for form in FORMATS.values():
    if path.suffix.lower() in form.endings:
      return form.name
  # Tables may have any ending, .csv and .txt above all.
  first = next(iter(csv_cells.read_cells(path)), (1, ['']))[1]
  for form in FORMATS.values():
    if form.begins(first):
      return form.name
  return 'table'
