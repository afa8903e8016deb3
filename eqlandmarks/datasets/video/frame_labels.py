"""Which frame, or which image file, each row of the labels belongs to."""

import dataclasses
import pathlib
import posixpath
import re
import unicodedata
from collections.abc import Mapping, Sequence

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import deeplabcut_config
from eqlandmarks.datasets.annotations import deeplabcut_project
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.datasets.video import sources
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.formats import poses as poses_lib
from eqlandmarks.formats.poses import Poses
from eqlandmarks.media import finding


@dataclasses.dataclass(frozen=True)
class FrameLabels:
  """The labels of frames and of image files.

  Attributes:
    poses: the labels. The id of a frame, among `images`, is that of
      `sources.frame_id`; an image file's is its path below the root.
    files: id -> the file, of those that are image files.
    places: id -> (video, number of the frame), as far as that is known. An
      image file has one where its name says which frame it was taken from.
    project: what the labels' config.yaml says of crops, if there is one.
    notes: lines that the program shows.
  """

  poses: Poses
  files: dict[str, pathlib.Path]
  places: dict[str, tuple[str, int]]
  project: deeplabcut_config.Project | None = None
  notes: tuple[str, ...] = ()


def read(fields: Fields, found: Sequence[str]) -> FrameLabels:
  """Reads the labels.

  Where a row names an image file that exists, its labels are those of that
  file. Otherwise it names a frame: 'labeled-data/VIDEO/img0012.png' as in
  DeepLabCut's projects, or 'VIDEO/0012', with or without the video's folders
  and its extension.

  Args:
    fields: say which labels, and what is excluded.
    found: paths of the videos below the root.
  """
  files = labels.label_files(fields.labels, fields.root, fields.unread)
  given = labels.read_labels(
      fields.labels, fields.root, files, fields.min_likelihood
  )
  project = None
  if given.form in deeplabcut_project.FORMS:
    project = deeplabcut_config.of_labels(files[0])
  finder = _Finder(fields.root, found, fields.exclude)
  files_of, places, numbers, seen, missing = {}, {}, [], {}, []
  poses = given.poses
  for n, path in enumerate(poses.images):
    where = poses.where[n]
    video = poses.videos[n] if poses.videos else ''
    file, place = _file(fields.root, path), finder.place(path, video, where)
    if place and file is None:
      own = sources.frame_id(*place)
    else:
      own = file.relative_to(fields.root).as_posix() if file else path
    excluded = (path, own, place[0] if place and not file else own)
    if any(finding.matches(name, fields.exclude) for name in excluded):
      continue
    if not place and not file:
      missing.append(f"'{paths.shown(path)}' ({where})")
      continue
    poses_lib.check_new(own, where, seen)
    numbers.append(n)
    if file:
      files_of[own] = file
    if place:
      places[own] = place
  if missing:
    raise UserError(
        f'config.dataset.labels: {len(missing)} of {len(poses.images)} rows '
        f'name neither a frame nor an image file, the first is {missing[0]}, '
        f'expected VIDEO/NUMBER with a video below {fields.root}'
    )
  return FrameLabels(
      poses.take(numbers, [*seen]), files_of, places, project, given.notes
  )


def usable(
    marks: FrameLabels,
    fields: Fields,
    known: Mapping[str, sources.VideoFile],
    notes: list[str],
) -> FrameLabels:
  """The labels without those of what `skip_bad` has left out.

  Raises:
    UserError: labels are of frames beyond the end of their video.
  """
  places = {
      own: (name, number) for own, (name, number) in marks.places.items()
      if name in known and number < known[name].count
  }
  _check_ends(marks, places, known)
  files = marks.files
  if fields.skip_bad:
    good = checks.without_bad(fields.root, list(files), notes)
    files = {own: files[own] for own in good}
  kept = [
      n for n, own in enumerate(marks.poses.images)
      if own in files or own in places
  ]
  return dataclasses.replace(
      marks,
      poses=marks.poses.take(kept),
      files=files,
      places={o: p for o, p in places.items()
              if o in files or o not in marks.files},
  )  # fmt: skip


def _check_ends(
    marks: FrameLabels,
    places: Mapping[str, tuple[str, int]],
    known: Mapping[str, sources.VideoFile],
) -> None:
  beyond = [
      own for own, (name, _) in marks.places.items()
      if name in known and own not in places and own not in marks.files
  ]
  if beyond:
    name, number = marks.places[beyond[0]]
    where = marks.poses.where[marks.poses.number_of[beyond[0]]]
    raise UserError(
        f'config.dataset.labels: {len(beyond)} of {len(marks.poses.images)} '
        f'rows name frames that do not exist, the first is frame {number} '
        f'({where}), expected 0 to '
        f'{known[name].count - 1} in {known[name].path}'
    )


class _Finder:
  """Finds the frame that a path in a label file means."""

  def __init__(
      self,
      root: pathlib.Path,
      found: Sequence[str],
      exclude: tuple[str, ...],
  ):
    self._exclude = exclude
    # By path, with the ending and without.
    self._videos: dict[str, set[str]] = {}
    for name in found:
      path = finding.canonical(name)
      for key in (path, posixpath.splitext(path)[0]):
        self._videos.setdefault(key, set()).add(name)
    self._nearest = paths.Nearest(self._videos, root)

  def place(
      self, path: str, video: str, where: str
  ) -> tuple[str, int] | None:
    """The video and the frame's number; None where there is no such video."""
    folder, last = posixpath.split(path)
    stem, extension = posixpath.splitext(last)
    if extension.lower() not in finding.EXTENSIONS:
      stem = last
    # Of other lengths and scripts, `int` takes more than a frame can have.
    number = re.search(r'(?<![-+.\d])[0-9]{1,15}$', stem)
    if not number:
      return None
    meant = {
        name
        for key in self._nearest.find_video(folder, video)
        for name in self._videos[key]
    }
    if not meant:
      return None
    used = {name for name in meant if not finding.matches(name, self._exclude)}
    if len(used) > 1:
      raise UserError(
          f"{where}: path '{paths.shown(path)}' may mean "
          f"{' or '.join(sorted(used))}, expected the video's path below the "
          'root; config.dataset.exclude can leave videos out'
      )
    return min(used or meant), int(number.group())


def _file(root: pathlib.Path, path: str) -> pathlib.Path | None:
  """The image file of a path, whichever way its accents are composed."""
  if posixpath.splitext(path)[1].lower() not in finding.EXTENSIONS:
    return None
  for spelling in (path, unicodedata.normalize('NFD', path)):
    if (root / spelling).is_file():
      return root / spelling
  return None
