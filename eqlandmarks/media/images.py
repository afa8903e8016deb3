"""One image: reading, decoding and resizing it with Pillow.

Every image becomes 8-bit RGB as it is displayed, see `to_rgb`. The resize
squashes to a square: the aspect is not kept, and points scale by size / width
and size / height.
"""

import contextlib
import pathlib
from collections.abc import Iterable, Iterator

from PIL import ExifTags
from PIL import Image
from PIL import UnidentifiedImageError

from eqlandmarks.errors import UserError
from eqlandmarks.media import image_files
from eqlandmarks.media import to_rgb
from eqlandmarks.system import files
from eqlandmarks.system import regular_files

_TURNED_BY_90 = (5, 6, 7, 8)  # EXIF orientations that swap width and height
# What to do about a file in a folder that does not decode.
REMEDY = 'config.dataset.skip_bad=True leaves such files out'


def read(path: pathlib.Path) -> bytes:
  """The bytes of an image's file."""
  try:
    return regular_files.read(path)
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
  """Decodes an image to 8-bit RGB, as displayed; see `to_rgb`.

  Args:
    path: the file, or its name in messages where there is a `content`.
    content: the bytes of the file, if they have been read already.
    remedy: the end of the message for a file that does not decode.
  """
  with _explained(path, remedy):
    if content is None:
      content = regular_files.read(path)
    return to_rgb.decode(content)


def displayed_size(path: pathlib.Path) -> tuple[int, int]:
  """(height, width) of the image as displayed, from its header."""
  with _opened(path) as image:
    width, height = image.size
    # Pillow already reports TIFF as displayed.
    if image.format != 'TIFF' and _is_turned(image):
      width, height = height, width
  return height, width


def is_turned(path: pathlib.Path) -> bool:
  """Whether EXIF swaps an image's width and height as displayed."""
  with _opened(path) as image:
    return _is_turned(image)


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[Image.Image]:
  # Opened here, because Pillow 13 garbles turned TIFF files that it maps into
  # memory, which it does with paths.
  with (
      _explained(path, REMEDY),
      regular_files.opened(path) as file,
      image_files.opened(file) as image,
  ):
    yield image


def _is_turned(image: Image.Image) -> bool:
  return image.getexif().get(ExifTags.Base.Orientation) in _TURNED_BY_90


def resize(
    image: Image.Image, size: int, box: tuple[float, ...] | None = None
) -> Image.Image:
  """An image, or a box of it, squashed to `size` x `size` pixels.

  The box is (left, top, right, bottom), in pixels or fractions of them from the
  top left corner.
  """
  # Pillow widens the triangle filter when it shrinks, which is anti-aliasing;
  # unlike Lanczos it does not ring around edges.
  return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def bad_images(root: pathlib.Path, paths: Iterable[str]) -> list[str]:
  """Those of the paths below `root` that do not decode."""
  bad = []
  for path in paths:
    try:
      decode(root / path)
    except UserError:
      bad.append(path)
  return bad


@contextlib.contextmanager
def _explained(path: pathlib.Path, remedy: str) -> Iterator[None]:
  """Turns whatever goes wrong with an image into a UserError."""
  try:
    yield
  except image_files.NotRead as error:
    raise UserError(
        f'{path}: {error.found}, expected {error.expected}; {remedy}'
    ) from error
  except UserError as error:
    raise UserError(f'{error}; {remedy}') from error
  # Damaged files make Pillow raise nearly anything: OSError, SyntaxError,
  # ValueError, struct.error, zlib.error, ...
  except Exception as error:
    reason = files.reason(error)
    if isinstance(error, UnidentifiedImageError):  # its text repeats the path
      reason = 'not an image of a known format'
    raise UserError(
        f'{path}: does not decode ({reason}), expected an intact image; '
        f'{remedy}'
    ) from error
