"""Opening label files, and writing them whole or not at all."""

import contextlib
import csv
import errno
import importlib
import os
import pathlib
import types
from collections.abc import Iterable, Iterator

from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.system import files

_CODES = {
    PermissionError: errno.EACCES, FileNotFoundError: errno.ENOENT,
    NotADirectoryError: errno.ENOTDIR, IsADirectoryError: errno.EISDIR,
}  # fmt: skip


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A place to write to, which takes the name at the end: `files.replacing`."""
  expected = 'expected a place that can be written to'
  try:
    os.stat(path.parent)  # unlike a run's, it is not made
    with files.replacing(path, expected) as new:
      yield new
  except (OSError, RuntimeError) as error:  # the latter: PyTables, h5py
    raise UserError(
        f'{path}: cannot be written ({reason(error)}), {expected}'
    ) from error


@contextlib.contextmanager
def reading(path: pathlib.Path, expected: str) -> Iterator[None]:
  """Turns any error of a library that reads a file into one line."""
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


def library(module: str) -> types.ModuleType:
  """An optional library, whose package has its name with hyphens."""
  try:
    return importlib.import_module(module)
  except ImportError as error:
    raise UserError(
        f"the library '{module}' is not installed, expected it for this "
        f'format: pip install {module.replace("_", "-")}'
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
    plain = csv.writer(file, lineterminator='\n')
    quoted = csv.writer(file, lineterminator='\n', quoting=csv.QUOTE_ALL)
    for row in rows:
      # Which ends a line for readers, but not for Python's writer.
      (quoted if '\r' in ''.join(row) else plain).writerow(row)


def number(value: float, missing: str = '') -> str:
  """A number in a text file, to a ten-thousandth of a pixel."""
  return missing if value != value else repr(round(float(value), 4) + 0.0)
