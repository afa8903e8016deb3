"""Which videos there are below a root, and what each is."""

import dataclasses
import os
import pathlib
import posixpath
import re
from collections.abc import Sequence

from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import videos

# What trackers add to the name of a video that they have drawn into: who
# tracked it, how it was filtered and coloured, and that it is labelled.
_DRAWN = re.compile(
    r'((DLC|DeepCut|_superanimal)_.+)?(_(el|bx|sk|filtered|id|bp|p\d+))*'
    r'_labeled(_(before|after)_adapt)?|(DLC|DeepCut)_.+_full|DLClabeled'
)


@dataclasses.dataclass(frozen=True)
class VideoFile:
  """A video.

  Attributes:
    name: its path below the root.
    path: its file.
    size: (height, width) of its frames as shown, in pixels.
    fps: frames per second.
    count: number of its frames.
  """

  name: str
  path: pathlib.Path
  size: tuple[int, int]
  fps: float
  count: int


def frame_id(name: str, number: int) -> str:
  """What users know a frame of the video with that name by."""
  return f'{name}/{number:06d}'


def find(
    root: str | os.PathLike, written: Sequence[str | os.PathLike] = ()
) -> tuple[pathlib.Path, list[str], tuple[str, ...]]:
  """The root's folder, the videos in it, and its folders that hold no data.

  A root that is a video is the only one in its folder.
  """
  path = fields.checked_root(
      root, 'a video or a folder of videos', may_be_file=True
  )
  output_folders.check_apart(written, path)
  if not path.is_dir():
    return path.parent, [path.name], ()
  leave_out = output_folders.below(path, written)
  names = finding.find_images(path, videos.EXTENSIONS, leave_out)
  if not names:
    raise UserError(
        f'config.dataset.root: found no video below {path}, expected at least '
        f'one ({", ".join(videos.EXTENSIONS)})'
    )
  paths.check_distinct(names)
  return path, names, leave_out


def without_drawn(names: Sequence[str], notes: list[str]) -> list[str]:
  """Leaves out the videos into which trackers have drawn what they found.

  DeepLabCut calls them '<video>DLC_<net>_..._labeled', Lightning Pose
  '<video>_labeled', in any folder: `_DRAWN`.
  """
  stem_of = {
      name: posixpath.splitext(posixpath.basename(name))[0] for name in names
  }
  stems = {*stem_of.values()}
  kept = [
      name for name, stem in stem_of.items() if not any(
          stem[:end] in stems and _DRAWN.fullmatch(stem, end)
          for end in range(1, len(stem))
      )
  ]
  if len(kept) < len(names):
    notes.append(
        f'{len(names) - len(kept)} videos with predictions drawn into them '
        '(*_labeled) are left out'
    )
  return kept


def probe_all(
    root: pathlib.Path,
    names: Sequence[str],
    crop: crops.Box | None,
    skip_bad: bool,
    notes: list[str],
) -> dict[str, VideoFile]:
  """Opens the videos; those that cannot be used stop it, or are left out."""
  probed, bad = {}, []
  for name in names:
    try:
      probed[name] = _probed(root, name, crop)
    except UserError:
      if not skip_bad:
        raise
      bad.append(name)
  if bad:
    notes.append(
        f'skip_bad: {len(bad)} videos that cannot be used are left out, the '
        f'first is {bad[0]}'
    )
  if not probed:
    raise UserError(
        f'config.dataset.root: found {len(bad)} videos below {root} after '
        'config.dataset.exclude and none that can be used, expected at least '
        'one'
    )
  return probed


def _probed(root: pathlib.Path, name: str, crop: crops.Box | None) -> VideoFile:
  path = root / name
  about, count = videos.probe(path), videos.count(path)
  if count < 2:
    raise UserError(
        f'{path}: has one frame only, expected a video; for single '
        'images there is configs/folder.py'
    )
  height, width = about.size
  if crop and (crop.bottom > height or crop.right > width):
    raise UserError(
        f'config.dataset.crop_box: reaches to row {crop.bottom:.0f} and column '
        f'{crop.right:.0f}, expected a part of the {width} x {height} '
        f'pixels (width x height) of {path}'
    )
  return VideoFile(name, path, about.size, about.fps, count)
