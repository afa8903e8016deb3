"""The images of a folder: finding, decoding and resizing them with Pillow.

Every image becomes 8-bit RGB as it is displayed:

* EXIF orientation is applied, so labels refer to the turned image.
* Transparent pixels are laid over white, the page that most viewers show behind
  them, so that what is labelled is what is learnt from.
* Greyscale of more than 8 bits is divided by the smallest of 8, 12 or 16 bits'
  full range that holds the image's largest value. Cameras store 12 bits in
  16-bit files, which would be nearly black otherwise; more steps (10, 14) would
  make the brightness of a video jump more often. Floats on [0, 1] are
  multiplied by 255, other floats follow the same rule; values that no range
  holds (negative, or above 16 bits) are stretched from minimum to maximum.
* The resize squashes to a square: the aspect is not kept, and points scale by
  size / width and size / height.
"""

import contextlib
import fnmatch
import io
import os
import pathlib
import re
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import ExifTags
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from eqlandmarks.errors import UserError
from eqlandmarks.formats.paths import EXTENSIONS
from eqlandmarks.formats.paths import canonical

# Named one by one, since Pillow would otherwise go by the content and start
# Ghostscript, say, on an image that is none.
_FORMATS = ('PNG', 'JPEG', 'BMP', 'TIFF', 'WEBP', 'GIF', 'PPM')
_FULL_RANGES = (2**8 - 1, 2**12 - 1, 2**16 - 1)
_TURNED_BY_90 = (5, 6, 7, 8)  # EXIF orientations that swap width and height
# What can be done about a file that does not decode, in a folder.
REMEDY = 'config.dataset.skip_bad=True leaves such files out'


def find_images(
    root: pathlib.Path,
    extensions: tuple[str, ...] = EXTENSIONS,
    leave_out: Iterable[str] = (),
) -> list[str]:
  """The images anywhere below `root`, as natural-sorted posix paths below it.

  Files of other kinds are found by other `extensions`; folders below the root
  whose paths are in `leave_out` are passed over.
  Hidden files and folders are skipped. Linked folders are followed, but each
  real folder is listed once, under its own path where it has one.
  """
  found = []
  for folder in _folders(root, leave_out):
    for path in _entries(folder):
      # A broken link is kept: decoding it then says what is wrong.
      if path.suffix.lower() in extensions and (
          path.is_file() or (path.is_symlink() and not path.is_dir())
      ):
        found.append(_readable_name(root, path))
  return sorted(found, key=natural_key)


def natural_key(path: str) -> tuple:
  """Sorts 'img2' before 'img10', folder by folder."""
  parts = tuple(
      tuple(
          (0, int(piece), '') if piece.isdecimal() else (1, 0, piece.casefold())
          for piece in re.split(r'(\d+)', part)
          if piece
      )
      for part in path.split('/')
  )
  return parts, path


def matches(path: str, patterns: tuple[str, ...]) -> bool:
  """Whether a path below the root matches one of the glob patterns."""
  path = canonical(path)
  return any(fnmatch.fnmatchcase(path, canonical(p)) for p in patterns)


def read(path: pathlib.Path) -> bytes:
  """The bytes of an image's file."""
  try:
    return path.read_bytes()
  except OSError as error:
    raise UserError(
        f'{path}: cannot be read ({error.strerror}), expected an intact image'
    ) from error


def decode(
    path: pathlib.Path,
    content: bytes | None = None,
    *,
    remedy: str = REMEDY,
) -> Image.Image:
  """Decodes an image to 8-bit RGB, as displayed; see the module's docstring.

  Args:
    path: the file, or its name in messages where there is a `content`.
    content: the bytes of the file, if they have been read already.
    remedy: what the message says can be done about a file that does not decode.
  """
  with _opened(path, content, remedy) as image:
    return _to_rgb(ImageOps.exif_transpose(image))


def displayed_size(path: pathlib.Path) -> tuple[int, int]:
  """(height, width) of the image as displayed, from its header."""
  with _opened(path) as image:
    width, height = image.size
    # Pillow already reports TIFF as displayed.
    if image.format != 'TIFF':
      orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
      if orientation in _TURNED_BY_90:
        width, height = height, width
  return height, width


