"""Opening regular files: no pipes, no devices.

Reading a named pipe waits for a writer, and a device such as /dev/zero never
ends; a link in a folder of images can lead to either. A link where the program
writes could lead to a file of the user's.
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
    UserError: the path leads to something else.
  """
  return open(path, 'rb', opener=_open_regular)


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


def _open_regular(path: str, flags: int) -> int:
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

  Raises:
    UserError: a link, a pipe or a device is there, and would be written to.
    OSError: the system refuses.
  """
  kind = 'a link' if os.path.islink(path) else ''
  # Without O_NONBLOCK, opening a pipe would wait for its reader.
  flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
  try:
    file = os.open(path, flags, 0o666)
    if stat.S_ISREG(os.fstat(file).st_mode):
      return file
    os.close(file)
    kind = 'a pipe or a device'
  except OSError as error:
    if error.errno not in (errno.ELOOP, errno.ENXIO):
      raise
    kind = kind or 'a link or a pipe'
  raise UserError(
      f"{path}: found {kind}, expected a file of the program's own, or none; "
      'remove it'
  )
