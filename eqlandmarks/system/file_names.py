"""Paths as users give them, and names of files that are safe to make."""

import hashlib
import os
import pathlib

from eqlandmarks.errors import UserError

# In bytes, what Linux and macOS allow a name.
_LONGEST = 255


def expanded(path: str | os.PathLike[str]) -> pathlib.Path:
  """A user's path, with the home folder for a leading `~`.

  Raises:
    UserError: the user is unknown, or libraries cannot open such a path.
  """
  path = pathlib.Path(path)
  if '\0' in str(path):
    raise UserError(f'found the path {str(path)!r}, expected one without NUL')
  try:
    str(path).encode()
  except UnicodeEncodeError as error:
    raise UserError(
        f'{path}: is not UTF-8 in this locale, expected a path that is, or a '
        'locale that has its letters (LC_ALL=C.UTF-8)'
    ) from error
  try:
    return path.expanduser()
  except RuntimeError as error:
    raise UserError(
        f"{path}: found no home folder for '{path.parts[0]}', expected that of "
        "a user who is known here, or './~...' for a folder of this name"
    ) from error


def below(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The path of `name`, with forward slashes, in a folder that may not exist.

  Raises:
    UserError: the name is empty, absolute, or leads upwards or by a link out of
      the folder.
  """
  path = folder / name
  parts = name.split('/')
  if '\0' in name or not all(parts) or {'.', '..'} & {*parts}:
    raise UserError(
        f'found the name {name!r}, expected a path that stays below {folder}'
    )
  if not path.parent.resolve().is_relative_to(folder.resolve()):
    raise UserError(
        f'{path.parent} leads out of {folder} by a link, expected a folder in '
        'it; remove the link'
    )
  return path


def fitting(stem: str, ending: str) -> str:
  """The name of a file; a digest replaces what file systems do not allow."""
  room = _LONGEST - len(os.fsencode(ending))
  if len(os.fsencode(stem)) > room:
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]
    kept = os.fsencode(stem)[: room - len(digest) - 1]
    stem = f'{kept.decode(errors="ignore")}~{digest}'
  return stem + ending
