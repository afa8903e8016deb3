"""Opening what users name, if it is a regular file.

Reading a named pipe waits for a writer, and a device such as /dev/zero never
ends; a link in a folder of images can lead to either.
"""

import io
import os
import pathlib
import stat
from typing import BinaryIO

from eqlandmarks.errors import UserError

_KINDS = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a named pipe',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
}


def opened(path: pathlib.Path) -> BinaryIO:
  """Opens a regular file, or one that a link leads to, for reading.

  Raises:
    UserError: it is something else.
    OSError: it is not there, or cannot be read.
  """
  return open(path, 'rb', opener=_regular)


def check(path: pathlib.Path) -> None:
  """Checks that a path leads to a regular file, which something else opens.

  Raises:
    UserError: it is something else.
    OSError: it is not there, or cannot be read.
  """
  opened(path).close()


def read(path: pathlib.Path) -> bytes:
  """The bytes of a regular file; see `opened`."""
  with opened(path) as file:
    return file.read()


def read_text(path: pathlib.Path) -> str:
  """The text of a regular file in UTF-8, each line ended by a line feed."""
  with opened(path) as file:
    return io.TextIOWrapper(file, 'utf-8-sig').read()


def _regular(path: str, flags: int) -> int:
  # A pipe without a writer makes a plain open wait.
  descriptor = os.open(path, flags | os.O_NONBLOCK)
  kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
  if kind == stat.S_IFREG:
    return descriptor
  os.close(descriptor)
  found = _KINDS.get(kind, 'something else')
  raise UserError(f'{path}: is {found}, expected a regular file')
