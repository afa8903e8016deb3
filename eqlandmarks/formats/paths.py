"""How label files name images, and how this project spells those names.

An image is named by its path below a root folder, with forward slashes and
composed letters. A frame of a video is named `VIDEO/img00000042.png`, after the
video's file name without its ending and the frame's number from 0, as in
DeepLabCut, Lightning Pose and SLEAP's exports, with any number of digits.

Label files move, and images too, so that folders differ. Then the path means
the file with which it shares the longest end.
"""

import itertools
import os
import pathlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable

from eqlandmarks.errors import UserError

# Endings of the files that count as images.
EXTENSIONS = (
    '.png', '.apng', '.jpg', '.jpeg', '.jpe', '.jfif', '.pjpeg', '.pjp', '.bmp',
    '.dib', '.tif', '.tiff', '.webp', '.gif', '.pbm', '.pgm', '.ppm', '.pnm',
    '.pfm',
)  # fmt: skip
# Those of images that are not read: of phones, cameras, microscopes, hospitals
# and painting programs.
UNREAD = (
    '.heic', '.heif', '.hif', '.avif', '.avifs', '.jxl', '.jp2', '.j2k', '.jpx',
    '.mpo', '.raw', '.dng', '.cr2', '.cr3', '.crw', '.nef', '.nrw', '.arw',
    '.sr2', '.orf', '.rw2', '.raf', '.pef', '.srw', '.3fr', '.iiq', '.dcm',
    '.dicom', '.nii', '.nrrd', '.mha', '.czi', '.nd2', '.lif', '.lsm', '.oib',
    '.oif', '.vsi', '.svs', '.ndpi', '.fits', '.psd', '.psb', '.xcf', '.kra',
    '.eps', '.svg', '.svgz', '.tga', '.exr', '.hdr', '.pcx', '.qoi',
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
  """Checks that images differ by their names in one spelling."""
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
  """A path from a label file, relative to the root, which must hold it."""
  path = posixpath.normpath(canonical(name)) if name else ''
  if path.startswith('/'):
    for base in (root.absolute(), root.resolve()):
      prefix = canonical(base.as_posix()).rstrip('/') + '/'
      if path.startswith(prefix):
        return path[len(prefix):]
  if path.startswith('/') or path[1:2] == ':':
    path = _end_below(root, path)
  if not path.strip('/.') or path.startswith('../'):
    raise UserError(
        f"{where}: found path '{shown(name)}', expected one that stays inside "
        f'{root}'
    )
  return path


def _end_below(root: pathlib.Path, path: str) -> str:
  """The longest end of a path that is a file below the root; '' if none is."""
  folders = [*parts(path)]
  for start in range(1, len(folders)):
    end = '/'.join(folders[start:])
    alone = start == len(folders) - 1
    # A name alone says too little: a folder must agree, if only the root's.
    if alone and folders[start - 1] != canonical(root.absolute().name):
      break
    if os.path.isfile(root / end):
      return end
  return ''


def shown(text: object) -> str:
  """Text from a file as it may stand in a message: on one line, not long."""
  line = ' '.join(str(text).split())
  return line if len(line) <= 120 else line[:119] + '…'


def frame_name(video: str, number: int) -> str:
  """The name of a frame of a video, as the module's docstring says."""
  return frame_in(posixpath.basename(without_ending(video)), number)


def frame_in(folder: str, number: int) -> str:
  """The name of a frame in a folder that stands for its video."""
  return f'{folder}/img{number:08d}.png'


def without_ending(video: str) -> str:
  """The path of a video in its one spelling, without its ending."""
  stem, ending = posixpath.splitext(canonical(video))
  # Some label files give the name of the video without its ending.
  return stem if ending.lower() in _VIDEOS else canonical(video)


def video_folders(videos: Iterable[str]) -> dict[str, str]:
  """Path of each video -> the folder in which its frames are named.

  It is the video's name without its ending, as in `frame_name`. Where several
  videos have one name, as many of the folders above stay as tell them apart,
  and the ending if these do not.
  """
  groups: dict[str, list[str]] = {}
  for video in dict.fromkeys(videos):
    stem = posixpath.basename(without_ending(video))
    groups.setdefault(stem, []).append(video)
  return {
      video: '/'.join(folder)
      for group in groups.values()
      for video, folder in zip(group, _told_apart(group), strict=True)
  }


def _told_apart(videos: list[str]) -> list[tuple[str, ...]]:
  """The shortest ends of paths, all of one length, that tell them apart."""
  whole = [parts(video) for video in videos]
  choices = (
      [pieces[-count:] for pieces in spelled]
      for spelled in ([parts(without_ending(v)) for v in videos], whole)
      for count in range(1, max(1, *map(len, spelled)) + 1)
  )
  return next(c for c in choices if len(set(c)) == len(set(whole)))


def parts(path: str) -> tuple[str, ...]:
  """The folders and the name in a path, in their one spelling."""
  return tuple(p for p in canonical(path).split('/') if p not in ('', '.'))


class Nearest:
  """Finds paths below a root by the longest end that they share with another.

  The root and the folders above it count, too.
  """

  def __init__(self, names: Iterable[str], root: pathlib.Path):
    above = parts(root.absolute().as_posix())
    self._by_last: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in names:
      pieces = above + parts(name)
      self._by_last.setdefault(pieces[-1], {})[name] = pieces

  def find(self, wanted: str, least: int = 1) -> list[str]:
    """The names that share most with a path, but at least `least` parts.

    A path that is itself a name is the only one.
    """
    pieces = parts(wanted)
    same = self._by_last.get(pieces[-1], {}) if pieces else {}
    if wanted in same:
      return [wanted]
    shared = {name: _shared(pieces, whole) for name, whole in same.items()}
    most = max(shared.values(), default=0)
    return [n for n, count in shared.items() if count == most >= least]

  def find_video(self, folder: str, video: str) -> list[str]:
    """The names that a row's folder means, and its video if it has one."""
    if not video:
      return self.find(folder)
    # The folder is as long as it takes to tell the label file's videos apart.
    least = len(parts(folder))
    return self.find(canonical(video), least) or self.find(
        without_ending(video), least
    )


def _shared(*paths: tuple[str, ...]) -> int:
  """How many of their last parts are the same."""
  ends = zip(*map(reversed, paths), strict=False)
  return sum(1 for _ in itertools.takewhile(lambda end: end[0] == end[1], ends))


def frame_key(path: str) -> tuple[str, int] | None:
  """(video, number) of what looks like a frame, otherwise None."""
  folder, name = posixpath.split(path)
  match = re.fullmatch(r'img0*(\d+)', posixpath.splitext(name)[0], re.ASCII)
  # The length keeps `int` from refusing, and no video is that long.
  if not folder or match is None or len(match[1]) > 15:
    return None
  return posixpath.basename(folder), int(match[1])
