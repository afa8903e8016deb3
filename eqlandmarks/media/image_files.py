"""Image files, opened with Pillow; files of several pictures are refused.

Pages of a TIFF and frames of an animation count as pictures. Thumbnails, masks
and smaller copies in a TIFF, and further views in a JPEG, do not.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image
from PIL import PngImagePlugin
from PIL import TiffImagePlugin
from PIL import UnidentifiedImageError

# Pillow would otherwise start Ghostscript, say, for some files.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP', 'GIF', 'PPM')
_ANIMATED = ('PNG', 'WEBP', 'GIF')

# Pillow allows 1 MiB for each text and profile of a PNG, and 64 MiB for all
# texts. Printers' profiles and XMP can be larger than 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# `_check_pixels` refuses what Pillow warns of.
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)

# Tags of TIFF.
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 258, 259, 262
_DESCRIPTION, _SAMPLES, _EXTRA, _SAMPLE_FORMAT = 270, 277, 338, 339
_NEEDED = {256, 257}  # width and height
_SMALLER_OR_MASK = 0b101  # bits of _SUBFILE
_NUMBERS = {2: 'signed integers', 3: 'floats', 5: 'complex integers',
            6: 'complex numbers'}  # fmt: skip
_COLOURS = {3: 'a palette', 5: 'CMYK', 6: 'YCbCr', 8: 'LAB'}

_Directory = TiffImagePlugin.ImageFileDirectory_v2


class NotRead(Exception):
  """An intact file of a kind that is not read."""

  def __init__(self, found: str, expected: str):
    super().__init__(found)
    self.found, self.expected = found, expected


@contextlib.contextmanager
def opened(file: BinaryIO) -> Iterator[Image.Image]:
  """The picture of a file, not decoded yet.

  Raises:
    NotRead: the file holds several pictures, more pixels than Pillow's limit,
      or a kind of TIFF that is not read.
    Exception: the file is damaged, which makes Pillow raise nearly anything.
  """
  directories = _directories(file)
  number = _picture(directories or [])
  try:
    image = Image.open(file, formats=_FORMATS)
  # Pillow says the same of what it cannot decode as of what is no image.
  except (UnidentifiedImageError, KeyError) as error:
    if directories is None:
      raise
    if not directories:
      raise ValueError('its TIFF directory is damaged') from error
    raise _unread_kind(directories[number]) from error
  with image:
    _check_pixels(image)
    if image.format in _ANIMATED and image.is_animated:
      raise _several(f'{image.n_frames} frames')
    if image.format == 'PPM' and _has_another(image, file):
      raise _several('several images')
    if number:
      image.seek(number)
      _check_pixels(image)
    # Pillow drops channels whose meaning it does not know. A fourth one beside
    # colours does not count: all viewers drop it.
    tags = directories[number] if directories else {}
    if tags and tags.get(_SAMPLES, 1) != 4 and 0 in tags.get(_EXTRA, ()):
      raise _unread_kind(tags)
    yield image


def _directories(file: BinaryIO) -> list[_Directory] | None:
  """The directories of a TIFF's pages; None for other files."""
  header = file.read(8)
  if header[:4] in (b'II+\0', b'MM\0+'):
    header += file.read(8)
  directories: list[_Directory] | None = None
  if header[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
    directories, seen = [], set()
    following = _Directory(header).next
    while following and following not in seen:
      seen.add(following)
      file.seek(following)
      directory = _Directory(header)
      directory.load(file)
      if directory.keys() >= _NEEDED:  # Pillow passes over damage
        directories.append(directory)
      following = directory.next
  file.seek(0)
  return directories


def _picture(directories: list[_Directory]) -> int:
  """The number of the page that is the file's picture."""
  full = [
      number for number, directory in enumerate(directories)
      if not directory.get(_SUBFILE, 0) & _SMALLER_OR_MASK
  ]
  count = max(len(full), _imagej_count(directories))
  if count > 1:
    raise _several(f'{count} pages')
  return full[0] if full else 0


def _imagej_count(directories: list[_Directory]) -> int:
  """Pages of a large stack, which ImageJ writes without tags; otherwise 0."""
  text = str(directories[0].get(_DESCRIPTION, '')) if directories else ''
  if not text.startswith('ImageJ='):
    return 0
  counts = [line[7:] for line in text.split('\n') if line.startswith('images=')]
  return int(counts[0]) if counts and counts[0].strip().isdecimal() else 0


def _has_another(image: Image.Image, file: BinaryIO) -> bool:
  """Whether another image follows in a PPM, as ffmpeg's pipes write them."""
  codec, _, start, args = image.tile[0]
  if codec == 'ppm_plain' or image.mode == 'F':
    return False
  if image.mode == '1':
    row = (image.width + 7) // 8
  else:
    deep = args == 'I;16B' or (codec == 'ppm' and args[-1] > 255)
    row = image.width * (3 if image.mode == 'RGB' else 1) * (1 + deep)
  file.seek(start + row * image.height)
  return bool(re.match(rb'P[1-6]\s', file.read(3)))


def _several(what: str) -> NotRead:
  return NotRead(
      f'holds {what}',
      'one picture in a file; write each into a file of its own',
  )


def _check_pixels(image: Image.Image) -> None:
  """Refuses an image that fills the memory; Pillow only warns."""
  limit, pixels = Image.MAX_IMAGE_PIXELS, image.width * image.height
  if limit and pixels > limit:
    raise NotRead(f'has {pixels} pixels', f'at most {limit}')


def _unread_kind(directory: _Directory) -> NotRead:
  compression = directory.get(_COMPRESSION, 1)
  if compression not in TiffImagePlugin.COMPRESSION_INFO:
    return NotRead(
        f'is a TIFF with compression {compression}', 'LZW, Deflate or none'
    )
  count = directory.get(_SAMPLES, 1)
  bits = max(directory.get(_BITS, (1,)))
  numbers = _NUMBERS.get(
      max(directory.get(_SAMPLE_FORMAT, (1,))), 'unsigned integers'
  )
  channels = f'{count} channels' if count > 1 else '1 channel'
  colours = _COLOURS.get(directory.get(_PHOTOMETRIC))
  channels += f' ({colours})' if colours else ''
  order = 'big-endian ' if directory.prefix == b'MM' else ''
  return NotRead(
      f'is a {order}TIFF of {bits}-bit {numbers} in {channels}',
      'RGB of 8 or 16 bits, or grey of 8 or 16 bits, 32-bit floats or 32-bit '
      'integers (signed, or little-endian)',
  )
