"""Sorting a split that is larger than a gigabyte, without TensorFlow.

tfds orders the examples of a split by a hash of their keys: up to a gigabyte in
memory, and beyond in temporary files, which it writes through TensorFlow. Here
are such files without it.
"""

import contextlib
import os
import pathlib
import struct
from collections.abc import Iterator

from tensorflow_datasets.core import shuffle

# The hashed key has 128 bits; then come the length of the data, and the data.
_HEAD = struct.Struct('>16sQ')


class Bucket:
  """A file of examples whose hashed keys lie in one range; see `shuffle`.

  It is open only while something is written: there are a thousand of them, and
  systems allow about as many open files.

  Args:
    path: the file, in a folder that is removed when the preparation fails.
  """

  def __init__(self, path: str | os.PathLike[str]):
    self._path = pathlib.Path(path)
    self._length = 0
    self._size = 0

  def __len__(self) -> int:
    return self._length

  @property
  def size(self) -> int:
    """Bytes of data, without the keys."""
    return self._size

  def add(self, key: int, data: bytes) -> None:
    """Appends an example."""
    with open(self._path, 'ab') as file:
      file.write(_HEAD.pack(key.to_bytes(16, 'big'), len(data)) + data)
    self._length += 1
    self._size += len(data)

  def read_values(self) -> Iterator[tuple[int, bytes]]:
    """Hashed keys and data, in the order in which they were added."""
    if not self._length:
      return
    with open(self._path, 'rb') as file:
      for _ in range(self._length):
        key, size = _HEAD.unpack(file.read(_HEAD.size))
        yield int.from_bytes(key, 'big'), file.read(size)

  def del_file(self) -> None:
    """Removes the file."""
    self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def plain_files() -> Iterator[None]:
  """Within it, tfds sorts with these buckets rather than with its own."""
  # It offers no way to choose them.
  theirs = getattr(shuffle, '_Bucket', None)
  shuffle._Bucket = Bucket
  try:
    yield
  finally:
    shuffle._Bucket = theirs
