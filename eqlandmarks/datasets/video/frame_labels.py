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

  def usable(
      self,
      fields: Fields,
      videos: Mapping[str, sources.VideoFile],
      notes: list[str],
  ) -> 'FrameLabels':
    """The labels without those of what `skip_bad` has left out.

    Raises:
      UserError: labels are of frames beyond the end of their video.
    """
    places = {i: p for i, p in self.places.items() if p[0] in videos}
    beyond = [i for i, (name, n) in places.items() if n >= videos[name].count]
    frames = [id_ for id_ in beyond if id_ not in self.files]
    if frames:
      name, number = places[frames[0]]
      where = self.poses.where[self.poses.number_of[frames[0]]]
      raise UserError(
          f'config.dataset.labels: {len(frames)} of {len(self.poses.images)} '
          f'rows name frames that do not exist, the first is frame {number} '
          f'({where}), expected 0 to {videos[name].count - 1} in '
          f'{videos[name].path}'
      )
    files = self.files
    if fields.skip_bad:
      good = checks.without_bad(fields.root, list(files), notes)
      files = {id_: files[id_] for id_ in good}
    bad = {*beyond, *(self.files.keys() - files.keys())}
    places = {i: p for i, p in places.items() if i not in bad}
    return dataclasses.replace(
        self,
        poses=self.poses.take([
            n for n, id_ in enumerate(self.poses.images)
            if id_ in files or id_ in places
        ]),
        files=files,
        places=places,
    )  # fmt: skip


def read(fields: Fields, videos: Sequence[str]) -> FrameLabels:
  """Reads the labels of videos, which are paths below the root.

  Where a row names an image file that exists, its labels are those of that
  file. Otherwise it names a frame: 'labeled-data/VIDEO/img0012.png' as in
  DeepLabCut's projects, or 'VIDEO/0012', with or without the video's folders
  and its extension.
  """
  given, label_files = labels.read(fields)
  project = None
  if given.form in deeplabcut_project.FORMS:
    project = deeplabcut_config.of_labels(label_files[0])
  finder = _Finder(fields.root, videos, fields.exclude)
  files, places, numbers, seen, missing = {}, {}, [], {}, []
  poses = given.poses
  for n, (path, where) in enumerate(
      zip(poses.images, poses.where, strict=True)
  ):
    video = poses.videos[n] if poses.videos else ''
    file, place = _file(fields.root, path), finder.place(path, video, where)
    names = [path]
    if file:
      names.append(file.relative_to(fields.root).as_posix())
    elif place:
      names += [place[0], sources.frame_id(*place)]
    if any(finding.matches(name, fields.exclude) for name in names):
      continue
    if not place and not file:
      missing.append(f"'{paths.shown(path)}' ({where})")
      continue
    id_ = names[-1]
    poses_lib.check_new(id_, where, seen)
    numbers.append(n)
    if file:
      files[id_] = file
    if place:
      places[id_] = place
  if missing:
    raise UserError(
        f'config.dataset.labels: {len(missing)} of {len(poses.images)} rows '
        f'name neither a frame nor an image file, the first is {missing[0]}, '
        f'expected VIDEO/NUMBER with a video below {fields.root}'
    )
  return FrameLabels(
      poses.take(numbers, [*seen]), files, places, project, given.notes
  )


class _Finder:
  """Finds the frame that a path in a label file means."""

  def __init__(
      self, root: pathlib.Path, videos: Sequence[str], exclude: tuple[str, ...]
  ):
    self._exclude = exclude
    # By path, with the ending and without.
    self._videos: dict[str, set[str]] = {}
    for name in videos:
      path = finding.canonical(name)
      for key in (path, posixpath.splitext(path)[0]):
        self._videos.setdefault(key, set()).add(name)
    self._nearest = paths.Nearest(self._videos, root)

  def place(self, path: str, video: str, where: str) -> tuple[str, int] | None:
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
