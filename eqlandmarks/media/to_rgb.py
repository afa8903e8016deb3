"""Decoding pixels of any kind to 8-bit RGB, as they are displayed.

* EXIF orientation is applied, so labels refer to the turned image.
* Transparent pixels are laid over white, as most viewers show them.
* Grey and colour of more than 8 bits are divided by the smallest full range of
  8, 12 or 16 bits that holds the image's largest value. Cameras store 12 bits
  in 16-bit files, which would otherwise be nearly black; more steps (10, 14)
  would make the brightness of a video jump more often. Floats on [0, 1] are
  multiplied by 255, other floats follow the same rule; values that no range
  holds (negative, or above 16 bits) are stretched from minimum to maximum.
"""

import io
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from PIL import ImageCms
from PIL import ImageOps

from eqlandmarks.media import image_files

_FULL_RANGES = (2**8 - 1, 2**12 - 1, 2**16 - 1)
_LARGEST = _FULL_RANGES[-1]

# Pillow's names for how a file stores 16-bit colour, and its order of bytes.
_DEEP = re.compile(r'(LA|RGB[AaX]?);16([BLN])')
_OTHER = {'B': 'L', 'L': 'B'}
_NATIVE = {'little': 'L', 'big': 'B'}[sys.byteorder]

# Tags of TIFF.
_BITS, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 262, 284, 339


def decode(content: bytes) -> Image.Image:
  """The bytes of an image's file as 8-bit RGB; see `image_files.opened`."""
  image = _decoded(content)
  # Profiles would be saved with every image made from this one.
  image.info.clear()
  return image


def _decoded(content: bytes) -> Image.Image:
  with image_files.opened(io.BytesIO(content)) as image:
    tags = getattr(image, 'tag_v2', {})
    if _is_deep(image, tags):
      return _from_values(*_deep_values(image, tags, content))
    # Pillow scales other greys of a PPM to 16 bits.
    full = _LARGEST if 255 < _maxval(image) < _LARGEST else None
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(('I', 'F')) or _is_signed(image, tags):
      values, alpha = _grey_values(image, tags)
      shown = _from_values(values, alpha, full)
      # Pillow inverts 8 bits only.
      return ImageOps.invert(shown) if tags.get(_PHOTOMETRIC) == 0 else shown
    return _over_white(image)


def _over_white(image: Image.Image) -> Image.Image:
  if image.mode == 'LAB':  # which Pillow converts by profiles only
    return ImageCms.profileToProfile(
        image,
        ImageCms.createProfile('LAB'),
        ImageCms.createProfile('sRGB'),
        outputMode='RGB',
    )
  if image.mode == 'La':
    image = image.convert('LA')
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, (255, 255, 255, 255))
    image = Image.alpha_composite(white, image)
  return image.convert('RGB')


def _from_values(
    values: np.ndarray, alpha: np.ndarray | None, full: int | None = None
) -> Image.Image:
  """Grey `[H, W]` or colours `[H, W, 3]`, over white by an alpha `[H, W]`."""
  image = Image.fromarray(_to_8bit(values, full))
  if alpha is not None:
    image.putalpha(Image.fromarray(_to_8bit(alpha)))
  return _over_white(image)


def _to_8bit(values: np.ndarray, full: int | None = None) -> np.ndarray:
  """Values as uint8; `full` is white, by default as the module says."""
  ranges = (full,) if full else _FULL_RANGES
  if np.issubdtype(values.dtype, np.floating):
    ranges = (1, *ranges)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
  low, high = float(values.min()), float(values.max())
  if low >= 0 and high <= ranges[-1]:
    low, high = 0.0, next(full for full in ranges if high <= full)
  scaled = (values.astype(np.float64) - low) * (255 / ((high - low) or 1))
  return np.round(scaled).astype(np.uint8)


