"""TIFF files of any kind, made tag by tag."""

import struct
import zlib

import numpy as np

_FORMATS = {'u': 1, 'i': 2, 'f': 3, 'c': 6}
_PLANAR, _TILES = 284, 322


def tiff(*pages, order='<'):
  """The bytes of a TIFF of some pages, each made by `page`."""
  content = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(
      order + 'I', 8
  )
  for number, (tags, blocks) in enumerate(pages):
    content += _page(tags, blocks, len(content), order, number + 1 < len(pages))
  return content


def page(
    array, photometric, *, order='<', planar=False, deflate=False, tags=()
):
  """The tags and blocks of a page of values [H, W] or [H, W, C]."""
  array = np.asarray(array)
  array = array.astype(array.dtype.newbyteorder(order))
  channels = array.shape[2] if array.ndim == 3 else 1
  planes = np.moveaxis(array, 2, 0) if planar else [array]
  blocks = [np.ascontiguousarray(plane).tobytes() for plane in planes]
  if deflate:
    blocks = [zlib.compress(block) for block in blocks]
  kept = {
      256: (array.shape[1],), 257: (array.shape[0],),
      258: (8 * array.dtype.itemsize,) * channels, 259: (8 if deflate else 1,),
      262: (photometric,), 277: (channels,), 278: (array.shape[0],),
      _PLANAR: (2 if planar else 1,),
      339: (_FORMATS[array.dtype.kind],) * channels,
  }  # fmt: skip
  return kept | dict(tags), blocks


def tiled(array, photometric, side):
  """Like `page`, in uncompressed tiles of `side` x `side`."""
  height, width = array.shape[:2]
  tags, _ = page(array, photometric)
  del tags[278]
  blocks = [
      array[row:row + side, column:column + side].tobytes()
      for row in range(0, height, side) for column in range(0, width, side)
  ]
  return tags | {_TILES: (side,), 323: (side,)}, blocks


def _page(tags, blocks, start, order, more):
  place, data = 273, 279
  if _TILES in tags:
    place, data = 324, 325
  tags = dict(tags)
  tags[place] = (0,) * len(blocks)
  tags[data] = tuple(map(len, blocks))
  # Behind the directory: values that do not fit into it, then the pixels.
  behind = start + 2 + 12 * len(tags) + 4
  total = sum(_size(values) for values in tags.values())
  where = behind + total
  offsets = []
  for block in blocks:
    offsets.append(where)
    where += len(block)
  tags[place] = tuple(offsets)
  entries, extra = b'', b''
  for tag, values in sorted(tags.items()):
    packed, kind = _packed(values, order)
    count = len(values)
    if len(packed) > 4:
      value = struct.pack(order + 'I', behind + len(extra))
      extra += packed
    else:
      value = packed.ljust(4, b'\0')
    entries += struct.pack(order + 'HHI', tag, kind, count) + value
  extra = extra.ljust(total, b'\0')
  following = struct.pack(order + 'I', where if more else 0)
  head = struct.pack(order + 'H', len(tags)) + entries + following
  return head + extra + b''.join(blocks)


def _packed(values, order):
  if isinstance(values, bytes):
    return values, 2
  return struct.pack(f'{order}{len(values)}I', *values), 4


def _size(values):
  size = len(values) if isinstance(values, bytes) else 4 * len(values)
  return size if size > 4 else 0
