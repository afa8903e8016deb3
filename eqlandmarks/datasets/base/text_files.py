"""Lines of the text files that benchmarks come with.

Copies in circulation differ in line ends (CRLF), in blanks, and in whether the
last line has an end: none of that matters here.
"""

import pathlib

from eqlandmarks.errors import UserError
from eqlandmarks.system import regular_files


def read_lines(path: pathlib.Path) -> list[str]:
  """The lines of a file without their ends, blank ones included.

  Raises:
    UserError: the file cannot be read, or is no UTF-8 text.
  """
  try:
    text = regular_files.read_text(path)
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
        f'{path}: cannot be read ({error}), expected a text file in UTF-8'
    ) from error
  # Not `splitlines`, which also splits at form feeds and the like.
  return [line.strip() for line in text.split('\n')]


def read_names(path: pathlib.Path) -> list[str]:
  """The file names in a list, one a line, with forward slashes.

  Raises:
    UserError: a name appears twice, or leaves the folder, or there is none.
  """
  lines = read_lines(path)
  seen: dict[str, int] = {}
  for number, line in enumerate(lines, start=1):
    name = line.replace('\\', '/')
    if not name:
      continue
    where = f'{path}, line {number}'
    if not name.isprintable() or name.startswith('/') or '..' in name:
      raise UserError(
          f'{where}: found {name[:60]!r}, expected the name of an image, such '
          "as '000001.jpg'"
      )
    if name in seen:
      raise UserError(
          f'{where}: found {name[:60]!r} again, expected each name once; the '
          f'first is line {seen[name]}'
      )
    seen[name] = number
  if not seen:
    raise UserError(f'{path}: found no names, expected one on each line')
  return list(seen)
