"""What landmarks are predicted on: images in files, a video, or arrays."""

import dataclasses
import functools
import glob
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from eqlandmarks.datasets.annotations import unread
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import images
from eqlandmarks.media import videos
from eqlandmarks.system import file_names

# A path of a file, a folder or a video, a glob pattern, several paths of
# images, or uint8 [H, W, 3] or [N, H, W, 3] or a list of the former.
Input = (
    str | os.PathLike[str] | np.ndarray
    | Sequence[str | os.PathLike[str]] | Sequence[np.ndarray]
)

_REMEDY = 'config.predict.skip_bad=True leaves such files out'
_EXPECTED = (
    f"expected an image ({', '.join(finding.EXTENSIONS)}), a folder of images, "
    f"a pattern such as 'photos/*.jpg', or a video "
    f"({', '.join(videos.EXTENSIONS)})"
)


@dataclasses.dataclass(frozen=True)
class Entry:
  """One image or frame, which `load` decodes to RGB, or raises a UserError.

  `id` is a path below the source's root, the name of a frame, or a number.
  """

  id: str
  load: Callable[[], Image.Image]


@dataclasses.dataclass(frozen=True)
class Source:
  """Images in an order.

  Attributes:
    name: what files made from it may be called.
    count: how many there are; of a video, what its file announces, or 0.
    read: from a number on, the entries one after the other.
    root: the folder below which the images lie, or the video; None for arrays.
    video: what a video's file says of it; None for images.
    digest: of names, sizes and times of the files: what tells two inputs apart.
    ids: of images in files; () for a video and for arrays.
  """

  name: str
  count: int
  read: Callable[[int], Iterator[Entry]]
  root: pathlib.Path | None = None
  video: videos.Video | None = None
  digest: str = ''
  ids: tuple[str, ...] = ()

  @property
  def unit(self) -> str:
    """What its entries are: 'images' or 'frames'."""
    return 'frames' if self.video else 'images'

  def only(self, ids: Collection[str]) -> 'Source':
    """The source without entries whose ids are not among these."""
    wanted = {*ids}

    def read(start: int) -> Iterator[Entry]:
      kept = (entry for entry in self.read(0) if entry.id in wanted)
      yield from itertools.islice(kept, start, len(wanted))

    return dataclasses.replace(self, read=read, count=len(wanted))

  def thinned(self, most: int) -> 'Source':
    """Evenly over all entries, about as many as `most`, or all if fewer."""
    count = self.count or (videos.count(self.root) if self.video else 0)
    step = max(1, -(-count // most))

    def read(start: int) -> Iterator[Entry]:
      yield from itertools.islice(self.read(0), start * step, None, step)

    return dataclasses.replace(self, read=read, count=-(-count // step))

  @property
  def video_name(self) -> str:
    """The name of the video without its ending; '' for images."""
    return self.root.stem if self.video else ''


def open_source(what: Input) -> Source:
  """Finds what is to be predicted on; decodes nothing but a first frame.

  A folder is searched with all its subfolders.

  Raises:
    UserError: there is no image or frame, or something of another kind.
  """
  if isinstance(what, np.ndarray):
    return _arrays(what[None] if what.ndim == 3 else what)
  if isinstance(what, str | os.PathLike):
    return _open_path(os.fspath(what))
  try:
    what = list(what)
  except TypeError as error:
    raise UserError(
        f'found {type(what).__name__} to predict on, expected a path, a '
        'pattern, a list of paths, or arrays'
    ) from error
  if what and all(isinstance(item, np.ndarray) for item in what):
    return _arrays(what)
  for item in what:
    if not isinstance(item, str | os.PathLike):
      raise UserError(
          f'found {type(item).__name__} in a list, expected paths only, or '
          'arrays only'
      )
  return _files('images', [_placed(os.fspath(item)) for item in what])


def _open_path(text: str) -> Source:
  if not text:
    raise UserError(f"config.predict.input is '', {_EXPECTED}")
  path = file_names.expanded(text)
  if path.is_dir():
    names = finding.find_images(path, leave_out=output_folders.below(path, ()))
    if not names:
      left_out = unread.note(path)
      raise UserError(
          f'{path}: holds no image, {_EXPECTED}{"; " * bool(left_out)}'
          f'{left_out}'
      )
    return _named(path.resolve().name or 'images', path, names)
  if path.exists():
    return _open_file(path)
  if glob.has_magic(str(path)):
    return _open_pattern(path)
  raise UserError(f'{path}: there is no such file or folder, {_EXPECTED}')


def _open_file(path: pathlib.Path) -> Source:
  if path.suffix.lower() in finding.EXTENSIONS:
    return _named(path.stem, path.parent, [path.name])
  if path.suffix.lower() not in videos.EXTENSIONS:
    raise UserError(
        f"{path}: found a file with the ending '{path.suffix}', {_EXPECTED}"
    )
  video = videos.probe(path)

  def read(start: int) -> Iterator[Entry]:
    for number, frame in enumerate(videos.frames(path, start), start):
      yield Entry(
          paths.frame_name(path.name, number),
          functools.partial(Image.fromarray, frame),
      )

  digest = _digest(path.parent, [path.name])
  return Source(path.stem, video.count, read, path, video, digest)


def _open_pattern(pattern: pathlib.Path) -> Source:
  """All images that a pattern matches, below its part without wildcards."""
  root = _placed(
      *itertools.takewhile(lambda x: not glob.has_magic(x), pattern.parts), '.'
  )
  matches = {  # '*/../a.png' matches a file many times
      _placed(path)
      for path in glob.glob(str(pattern), recursive=True)
      if pathlib.Path(path).suffix.lower() in finding.EXTENSIONS
  }
  if not matches:
    raise UserError(f'{pattern}: matches no image, {_EXPECTED}')
  ordered = sorted(matches, key=lambda p: finding.natural_key(p.as_posix()))
  return _files(root.resolve().name or 'images', ordered, root)


def _placed(*parts: str) -> pathlib.Path:
  """A path from the root of all files on, without any '..'."""
  path = file_names.expanded(os.path.join(*parts)).absolute()
  if path.name == '..':
    return path.resolve()
  # What is above the folder that a link leads to, only the system knows.
  return path.parent.resolve() / path.name if '..' in path.parts else path


def _files(
    name: str, places: list[pathlib.Path], root: pathlib.Path | None = None
) -> Source:
  """Images anywhere, with ids below `root`, or below their common folder."""
  if not places:
    raise UserError('found an empty list, expected at least one image')
  if root is None or not all(path.is_relative_to(root) for path in places):
    root = pathlib.Path(os.path.commonpath([path.parent for path in places]))
  ids = [finding.readable_name(root, path) for path in places]
  return _named(name, root, ids)


def _named(name: str, root: pathlib.Path, ids: list[str]) -> Source:
  """Images below a folder, by their ids: paths below it."""
  paths.check_distinct(ids)

  def read(start: int) -> Iterator[Entry]:
    for path in ids[start:]:
      yield Entry(
          path, functools.partial(images.decode, root / path, remedy=_REMEDY)
      )

  digest = _digest(root, ids)
  return Source(name, len(ids), read, root, digest=digest, ids=tuple(ids))


def _arrays(arrays: np.ndarray | list[np.ndarray]) -> Source:
  for array in arrays:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
      raise UserError(
          f'found an array of {array.dtype} {array.shape}, expected uint8 '
          '[H, W, 3], or [N, H, W, 3]'
      )
  if not len(arrays):
    raise UserError('found an empty array, expected at least one image')

  def read(start: int) -> Iterator[Entry]:
    for number in range(start, len(arrays)):
      yield Entry(
          str(number), functools.partial(Image.fromarray, arrays[number])
      )

  return Source('arrays', len(arrays), read)


def _digest(root: pathlib.Path, names: list[str]) -> str:
  digest: Any = hashlib.sha256()
  for path in names:
    try:
      stat = (root / path).stat()
    except OSError as error:
      raise UserError(
          f'{root / path}: cannot be read ({error.strerror}), expected an image'
      ) from error
    digest.update(json.dumps([path, stat.st_size, stat.st_mtime_ns]).encode())
  return digest.hexdigest()
