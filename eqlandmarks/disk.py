"""Writing whole files or none, with one line for what the disk refuses."""

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Iterator

from eqlandmarks.errors import UserError

# What a disk says that is full, read-only, broken, or somebody else's.
_REFUSALS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES,
    errno.EPERM, errno.EIO, errno.ESTALE,
)  # fmt: skip
# What it says of a file or a part of it that is not there.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)
# What others than the system quote, who may be short of something for a while.
_QUOTED = (
    *map(os.strerror, (*_REFUSALS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)),
    'RESOURCE_EXHAUSTED', "can't start new thread",
)  # fmt: skip
_ROOM = 'expected a place with room that can be written to'


def refusal(error: BaseException | None) -> str | None:
  """The system's words in an error of writing; None for any other error.

  Libraries in C++ (TensorStore, array_record) raise errors of their own, which
  only quote the system.
  """
  while error is not None:
    if isinstance(error, OSError) and error.errno is not None:
      return os.strerror(error.errno)
    for code in _REFUSALS:
      if os.strerror(code) in str(error):
        return os.strerror(code)
    error = error.__cause__ or error.__context__
  return None


def passing(error: BaseException | None) -> str | None:
  """Why something cannot be read now, which says nothing of its content.

  None where the error may come of the content: a file that is missing, or that
  cannot be decoded.
  """
  while error is not None:
    if isinstance(error, MemoryError):
      return os.strerror(errno.ENOMEM)
    # Libraries raise it without a number for what they cannot decode.
    if isinstance(error, OSError) and error.errno not in (None, *_ABSENT):
      return os.strerror(error.errno)
    for said in _QUOTED:
      if said in str(error):
        return said
    error = error.__cause__ or error.__context__
  return None


@contextlib.contextmanager
def written(path: pathlib.Path, expected: str = _ROOM) -> Iterator[None]:
  """Makes one line of a refusal to write what is at `path`.

  Raises:
    UserError: the file system refuses.
  """
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
    path: pathlib.Path, expected: str = _ROOM
) -> Iterator[pathlib.Path]:
  """A place beside `path` to write a file to; it takes the name at the end.

  Nothing stays there if an error ends the block, and an older file stays as it
  was. The folder is made where it is not there.

  Raises:
    UserError: the file system refuses.
  """
  partial = path.with_name(path.name + '.partial')
  with written(path, expected):
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      yield partial
      os.replace(partial, path)
    finally:
      with contextlib.suppress(OSError):
        partial.unlink()


@contextlib.contextmanager
def nothing_left(folder: pathlib.Path) -> Iterator[None]:
  """Removes folders that were made for `folder` if an error ends the block."""
  made = [p for p in (folder, *folder.parents) if not p.exists()]
  try:
    yield
  except BaseException:
    if made:
      shutil.rmtree(made[-1], ignore_errors=True)
    raise
