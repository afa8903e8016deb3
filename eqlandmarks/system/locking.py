"""One writer for a folder at a time.

The lock is the kernel's (`flock`): it ends with the process that holds it,
however that ends, so that nobody ever has to remove a stale one. The file
beside it only says who holds it. The library filelock empties its file before
it knows whether it gets the lock, so it could not say that.
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
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.system import stored

NAME = 'lock'
# How often a folder that is removed meanwhile is made again.
_TRIES = 10
# Some network file systems know no locks.
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
    folder: what is written to within.
    doing: what others are told that this process does.
    name: of the file in the folder.
    wait: for another process that holds the lock, which is said in one line.
    expected: what the message says of a folder that cannot be written.

  Yields:
    Whether others are kept out: not on a file system without locks.

  Raises:
    UserError: another process holds the lock, and is not to be waited for; or
      the folder cannot be written.
  """
  made = [p for p in (folder, *folder.parents) if not p.exists()]
  path = folder / name
  try:
    with files.written(folder, expected):
      file, locked = _acquire(path, folder, wait)
      _check_ours(file, path)
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


def _acquire(
    path: pathlib.Path, folder: pathlib.Path, wait: bool
) -> tuple[int, bool]:
  """An open file that holds the lock, and whether there are locks at all."""
  told = False
  while True:
    file = _open(path)
    try:
      if told:
        # A signal that ends the run interrupts it.
        fcntl.flock(file, fcntl.LOCK_EX)
      else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      holder = _holder(file)
      os.close(file)
      if not wait:
        raise UserError(
            f'{folder} is in use by {holder}, expected a folder that nobody '
            'writes to: wait for it, or take another one'
        ) from error
      journal.say(f'waiting for {holder}, which writes to {folder}')
      told = True
      continue
    except OSError as error:
      if error.errno not in _NO_LOCKS:
        os.close(file)
        raise
      journal.say(f'warning: {folder} cannot be locked ({error.strerror})')
      return file, False
    except BaseException:  # told to stop while it waited
      os.close(file)
      raise
    # Whoever held it may have removed the file since it was opened.
    with contextlib.suppress(FileNotFoundError):
      if os.path.samestat(os.fstat(file), os.stat(path)):
        return file, True
    os.close(file)


def _open(path: pathlib.Path) -> int:
  """Opens the lock's file; makes it and its folder if they are not there."""
  tries = 0
  while True:
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      return files.open_own(path, os.O_RDWR)
    except FileNotFoundError:
      # Whoever held the lock has just removed a folder that was left empty.
      tries += 1
      if tries == _TRIES:
        raise


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


def _check_ours(file: int, path: pathlib.Path) -> None:
  """Checks that the file is a lock, which is emptied and removed.

  Raises:
    UserError: it holds something else. It is closed then.
  """
  if os.fstat(file).st_size and _signature(file) is None:
    os.close(file)
    raise UserError(
        f'{path}: found a file that is no lock of this program, expected none '
        'of this name: move it away'
    )


def _holder(file: int) -> str:
  """Who holds the lock, as far as the file says."""
  return _signature(file) or 'another process'  # one that has not signed yet


def _signature(file: int) -> str | None:
  """What `_sign` has written, in words; None where it has not."""
  try:
    about = stored.parse_json(os.pread(file, 10_000, 0))
    return (
        f"process {int(about['pid'])} on {about['host']} ({about['doing']}, "
        f"since {about['since']})"
    )
  except (OSError, ValueError, KeyError, TypeError):
    return None