def resize(
    image: Image.Image, size: int, box: tuple[float, ...] | None = None
) -> Image.Image:
  """An image, or a box of it, squashed to `size` x `size`.

  Args:
    image: any image.
    size: side of the result, in pixels.
    box: (left, top, right, bottom) within the image, in pixels from its top
      left corner, not necessarily whole ones.
  """
  # Pillow widens the triangle filter when it shrinks, which is anti-aliasing;
  # unlike Lanczos it does not ring around edges.
  return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def to_png(image: Image.Image) -> bytes:
  """An image as the bytes of a PNG file."""
  buffer = io.BytesIO()
  image.save(buffer, 'PNG')
  return buffer.getvalue()


def bad_images(root: pathlib.Path, paths: Iterable[str]) -> list[str]:
  """Those of the paths below `root` that do not decode."""
  bad = []
  for path in paths:
    try:
      decode(root / path)
    except UserError:
      bad.append(path)
  return bad


def _folders(
    root: pathlib.Path, leave_out: Iterable[str]
) -> Iterator[pathlib.Path]:
  """All folders below and with `root`, each real folder once."""
  top = root.resolve()
  seen = {(root / folder).resolve() for folder in leave_out}
  queue, links = [root], []
  # Links wait until the real folders are through, so that an image keeps its
  # own path; what they lead back to has then been seen, so loops end.
  while queue or links:
    folder = queue.pop() if queue else links.pop()
    real = folder.resolve()
    if real in seen or (folder != root and top.is_relative_to(real)):
      continue
    seen.add(real)
    yield folder
    for path in _entries(folder):
      if path.is_dir():
        (links if path.is_symlink() else queue).append(path)


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
  """What is in a folder, sorted, without hidden names."""
  try:
    names = os.listdir(folder)
  except OSError as error:
    raise UserError(
        f'{folder}: cannot be listed ({error.strerror}), expected a folder '
        'that can be read'
    ) from error
  return [folder / name for name in sorted(names) if name[0] != '.']


def _readable_name(root: pathlib.Path, path: pathlib.Path) -> str:
  name = path.relative_to(root).as_posix()
  try:
    name.encode()
  except UnicodeEncodeError as error:
    raise UserError(
        f'{root}: the file name {name!a} is not UTF-8, expected a name '
        'that is; rename the file'
    ) from error
  return name


@contextlib.contextmanager
def _opened(
    path: pathlib.Path, content: bytes | None = None, remedy: str = REMEDY
) -> Iterator[Image.Image]:
  """An open image; whatever goes wrong until it closes becomes a UserError."""
  try:
    with warnings.catch_warnings():
      # Pillow's limit of pixels, beyond which a small file fills the memory.
      warnings.simplefilter('error', Image.DecompressionBombWarning)
      # Opened here, because Pillow 13 garbles turned TIFF files that it maps
      # into memory, which it does with paths.
      with (
          open(path, 'rb') if content is None else io.BytesIO(content) as file,
          Image.open(file, formats=_FORMATS) as image,
      ):
        yield image
  # Damaged files make Pillow raise nearly anything: OSError, SyntaxError,
  # ValueError, struct.error, zlib.error, ...
  except Exception as error:
    raise UserError(
        f'{path}: does not decode ({_reason(error)}), expected an intact '
        f'image; {remedy}'
    ) from error


def _reason(error: Exception) -> str:
  if isinstance(error, UnidentifiedImageError):  # its text repeats the path
    return 'not an image of a known format'
  if isinstance(error, OSError) and error.strerror:
    return error.strerror
  return ' '.join(str(error).split()) or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
  if image.mode.startswith(('I', 'F')):
    image = Image.fromarray(_to_8bit(np.asarray(image)))
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, (255, 255, 255, 255))
    image = Image.alpha_composite(white, image)
  return image.convert('RGB')


def _to_8bit(values: np.ndarray) -> np.ndarray:
  """Greyscale of any range to uint8, by the rule in the module's docstring."""
  ranges = _FULL_RANGES
  if np.issubdtype(values.dtype, np.floating):
    ranges = (1, *ranges)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
  low, high = float(values.min()), float(values.max())
  if low >= 0 and high <= ranges[-1]:
    low, high = 0.0, next(full for full in ranges if high <= full)
  scaled = (values.astype(np.float64) - low) * (255 / ((high - low) or 1))
  return np.round(scaled).astype(np.uint8)
