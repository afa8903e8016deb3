"""MATLAB files of level 5 (save -v6 and -v7), with no trust in what they hold.

SciPy reads them as well, but is not made for damaged files: a type that is out
of range ends the process, without a word. Here, every length is checked before
anything is read by it.

A file is a header of 128 bytes and then elements: a type, a length, and that
many bytes, padded to eight. Arrays are elements made of elements.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

_NUMBERS = {
    1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8',
    12: 'i8', 13: 'u8',
}  # fmt: skip
_ENCODINGS = {
    1: 'latin-1', 2: 'latin-1', 4: 'utf-16', 16: 'utf-8', 17: 'utf-16',
    18: 'utf-32',
}  # fmt: skip
_ARRAY, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)  # double, single, and the whole numbers
_COMPLEX = 0x800
_DEEPEST = 16  # structs in structs
_LONGEST = 1 << 30  # bytes, of what is compressed


class DamagedError(Exception):
  """What is wrong with a file, in a few words."""


def read(content: bytes, variable: str) -> Any:
  """A variable of a file: an array of numbers, text, or a struct of these.

  Args:
    content: the file.
    variable: the variable's name.

  Returns:
    An array of the shape that it has in MATLAB; of single letters for text, of
    objects for cells, with named fields of objects for structs, and None for
    everything else.

  Raises:
    DamagedError: the file is damaged.
    KeyError: there is no such variable.
    NotImplementedError: the file is of version 7.3, which is HDF5.
  """
  if content[124:128] in (b'\0\2IM', b'\2\0MI'):
    raise NotImplementedError
  if content[124:128] not in (b'\0\1IM', b'\1\0MI'):
    raise DamagedError('the header is not that of a MATLAB file')
  reader = _Reader('<' if content[126:127] == b'I' else '>')
  for kind, body in reader.elements(content[128:]):
    if kind == _COMPRESSED:
      kind, body = next(reader.elements(_inflated(body)), (0, b''))
    if kind == _ARRAY:
      name, value = reader.array(body, only=variable)
      if name == variable:
        return value
  raise KeyError(variable)


def _inflated(body: bytes) -> bytes:
  stream = zlib.decompressobj()
  inflated = stream.decompress(body, _LONGEST)
  if not stream.eof:
    raise DamagedError('compressed data end early')
  return inflated


class _Reader:
  """Reads elements in one byte order, '<' or '>'."""

  def __init__(self, order: str):
    self._order = order

  def elements(self, content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each element."""
    at = 0
    while at < len(content):
      if at + 8 > len(content):
        raise DamagedError('an element ends early')
      kind, length = struct.unpack_from(f'{self._order}II', content, at)
      start, after = at + 8, at + 8 + length
      if kind >> 16:  # up to four bytes are beside the type, in eight in all
        kind, length = kind & 0xFFFF, kind >> 16
        start, after = at + 4, at + 8
        if length > 4:
          raise DamagedError('an element is too long')
      elif kind != _COMPRESSED:
        after += -length % 8
      if start + length > len(content):
        raise DamagedError('an element ends early')
      yield kind, content[start : start + length]
      at = after

  def array(
      self, body: bytes, only: str | None = None, depth: int = 0
  ) -> tuple[str, Any]:
    """Name and value of an array; no value if the name is not `only`."""
    if not body:
      return '', np.zeros((0, 0))
    if depth > _DEEPEST:
      raise DamagedError('structs are in structs in structs')
    parts = self.elements(body)
    flags = self._ints(_next(parts))
    kind = int(flags[0]) & 0xFF if len(flags) else 0
    if kind not in (_CELL, _STRUCT, _CHAR, *_NUMERIC):
      return '', None
    shape = tuple(map(int, self._ints(_next(parts))))
    if not 2 <= len(shape) <= 32 or min(shape) < 0:
      raise DamagedError('an array has no shape')
    name = _next(parts)[1].decode('latin-1')
    if only not in (None, name):
      return name, None
    if kind in _NUMERIC:
      values = self._numbers(_next(parts))
      if flags[0] & _COMPLEX:
        values = values + 1j * self._numbers(_next(parts))
    elif kind == _CHAR:
      values = self._letters(_next(parts))
      if not len(values):  # some programs leave blanks out
        values = np.full(min(math.prod(shape), len(body)), ' ')
    elif kind == _CELL:
      values = self._objects(parts, ['cell'], math.prod(shape), depth)
      values = values['cell']
    else:
      names = self._fields(_next(parts), _next(parts))
      values = self._objects(parts, names, math.prod(shape), depth)
    if len(values) != math.prod(shape):
      raise DamagedError(
          f'an array of {" x ".join(map(str, shape))} has {len(values)} values'
      )
    return name, values.reshape(shape, order='F')

  def _numbers(self, part: tuple[int, bytes]) -> np.ndarray:
    kind, body = part
    if kind not in _NUMBERS:
      raise DamagedError(f'found numbers of type {kind}')
    dtype = np.dtype(_NUMBERS[kind]).newbyteorder(self._order)
    if len(body) % dtype.itemsize:
      raise DamagedError('a number ends early')
    return np.frombuffer(body, dtype).astype(dtype.newbyteorder('='))

  def _ints(self, part: tuple[int, bytes]) -> np.ndarray:
    values = self._numbers(part)
    if values.dtype not in (np.int32, np.uint32):
      raise DamagedError('an array has no head')
    return values

  def _letters(self, part: tuple[int, bytes]) -> np.ndarray:
    kind, body = part
    if kind not in _ENCODINGS:
      raise DamagedError(f'found text of type {kind}')
    encoding = _ENCODINGS[kind]
    if encoding.startswith('utf-') and encoding != 'utf-8':
      encoding += '-le' if self._order == '<' else '-be'
    return np.array([*body.decode(encoding, 'replace')], 'U1')

  def _fields(
      self, length: tuple[int, bytes], names: tuple[int, bytes]
  ) -> list[str]:
    lengths = self._ints(length)
    if len(lengths) != 1 or lengths[0] < 1 or len(names[1]) % lengths[0]:
      raise DamagedError('a struct has no names of fields')
    step = int(lengths[0])
    return [
        names[1][i : i + step].partition(b'\0')[0].decode('latin-1')
        for i in range(0, len(names[1]), step)
    ]

  def _objects(
      self,
      parts: Iterator[tuple[int, bytes]],
      names: list[str],
      count: int,
      depth: int,
  ) -> np.ndarray:
    """`[count]` with a field for each name, of the arrays that follow."""
    found = [
        self.array(body, depth=depth + 1)[1]
        for kind, body in parts
        if kind == _ARRAY
    ]
    if len(found) != count * len(names):
      raise DamagedError(f'{count} records have {len(found)} fields')
    values = np.empty(count, [(name, object) for name in names])
    for i, value in enumerate(found):
      row, column = divmod(i, len(names))
      values[names[column]][row] = value
    return values


def _next(parts: Iterator[tuple[int, bytes]]) -> tuple[int, bytes]:
  part = next(parts, None)
  if part is None:
    raise DamagedError('an array ends early')
  return part
