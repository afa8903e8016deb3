"""The images of a folder: finding, decoding and resizing them with Pillow.

Every image becomes 8-bit RGB as it is displayed, see `pixels`. The resize
squashes to a square: the aspect is not kept, and points scale by size / width
and size / height.
"""

import contextlib
import fnmatch
import io
import os
import pathlib
import re
from collections.abc import Iterable, Iterator

from PIL import ExifTags
from PIL import Image
from PIL import UnidentifiedImageError

from eqlandmarks.errors import UserError
from eqlandmarks.formats.paths import EXTENSIONS
from eqlandmarks.formats.paths import canonical
from eqlandmarks.media import pictures
from eqlandmarks.media import pixels
from eqlandmarks.system import regular_files

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
        found.append(readable_name(root, path))
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
    with regular_files.opened(path) as file:
      return file.read()
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
  """Decodes an image to 8-bit RGB, as displayed; see `pixels`.

  Args:
    path: the file, or its name in messages where there is a `content`.
    content: the bytes of the file, if they have been read already.
    remedy: what the message says can be done about a file that does not decode.
  """
  with _explained(path, remedy):
    if content is None:
      content = regular_files.read(path)
    return pixels.decode(content)


def displayed_size(path: pathlib.Path) -> tuple[int, int]:
  """(height, width) of the image as displayed, from its header."""
  # Opened here, because Pillow 13 garbles turned TIFF files that it maps into
  # memory, which it does with paths.
  with (
      _explained(path, REMEDY),
      regular_files.opened(path) as file,
      pictures.opened(file) as image,
  ):
    width, height = image.size
    # Pillow already reports TIFF as displayed.
    if image.format != 'TIFF' and _is_turned(image):
      width, height = height, width
  return height, width


def is_turned(path: pathlib.Path) -> bool:
  """Whether EXIF swaps an image's width and height as displayed."""
  with (
      _explained(path, REMEDY),
      regular_files.opened(path) as file,
      pictures.opened(file) as image,
  ):
    return _is_turned(image)


def _is_turned(image: Image.Image) -> bool:
  return image.getexif().get(ExifTags.Base.Orientation) in _TURNED_BY_90


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


def readable_name(root: pathlib.Path, path: pathlib.Path) -> str:
  """The path of an image below `root`, as label files can hold it.

  Raises:
    UserError: it is not UTF-8.
  """
  name = path.relative_to(root).as_posix()
  try:
    name.encode()
  except UnicodeEncodeError as error:
    raise UserError(
        f'{root}: the file name {name!a} is not UTF-8, expected a name '
        'that is; rename the file, or take a locale of UTF-8 (LC_ALL=C.UTF-8)'
    ) from error
  return name


@contextlib.contextmanager
def _explained(path: pathlib.Path, remedy: str) -> Iterator[None]:
  """Makes a UserError of whatever goes wrong with an image."""
  try:
    yield
  except pictures.NotRead as error:
    raise UserError(
        f'{path}: {error.found}, expected {error.expected}; {remedy}'
    ) from error
  except UserError as error:
    raise UserError(f'{error}; {remedy}') from error
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
