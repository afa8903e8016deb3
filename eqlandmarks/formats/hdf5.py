"""Looking into HDF5 files before PyTables opens them.

PyTables unpickles what it finds in attributes, and a pickle can call any
function. So h5py, which unpickles nothing, goes through the file first: what a
pickle would call must be on a short list of harmless things, which pandas
writes. A small file can also promise arrays that fill the memory.
"""

import pathlib
import pickletools
from collections.abc import Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import files

# Bytes of all arrays of a file together, unpacked.
LARGEST = 4 * 2**30

# As pickles name them. They are data, and call nothing.
_HARMLESS = (
    'numpy dtype',
    'numpy.core.multiarray scalar',
    'numpy._core.multiarray scalar',
    '_codecs encode',
    'pandas.core.indexes.frozen FrozenList',
    'copy_reg _reconstructor',
    '__builtin__ list',
    '__builtin__ object',
)
# What can call a thing without its name beside it. Of these, STACK_GLOBAL is
# common, but not in the old form of pickles that PyTables writes.
_HIDDEN = (
    'STACK_GLOBAL', 'EXT1', 'EXT2', 'EXT4', 'PERSID', 'BINPERSID', 'INST', 'OBJ'
)


def check(path: pathlib.Path) -> None:
  """Sees that a file can be opened with PyTables.

  Raises:
    UserError: it is no HDF5, holds a pickle that could run a program, or is
      larger than `LARGEST` when unpacked.
  """
  h5py = files.library('h5py', 'labels')
  size = 0
  with files.reading(path, 'an HDF5 file'), h5py.File(path, 'r') as file:
    for name, item in _items(file):
      for key in item.attrs:
        _check_attribute(item.attrs[key], path, f'{name}, attribute {key}')
      if not isinstance(item, h5py.Dataset):
        continue
      if b'object' in _bytes(item.attrs.get('PSEUDOATOM', '')):
        raise _pickled(path, name, 'objects')
      size += item.size * item.dtype.itemsize if item.size else 0
  if size > LARGEST:
    raise UserError(
        f'{path}: holds {size / 2**30:.1f} GiB of arrays, expected at most '
        f'{LARGEST / 2**30:.0f} GiB'
    )


def _items(file: Any) -> Iterator[tuple[str, Any]]:
  """All groups and arrays of a file, without following links out of it."""
  yield '/', file
  found: list[str] = []
  file.visit(found.append)
  for name in found:
    yield f'/{name}', file[name]


def _check_attribute(value: Any, path: pathlib.Path, where: str) -> None:
  for text in np.ravel(np.asarray(value)):
    content = _bytes(text)
    if content.endswith(b'.'):  # as a pickle does
      for called in _calls(content):
        raise _pickled(path, where, called)


def _calls(content: bytes) -> Iterator[str]:
  """What a pickle would call, as far as it is not harmless.

  Content that is no pickle ends in an error, but all before it would have been
  executed.
  """
  try:
    for code, value, _ in pickletools.genops(content):
      if code.name == 'GLOBAL' and value not in _HARMLESS:
        yield str(value)
      elif code.name in _HIDDEN:
        yield code.name
  except Exception:  # a text that only ends like a pickle
    return


def _bytes(value: Any) -> bytes:
  if isinstance(value, bytes):
    return bytes(value)
  if isinstance(value, str):
    return value.encode('utf-8', 'surrogateescape')
  return b''


def _pickled(path: pathlib.Path, where: str, called: str) -> UserError:
  return UserError(
      f'{path}: {where} holds pickled {called}, which could run a program; '
      'expected a file of DeepLabCut, or its csv'
  )
