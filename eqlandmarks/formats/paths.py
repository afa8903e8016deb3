"""How label files name images, and how this project spells those names.

An image is named by its path below a root folder, with forward slashes and
composed letters. A frame of a video is named `VIDEO/img00000042.png`, after the
video's file name without its ending and the frame's number from 0; DeepLabCut,
Lightning Pose and SLEAP's exports call the frames they extract so, with
different numbers of digits.
"""

import pathlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable

from eqlandmarks.errors import UserError

# Endings of the files that count as images.
EXTENSIONS = (
    '.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.gif',
    '.pgm', '.ppm',
)  # fmt: skip
_VIDEOS = (
    '.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv',
    '.flv', '.ogv', '.ts', '.h264', '.seq', '.h5', '.hdf5', '.slp',
)  # fmt: skip


def canonical(path: str) -> str:
  """One spelling for a path: forward slashes and composed letters.

  Windows tables have backslashes, and macOS decomposes accented letters.
  """
  return unicodedata.normalize('NFC', path.replace('\\', '/'))


def check_distinct(names: Iterable[str]) -> None:
  """Checks that images are told apart by their names in one spelling.

  Raises:
    UserError: two of them are the same, or become so.
  """
  own: dict[str, str] = {}
  for name in names:
    key = canonical(name)
    if own.get(key) == name:
      raise UserError(f'found {name} twice, expected each image once')
    if key in own:
      raise UserError(
          f"found the images '{own[key]}' and '{name}', which label files "
          'cannot tell apart, expected names that differ in more than the '
          'slash or the spelling of accents; rename one of them'
      )
    own[key] = name


def below_root(name: str, root: pathlib.Path, where: str) -> str:
  """A path from a label file, relative to the root, in its one spelling.

  Raises:
    UserError: the path is empty, or lies outside the root.
  """
  path = posixpath.normpath(canonical(name)) if name else ''
  if path.startswith('/'):
    for base in (root.absolute(), root.resolve()):
      prefix = canonical(base.as_posix()).rstrip('/') + '/'
      if path.startswith(prefix):
        return path[len(prefix):]
  if not path.strip('/.') or path.startswith(('/', '../')) or path[1:2] == ':':
    raise UserError(
        f"{where}: found path '{shown(name)}', expected one that stays inside "
        f'{root}'
    )
  return path


def shown(text: object) -> str:
  """Text from a file as it may stand in a message: on one line, not long."""
  line = ' '.join(str(text).split())
  return line if len(line) <= 120 else line[:119] + '…'


def frame_name(video: str, number: int) -> str:
  """The name of a frame of a video, as the module's docstring says."""
  name = posixpath.basename(canonical(video))
  stem, ending = posixpath.splitext(name)
  # Some label files give the name of the video without its ending.
  stem = stem if ending.lower() in _VIDEOS else name
  return f'{stem}/img{number:08d}.png'


def frame_key(path: str) -> tuple[str, int] | None:
  """(video, number) of what looks like a frame, else None.

  Whatever the folders above that of the video, the ending, and the digits.
  """
  folder, name = posixpath.split(path)
  match = re.fullmatch(r'img0*(\d+)', posixpath.splitext(name)[0], re.ASCII)
  # The length keeps `int` from refusing, and no video is that long.
  if not folder or match is None or len(match[1]) > 15:
    return None
  return posixpath.basename(folder), int(match[1])
