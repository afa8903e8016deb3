"""One writer for a folder at a time.

The lock is the kernel's (`flock`): it ends with the process that holds it, so
none is ever stale. The file says who holds it. (The library filelock empties
its file before it has the lock, so the file could not say that.)
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator

from eqlandmarks.errors import UserError
from eqlandmarks.system import data_files
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.system import regular_files

NAME = 'lock'
# Attempts at making a folder that others remove meanwhile.
_TRIES = 10
# Some network file systems have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def held(
    folder: pathlib.Path,
    doing: str,
    name: str = NAME,
    *,
    wait: bool = False,
    expected: str = files.ROOM,
) -> Iterator[bool]:
  """Holds a folder's lock; makes the folder, and removes it if left empty.

  Args:
    folder: what the block writes to.
    doing: what this process does, for the messages of others.
    name: of the file in the folder.
    wait: for another process that holds the lock, after one line that says so.
    expected: what the message says of a folder that cannot be written.

  Yields:
    Whether others are kept out: not on a file system without locks.

  Raises:
    UserError: another process holds the lock, and `wait` is False; or the
      folder cannot be written.
  """
  made = [p for p in (folder, *folder.parents) if not p.exists()]
  path = folder / name
  try:
    with files.written(folder, expected):
      file, locked = _acquire(path, wait)
    try:
      with files.written(folder, expected):
        _sign(file, doing)
      yield locked
    finally:
      # Before the lock is given up: afterwards, it may be another's file.
      with contextlib.suppress(OSError):
        path.unlink()
      os.close(file)
  finally:
    for empty in made:
      with contextlib.suppress(OSError):
        empty.rmdir()


def _acquire(path: pathlib.Path, wait: bool) -> tuple[int, bool]:
  """An open file that holds the lock, and whether there are locks at all."""
  how = fcntl.LOCK_EX | fcntl.LOCK_NB
  while True:
    with contextlib.ExitStack() as stack:
      file = _open(path)
      stack.callback(os.close, file)
      locked = True
      try:
        fcntl.flock(file, how)
      except BlockingIOError as error:
        holder = _signature(file) or 'another process'  # not signed yet
        if not wait:
          raise UserError(
              f'{path.parent} is in use by {holder}, expected a folder that '
              'nobody writes to: wait for it, or take another one'
          ) from error
        journal.say(f'waiting for {holder}, which writes to {path.parent}')
        how = fcntl.LOCK_EX
        continue
      except OSError as error:
        if error.errno not in _NO_LOCKS:
          raise
        journal.say(
            f'warning: {path.parent} cannot be locked ({error.strerror})'
        )
        locked = False
      if locked and not _is_at(file, path):
        continue  # whoever held it has removed the file since
      if os.fstat(file).st_size and _signature(file) is None:
        raise UserError(
            f'{path}: found a file that is no lock of this program, expected '
            'none of this name: move it away'
        )
      stack.pop_all()
      return file, locked


def _open(path: pathlib.Path) -> int:
  """Opens the lock's file; makes it and its folder if needed."""
  tries = _TRIES
  while True:
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      return regular_files.open_own(path, os.O_RDWR)
    except FileNotFoundError:
      # Whoever held the lock has just removed a folder that was left empty.
      tries -= 1
      if not tries:
        raise


def _is_at(file: int, path: pathlib.Path) -> bool:
  with contextlib.suppress(FileNotFoundError):
    return os.path.samestat(os.fstat(file), os.stat(path))
  return False


def _sign(file: int, doing: str) -> None:
  """Writes into the file who holds the lock."""
  now = datetime.datetime.now(datetime.UTC)
  about = {
      'pid': os.getpid(),
      'host': socket.gethostname(),
      'doing': doing,
      'since': now.isoformat(timespec='seconds'),
  }
  os.ftruncate(file, 0)
  os.pwrite(file, json.dumps(about).encode(), 0)


def _signature(file: int) -> str | None:
  """What `_sign` has written, in words; None where it has not."""
  try:
    about = data_files.parse_json(os.pread(file, 10_000, 0))
    return (
        f"process {int(about['pid'])} on {about['host']} ({about['doing']}, "
        f"since {about['since']})"
    )
  except (OSError, ValueError, KeyError, TypeError):
    return None
