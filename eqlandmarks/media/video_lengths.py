"""How many frames a video file promises, and whether it still holds them.

FFmpeg reads a truncated file to its end, without an error. But the outermost
elements of the container say how many bytes they take. Durations say little,
since a file's is that of its longest stream, which may be the sound.
"""

import pathlib
import struct
from typing import Any, BinaryIO

from eqlandmarks.errors import UserError
from eqlandmarks.system import regular_files

# Outermost boxes of mp4 and mov. Cameras append other data.
_BOXES = (
    b'ftyp', b'moov', b'mdat', b'moof', b'mfra', b'sidx', b'styp', b'free',
    b'skip', b'wide', b'uuid', b'meta', b'pnot', b'udta', b'emsg', b'prft',
)  # fmt: skip
_EBML, _SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'
# Marks of wmv and asf: the file's, and its properties'.
_ASF = bytes.fromhex('3026b2758e66cf11a6d900aa0062ce6c')
_ASF_PROPERTIES = bytes.fromhex('a1dcab8c47a9cf118ee400c00c205365')
# Bytes of a packet of a transport stream, and where in it is its mark.
_PACKETS = ((188, 0), (192, 4), (204, 0))
_MARK = b'G'
# Containers whose packets FFmpeg has indexed once they are open.
_INDEXED = ('mov', 'avi')

_REMEDY = 'the file was cut; ffmpeg can write what is there into a new one'


def promised(stream: Any) -> int:
  """How many frames the container shows; 0 where it does not say."""
  # Without samples that an edit list hides, and AVI's empty chunks.
  return sum(not entry.is_discard for entry in _index(stream)) or stream.frames


def check_bytes(path: pathlib.Path) -> None:
  """Checks that a file is not shorter than its container says."""
  with regular_files.opened(path) as file:
    size = file.seek(0, 2)
    end = _end(file, size)
  if end > size:
    raise UserError(
        f'{path}: ends after {size} bytes, expected {end}, as its header '
        f'promises: {_REMEDY}'
    )


def check_read(
    path: pathlib.Path, stream: Any, number: int, packets: int, end: float
) -> None:
  """Checks that a file held what its container promises, and was not cut.

  Args:
    path: the file.
    stream: its video stream, read to the end.
    number: of decoded frames.
    packets: number of packets of the stream.
    end: of the last packet of any stream, in seconds.
  """
  expected = len(_index(stream))
  length = (stream.container.duration or 0) / 1e6
  if packets < expected:
    text = f'{expected}'
  # Not to the frame, and of longer videos not even to the second.
  elif not expected and number and end < 0.95 * length - min(1.0, length / 4):
    text = f'those of {length:.1f} seconds'
  else:
    return
  raise UserError(
      f'{path}: ends after {number} frames, expected {text}, as its header '
      f'promises: {_REMEDY}'
  )


def _index(stream: Any) -> list[Any]:
  container = stream.container
  # Without a number of frames, the file is in fragments, whose index grows
  # while they are read.
  if container.format.name.split(',')[0] not in _INDEXED or not stream.frames:
    return []
  return list(stream.index_entries)


def _end(file: BinaryIO, size: int) -> int:
  """Where a file should end; 0 where nothing says."""
  file.seek(0)
  head = file.read(4096).ljust(4096, b'\0')
  if head[4:8] in _BOXES:
    return _end_of_boxes(file, size)
  if head[:4] == b'RIFF':
    return _end_of_riff(file, size)
  if head[:4] == _EBML:
    return _end_of_segment(head)
  if head[:16] == _ASF:
    properties = head.partition(_ASF_PROPERTIES)[2]
    return int.from_bytes(properties[24:32], 'little')
  for packet, place in _PACKETS:
    if head[place::packet][:4] == 4 * _MARK:
      whole = size - size % packet
      file.seek(whole + place)
      return whole + packet if file.read(1) == _MARK else 0
  return 0


def _end_of_boxes(file: BinaryIO, size: int) -> int:
  place = 0
  while place + 8 <= size:
    file.seek(place)
    head = file.read(16).ljust(16, b'\0')
    length, kind = struct.unpack('>I4s', head[:8])
    if length == 1:
      (length,) = struct.unpack('>Q', head[8:])
    if kind not in _BOXES or length < 8:  # 0: to the end, wherever that is
      break
    place += length
  return place


def _end_of_riff(file: BinaryIO, size: int) -> int:
  """Of an AVI, which has one such chunk for each GiB or so."""
  place = 0
  while place + 8 <= size:
    file.seek(place)
    kind, length = struct.unpack('<4sI', file.read(8))
    # What a recorder leaves that was switched off.
    if kind != b'RIFF' or length in (0, 2**32 - 1):
      break
    place += 8 + length
  # Some writers count the head of the chunk, too.
  return place if place > size + 8 else 0


def _end_of_segment(head: bytes) -> int:
  """Of Matroska and WebM; 0 where the writer did not know the length."""
  length, place = _ebml_size(head, 4)
  place += length or 0
  if head[place:place + 4] != _SEGMENT:
    return 0
  length, place = _ebml_size(head, place + 4)
  return 0 if length is None else place + length


def _ebml_size(head: bytes, place: int) -> tuple[int | None, int]:
  """A size of 1 to 8 bytes, None for an unknown one, and the place behind."""
  first = head[place]
  count = 9 - first.bit_length()
  number = int.from_bytes(head[place:place + count], 'big')
  number -= 1 << 7 * count
  unknown = number == (1 << 7 * count) - 1
  return None if unknown else number, place + count