def _grey_values(
    image: Image.Image, tags: Mapping[int, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
  """Grey `[H, W]` as the file means it, and an alpha if there is one."""
  values = np.asarray(image)
  if _is_signed(image, tags):
    values = values.view(np.int8)
  elif image.mode == 'I' and tags.get(_BITS) == (32,):
    signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == 2
    values = values.view(np.int32 if signed else np.uint32)
  key = image.info.get('transparency')
  return values, None if key is None else (values != key) * _LARGEST


def _is_signed(image: Image.Image, tags: Mapping[int, Any]) -> bool:
  """Whether Pillow has taken signed bytes for unsigned ones."""
  return image.mode == 'L' and tags.get(_SAMPLE_FORMAT) == (2,)


def _maxval(image: Image.Image) -> int:
  """What is white in a PPM; 0 where it is 255 as in other files."""
  for tile in image.tile:
    if tile.codec_name.startswith('ppm') and isinstance(tile.args, tuple):
      return tile.args[-1]
  return 0


def _is_deep(image: Image.Image, tags: Mapping[int, Any]) -> bool:
  """Whether colours have 16 bits, where Pillow would keep 8."""
  if image.mode not in ('RGB', 'RGBA'):
    return False
  if image.format == 'TIFF':
    return max(tags.get(_BITS, (1,))) == 16
  return _maxval(image) == _LARGEST or any(
      image.format == 'PNG' and _DEEP.fullmatch(tile.args)
      for tile in image.tile
  )


def _deep_values(
    image: Image.Image, tags: Mapping[int, Any], content: bytes
) -> tuple[np.ndarray, np.ndarray | None]:
  """uint16 `[H, W, 3]`, or grey `[H, W]`, and an alpha if there is one."""
  if image.format == 'PPM':
    return _ppm_values(image, content), None
  raw = [
      tile.args if isinstance(tile.args, str) else tile.args[0]
      for tile in image.tile
  ]
  if raw[0].startswith('LA'):
    values = _bytes_of(image, ['RGBA'] * len(raw)).astype(np.uint16)
    values = values[..., ::2] << 8 | values[..., 1::2]
    return values[..., 0], values[..., 1]
  if tags.get(_PLANAR) == 2 and image.tile[0].codec_name == 'libtiff':
    raise image_files.NotRead(
        'is a TIFF of 16-bit colours in compressed planes',
        'planes that are not compressed, or the channels of a pixel together',
    )
  key = image.info.get('transparency')
  first, second = zip(*(_raw_modes(name, tags) for name in raw), strict=True)
  high = _bytes_of(image, first).astype(np.uint16)
  with image_files.opened(io.BytesIO(content)) as again:
    values = high << 8 | _bytes_of(again, second)
  if key is not None:
    return values, (values != key).any(-1) * _LARGEST
  if image.mode == 'RGB':
    return values, None
  colours, alpha = values[..., :3], values[..., 3]
  if raw[0].startswith('RGBa'):  # colours that are multiplied by their alpha
    scale = _LARGEST / np.maximum(alpha, 1)[..., None]
    colours = np.minimum(np.round(colours * scale), _LARGEST).astype(np.uint16)
  return colours, alpha


def _raw_modes(name: str, tags: Mapping[int, Any]) -> tuple[str, str]:
  """The raw modes by which Pillow keeps the high and the low bytes."""
  # It drops one of each two bytes; the order that it is told decides which.
  match = _DEEP.fullmatch(name)
  if match:
    name, order = match.groups()
    order = _NATIVE if order == 'N' else order
  else:  # a plane of a TIFF, whose 16 bits Pillow forgets
    order = 'L' if tags.prefix == b'II' else 'B'
  name = name.replace('a', 'A')  # as stored
  return f'{name};16{order}', f'{name};16{_OTHER[order]}'


def _bytes_of(image: Image.Image, raw: Sequence[str]) -> np.ndarray:
  """Decodes with other raw modes; uint8 `[H, W, C]`, as displayed."""
  image.tile = [
      tile._replace(
          args=name if isinstance(tile.args, str) else (name, *tile.args[1:])
      )
      for tile, name in zip(image.tile, raw, strict=True)
  ]
  return np.asarray(ImageOps.exif_transpose(image))


def _ppm_values(image: Image.Image, content: bytes) -> np.ndarray:
  tile = image.tile[0]
  shape = (image.height, image.width, 3)
  if tile.codec_name == 'ppm':
    count = image.height * image.width * 3
    return np.frombuffer(content, '>u2', count, tile.offset).reshape(shape)
  text = re.sub(rb'#[^\r\n]*', b'', content[tile.offset:])
  return np.array(text.split(), np.uint16).reshape(shape)
