"""Opening regular files: no pipes, no devices.

Reading a named pipe waits for a writer, and a device such as /dev/zero never
ends; a link in a folder of images can lead to either. A link where the program
writes could lead to somebody's file.
"""

import errno
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
    OSError: it does not exist, or cannot be read.
  """
  return open(path, 'rb', opener=_regular)


def check(path: pathlib.Path) -> None:
  """Checks that a path leads to a regular file; see `opened`."""
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
  name = _KINDS.get(kind, 'something else')
  raise UserError(f'{path}: is {name}, expected a regular file')


def open_own(path: str | os.PathLike[str], flags: int) -> int:
  """Opens a file of the program's own to write in place; makes it if needed.

  Returns:
    The open file, which child processes do not inherit.

  Raises:
    UserError: a link, a pipe or a device is there, and would be written to.
    OSError: the system refuses.
  """
  if os.path.islink(path):
    raise _foreign(path, 'a link')
  # Without O_NONBLOCK, opening a pipe would wait for its reader.
  kept = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
  try:
    file = os.open(path, flags | kept, 0o666)
  except OSError as error:
    if error.errno in (errno.ELOOP, errno.ENXIO):
      raise _foreign(path, 'a link or a pipe') from error
    raise
  if not stat.S_ISREG(os.fstat(file).st_mode):
    os.close(file)
    raise _foreign(path, 'a pipe or a device')
  return file


def _foreign(path: str | os.PathLike[str], kind: str) -> UserError:
  return UserError(
      f"{path}: found {kind}, expected a file of the program's own, or none; "
      'remove it'
  )
