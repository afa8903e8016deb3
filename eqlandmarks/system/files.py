"""Writing files and folders whole or not at all, or one line of error."""

import contextlib
import errno
import fcntl
import functools
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import numpy as np

from eqlandmarks.errors import UserError

# A disk that is full, read-only, broken, or another user's.
REFUSALS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES,
    errno.EPERM, errno.EIO, errno.ESTALE,
)  # fmt: skip
ROOM = 'expected a place with room that can be written to'
# Names of folders that hold half-written files.
_PREFIX, _SUFFIX = '.eqlandmarks-', '.partial'


def refusal(error: BaseException | None) -> str | None:
  """The system's words in an error of writing; None for any other error."""
  while error is not None:
    if isinstance(error, OSError) and error.errno is not None:
      return os.strerror(error.errno)
    # Libraries in C++ (TensorStore, array_record) only quote the system.
    for text in map(os.strerror, REFUSALS):
      if text in str(error):
        return text
    error = error.__cause__ or error.__context__
  return None


def reason(error: Exception) -> str:
  """The system's words in an error, otherwise its own, on one line."""
  text = getattr(error, 'strerror', None) or str(error)
  return ' '.join(text.split()) or type(error).__name__


@contextlib.contextmanager
def written(path: pathlib.Path, expected: str = ROOM) -> Iterator[None]:
  """Turns a refusal to write what is at `path` into a UserError of one line."""
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    reason = refusal(error)
    if reason is None:
      raise
    raise UserError(
        f'{path}: cannot be written ({reason}), {expected}'
    ) from error


@contextlib.contextmanager
def replacing(
    path: pathlib.Path, expected: str = ROOM
) -> Iterator[pathlib.Path]:
  """Yields a place to write a file or a folder to, which then becomes `path`.

  The place lies in a new folder beside `path`, under the same name. A link at
  `path` is replaced itself, not its target. If an error ends the block, `path`
  stays as it was. Missing folders above it are made.

  Args:
    path: a file, or a folder that does not exist or is empty.
    expected: what the message says of the place.

  Raises:
    UserError: the file system refuses.
  """
  with (
      written(path, expected),
      _made(path.parent),
      scratch(path.parent) as folder,
  ):
    yield folder / path.name
    os.replace(folder / path.name, path)


def write_arrays(path: pathlib.Path, **arrays: np.ndarray) -> None:
  """Writes an .npz file, whole or not at all."""
  with replacing(path) as partial, partial.open('wb') as file:
    np.savez_compressed(file, **arrays)


@contextlib.contextmanager
def scratch(parent: pathlib.Path) -> Iterator[pathlib.Path]:
  """A new folder in `parent`, removed at the end, as are left-over ones."""
  _remove_leftovers(parent.absolute())
  folder, lock = _own_folder(parent)
  try:
    yield folder
  finally:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def remove(path: pathlib.Path) -> None:
  """Removes a file, a folder with all its content, or a link alone."""
  with written(path):
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path)
    else:
      path.unlink(missing_ok=True)


def is_partial(name: str) -> bool:
  """Whether a folder of this name holds half-written files."""
  return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


@contextlib.contextmanager
def _made(folder: pathlib.Path) -> Iterator[None]:
  """Makes a folder; if an error ends the block, removes it if it is empty."""
  new = []
  try:
    for each in (*reversed(folder.parents), folder):
      if not each.is_dir():
        # If another process has just made it, it is not ours to remove.
        with contextlib.suppress(FileExistsError):
          each.mkdir()
          new.append(each)
    if not folder.is_dir():
      raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    yield
  except BaseException:
    for each in reversed(new):
      with contextlib.suppress(OSError):
        each.rmdir()
    raise


def _own_folder(parent: pathlib.Path) -> tuple[pathlib.Path, int]:
  """A new folder, and the lock that tells others that it is in use."""
  while True:
    folder = pathlib.Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # not every file system has locks
      fcntl.flock(lock, fcntl.LOCK_EX)
    # Another process may have removed it as a left-over before it was locked.
    with contextlib.suppress(FileNotFoundError):
      if os.path.samestat(os.fstat(lock), os.stat(folder)):
        return folder, lock
    os.close(lock)


@functools.cache  # once a process: folders of pictures have many files
def _remove_leftovers(parent: pathlib.Path) -> None:
  """Removes what killed processes have half written in a folder."""
  with os.scandir(parent) as entries:
    names = [
        entry.name for entry in entries
        if is_partial(entry.name) and entry.is_dir(follow_symlinks=False)
    ]
  for name in names:
    with contextlib.suppress(OSError):  # in use, or another user's
      lock = os.open(parent / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(parent / name)
      finally:
        os.close(lock)
