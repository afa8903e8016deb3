"""Writing whole files or none, with one line for what the disk refuses."""

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
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
ROOM = 'expected a place with room that can be written to'
# In bytes, what Linux and macOS allow a name.
_LONGEST = 255
# Names of folders in which files are written that are not whole yet.
_PREFIX, _SUFFIX = '.eqlandmarks-', '.partial'


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
def written(path: pathlib.Path, expected: str = ROOM) -> Iterator[None]:
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
    path: pathlib.Path, expected: str = ROOM
) -> Iterator[pathlib.Path]:
  """A place to write a file or a folder to; it takes its name at the end.

  The place lies in a new folder beside `path`, which nobody else knows: nothing
  is there yet, no link can stand there, and the name is as it will be. A link
  at `path` is replaced itself, not what it leads to. If an error ends the
  block, nothing stays, and what was at `path` before is as it was. Folders
  above it are made where they are not there.

  Args:
    path: a file, which is replaced; or a folder, which must not be there, or
      must be empty.
    expected: what the message says of the place.

  Raises:
    UserError: the file system refuses.
  """
  with (
      written(path, expected),
      made(path.parent),
      scratch(path.parent) as folder,
  ):
    yield folder / path.name
    os.replace(folder / path.name, path)


@contextlib.contextmanager
def scratch(parent: pathlib.Path) -> Iterator[pathlib.Path]:
  """A new folder in `parent`, which is removed at the end.

  What killed processes have left of theirs is removed at the start.
  """
  _remove_leftovers(parent.absolute())
  folder, lock = _own_folder(parent)
  try:
    yield folder
  finally:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


@contextlib.contextmanager
def made(folder: pathlib.Path) -> Iterator[None]:
  """Makes a folder; if an error ends the block, what was made is removed.

  Only folders that were made here, and are empty: others may write there.
  """
  new = []
  try:
    for each in (*reversed(folder.parents), folder):
      if not each.is_dir():
        # Somebody else may just have made it, whose it is then.
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


def remove(path: pathlib.Path) -> None:
  """Removes a file, a folder with all that is in it, or a link alone.

  Raises:
    UserError: the file system refuses.
  """
  with written(path):
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path)
    else:
      path.unlink(missing_ok=True)


def below(folder: pathlib.Path, name: str) -> pathlib.Path:
  """The path of what is called `name` in a folder, which it does not leave.

  Args:
    folder: which need not be there.
    name: a relative path with forward slashes.

  Raises:
    UserError: the name is absolute, leads upwards or through a link out of the
      folder, or is none.
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
  """The name of a file, cut where no file system takes one of its length.

  What is cut off stands in it as a digest, so that names stay distinct.
  """
  room = _LONGEST - len(os.fsencode(ending))
  if len(os.fsencode(stem)) > room:
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]
    kept = os.fsencode(stem)[: room - len(digest) - 1]
    stem = f'{kept.decode(errors="ignore")}~{digest}'
  return stem + ending


def open_own(path: pathlib.Path, flags: int) -> int:
  """Opens a file that is kept open and written in place; makes it if needed.

  Args:
    path: the file. Its folder is there.
    flags: as for `os.open`.

  Returns:
    The open file, which programs that are started do not inherit.

  Raises:
    OSError: the system refuses.
    UserError: a link, a pipe or a device is there: it would be written through.
  """
  if path.is_symlink():
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


def expanded(path: str | os.PathLike[str]) -> pathlib.Path:
  """A path as a user gives it, with the home folder in the place of a `~`.

  Raises:
    UserError: it begins with the home folder of a user who is not known, or is
      one that the libraries cannot open.
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


def _foreign(path: pathlib.Path, found: str) -> UserError:
  return UserError(
      f"{path}: found {found}, expected a file of the program's own, or none; "
      'remove it'
  )


def is_partial(name: str) -> bool:
  """Whether a folder's name is that of one which holds half-written files."""
  return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _own_folder(parent: pathlib.Path) -> tuple[pathlib.Path, int]:
  """A new folder that others know to be in use, and the lock that says so."""
  while True:
    folder = pathlib.Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # not every file system has locks
      fcntl.flock(lock, fcntl.LOCK_EX)
    # Another process may have taken it for a left-over before it was locked.
    with contextlib.suppress(FileNotFoundError):
      if os.path.samestat(os.fstat(lock), os.stat(folder)):
        return folder, lock
    os.close(lock)


@functools.cache
def _remove_leftovers(parent: pathlib.Path) -> None:
  """Removes what killed processes have half written in a folder.

  Each process looks once: folders of pictures have many files.
  """
  with os.scandir(parent) as entries:
    names = [
        entry.name for entry in entries
        if is_partial(entry.name) and entry.is_dir(follow_symlinks=False)
    ]
  for name in names:
    with contextlib.suppress(OSError):  # in use, say, or another user's
      lock = os.open(parent / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(parent / name)
      finally:
        os.close(lock)
