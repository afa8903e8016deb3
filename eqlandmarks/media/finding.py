"""Finding images, or other files, anywhere below a folder."""

import fnmatch
import os
import pathlib
import re
from collections.abc import Iterable, Iterator

from eqlandmarks.errors import UserError
from eqlandmarks.formats.paths import EXTENSIONS
from eqlandmarks.formats.paths import canonical


def find_images(
    root: pathlib.Path,
    extensions: tuple[str, ...] = EXTENSIONS,
    leave_out: Iterable[str] = (),
) -> list[str]:
  """The images anywhere below `root`, as natural-sorted posix paths below it.

  Hidden files and folders are skipped, and the folders `leave_out`. Linked
  folders are followed, but each real folder is listed once, under its own path
  where it has one.
  """
  names = []
  for folder in _folders(root, leave_out):
    for path in _entries(folder):
      # A broken link is kept: decoding it then says what is wrong.
      if path.suffix.lower() in extensions and (
          path.is_file() or (path.is_symlink() and not path.is_dir())
      ):
        names.append(readable_name(root, path))
  return sorted(names, key=natural_key)


def natural_key(path: str) -> tuple:
  """Sorts 'img2' before 'img10', folder by folder."""
  parts = tuple(
      tuple(
          (0, int(piece), '') if piece.isdecimal() else (1, 0, piece.casefold())
          for piece in re.split(r'(\d+)', part)
          if piece
      )
      for part in path.split('/')
  )
  return parts, path


def matches(path: str, patterns: tuple[str, ...]) -> bool:
  """Whether a path below the root matches one of the glob patterns."""
  path = canonical(path)
  return any(fnmatch.fnmatchcase(path, canonical(p)) for p in patterns)


def readable_name(root: pathlib.Path, path: pathlib.Path) -> str:
  """The path of an image below `root`, which must be UTF-8 for label files."""
  name = path.relative_to(root).as_posix()
  try:
    name.encode()
  except UnicodeEncodeError as error:
    raise UserError(
        f'{root}: the file name {name!a} is not UTF-8, expected a name '
        'that is; rename the file, or take a locale of UTF-8 (LC_ALL=C.UTF-8)'
    ) from error
  return name


def _folders(
    root: pathlib.Path, leave_out: Iterable[str]
) -> Iterator[pathlib.Path]:
  """All folders below and with `root`, each real folder once."""
  top = root.resolve()
  seen = {(root / folder).resolve() for folder in leave_out}
  queue, links = [root], []
  # Links wait until the real folders are through, so that an image keeps its
  # own path; what they lead back to has then been seen, so loops end.
  while queue or links:
    folder = queue.pop() if queue else links.pop()
    real = folder.resolve()
    if real in seen or (folder != root and top.is_relative_to(real)):
      continue
    seen.add(real)
    yield folder
    for path in _entries(folder):
      if path.is_dir():
        (links if path.is_symlink() else queue).append(path)


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
  """What is in a folder, sorted, without hidden names."""
  try:
    names = os.listdir(folder)
  except OSError as error:
    raise UserError(
        f'{folder}: cannot be listed ({error.strerror}), expected a folder '
        'that can be read'
    ) from error
  return [folder / name for name in sorted(names) if name[0] != '.']
