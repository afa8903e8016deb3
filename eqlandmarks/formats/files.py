"""Opening label files, and writing them whole or not at all."""

import contextlib
import csv
import errno
import importlib
import os
import pathlib
import tempfile
import types
from collections.abc import Iterable, Iterator

from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths

_CODES = {
    PermissionError: errno.EACCES,
    FileNotFoundError: errno.ENOENT,
    NotADirectoryError: errno.ENOTDIR,
    IsADirectoryError: errno.EISDIR,
}


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A place to write a file or folder to, which takes its name at the end.

  It is in a new folder beside `path`, so that nothing else is there. Nothing
  stays if an error ends the block.

  Raises:
    UserError: the file system refuses.
  """
  try:
    with tempfile.TemporaryDirectory(
        prefix='.eqlandmarks-', suffix='.partial', dir=path.parent
    ) as folder:
      partial = pathlib.Path(folder) / path.name
      yield partial
      os.replace(partial, path)
  except (OSError, RuntimeError) as error:  # the latter: PyTables, h5py
    raise UserError(
        f'{path}: cannot be written ({reason(error)}), expected a place that '
        'can be written to'
    ) from error


def inside(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The path of a file that is named below a folder, and stays in it.

  Raises:
    UserError: it would not.
  """
  own = paths.canonical(name)
  if not {'', '.', '..'}.isdisjoint(own.split('/')):
    raise UserError(
        f"{folder}: found the name '{paths.shown(name)}' for a file in it, "
        'expected a path below a folder, as of images below their root'
    )
  return folder / own


@contextlib.contextmanager
def reading(path: pathlib.Path, expected: str) -> Iterator[None]:
  """Turns whatever a library makes of a bad file into one line.

  Raises:
    UserError: anything was raised within.
  """
  try:
    yield
  except UserError:
    raise
  # Damaged files make the libraries raise nearly anything.
  except Exception as error:
    raise UserError(
        f'{path}: cannot be read ({reason(error)}), expected {expected}'
    ) from error


def reason(error: Exception) -> str:
  """What an exception says, on one line and without the path."""
  if isinstance(error, OSError) and error.errno:
    return os.strerror(error.errno)
  for kind, code in _CODES.items():
    if isinstance(error, kind):  # PyTables sets no number
      return os.strerror(code)
  lines = str(error).strip().splitlines()
  return paths.shown(lines[0]) if lines else type(error).__name__


def library(module: str, extra: str) -> types.ModuleType:
  """An optional library.

  Raises:
    UserError: it is not installed.
  """
  try:
    return importlib.import_module(module)
  except ImportError as error:
    raise UserError(
        f"the library '{module}' is not installed, expected it for this "
        f"format: pip install 'eqlandmarks[{extra}]'"
    ) from error


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text file, whole or not at all."""
  with replacing(path) as partial:
    partial.write_text(text, encoding='utf-8', newline='')


def write_cells(path: pathlib.Path, rows: Iterable[list[str]]) -> None:
  """Writes a csv, whole or not at all."""
  with (
      replacing(path) as partial,
      open(partial, 'w', encoding='utf-8', newline='') as file,
  ):
    csv.writer(file, lineterminator='\n').writerows(rows)


def number(value: float, missing: str = '') -> str:
  """A number in a text file, to a ten-thousandth of a pixel."""
  return missing if value != value else repr(round(float(value), 4) + 0.0)
