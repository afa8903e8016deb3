"""Reading back what a run wrote: one line for a damaged file.

A damaged file can make its reader raise nearly anything, so the errors of
reading are caught here, and nowhere else.
"""

import contextlib
import errno
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.system import files

_Kind = type | tuple[type, ...]

# In bytes, far beyond what any run writes: 100 points each of a million images
# are 1.6 GB. What is not compressed may have any size.
_LARGEST_JSON, _LARGEST_ARRAYS = 2**26, 2**31
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# A file, or a part of it, that is not there.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)
# Texts of errors that tell of a shortage, which may pass.
_QUOTED = (
    *map(
        os.strerror,
        (*files.REFUSALS, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    ),
    'RESOURCE_EXHAUSTED', "can't start new thread",
)  # fmt: skip


@contextlib.contextmanager
def intact(path: pathlib.Path, remedy: str) -> Iterator[None]:
  """Turns an error of reading `path` into one line that ends with a remedy.

  Raises:
    UserError: the file is damaged, or the system does not let it be read.
  """
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    reason = passing(error)
    # A size that was altered can ask for more memory than there is.
    if reason is not None and not isinstance(error, MemoryError):
      raise UserError(
          f'{path} cannot be read ({reason}), expected a file that can be'
      ) from error
    # Our own checks raise plain ValueErrors.
    kind = '' if type(error) is ValueError else f'{type(error).__name__}: '
    raise damaged(path, f'{kind}{error}', remedy) from error


def passing(error: BaseException | None) -> str | None:
  """Why something cannot be read now; None where its content may be why."""
  while error is not None:
    if isinstance(error, MemoryError):
      return os.strerror(errno.ENOMEM)
    # Libraries raise it without a number for what they cannot decode.
    if isinstance(error, OSError) and error.errno not in (None, *_ABSENT):
      return os.strerror(error.errno)
    for text in _QUOTED:
      if text in str(error):
        return text
    error = error.__cause__ or error.__context__
  return None


def damaged(path: pathlib.Path, fault: str, remedy: str) -> UserError:
  """The error of a file that does not hold what was written to it."""
  fault = ' '.join(fault.split())[:160]
  return UserError(
      f'{path} is damaged ({fault}), expected what a run wrote there; {remedy}'
  )


def read_json(
    path: pathlib.Path,
    remedy: str,
    check: Callable[[Any], object] | None = None,
) -> Any:
  """What an existing JSON file holds; see `intact`.

  `check` raises an error for wrong content, by `field` and `typed`, say.
  """
  with intact(path, remedy):
    content = load_json(path)
    if check is not None:
      check(content)
    return content


def field(content: Any, name: str, kind: _Kind) -> Any:
  """A field of a JSON object; raises ValueError unless it has that type."""
  if name not in typed(content, dict):
    raise ValueError(f'it lacks {name}')
  return typed(content[name], kind, name)


def typed(value: Any, kind: _Kind, name: str = 'it') -> Any:
  """A value; raises ValueError unless it has that type, or one of several."""
  if not isinstance(value, kind):
    raise ValueError(f'{name} holds {type(value).__name__}')
  return value


def load_json(path: pathlib.Path) -> Any:
  """What a JSON file holds.

  Raises:
    OSError: it cannot be read.
    ValueError: it is no JSON, or too large.
  """
  size = path.stat().st_size
  if size > _LARGEST_JSON:
    raise ValueError(f'it has {size} bytes')
  return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
  """What JSON text holds; raises ValueError for any other text."""
  try:
    return json.loads(text)
  except RecursionError as error:
    raise ValueError('it is nested too deeply') from error


def read_arrays(path: pathlib.Path, remedy: str) -> dict[str, np.ndarray]:
  """What an .npz file holds; see `intact`."""
  with intact(path, remedy):
    with zipfile.ZipFile(path) as archive:
      entries = archive.infolist()
    # Small files can unpack to more than the memory holds, above all by the
    # methods of compression that are not ours.
    if not {entry.compress_type for entry in entries} <= _COMPRESSIONS:
      raise ValueError('its compression is another one')
    size = sum(entry.file_size for entry in entries)
    if size > max(_LARGEST_ARRAYS, path.stat().st_size):
      raise ValueError(f'it unpacks to {size} bytes')
    with np.load(path, allow_pickle=False) as stored:
      arrays = dict(stored)
    # Elements of no bytes could be any number.
    if any(array.size > size for array in arrays.values()):
      raise ValueError('it has more elements than bytes')
    return arrays
