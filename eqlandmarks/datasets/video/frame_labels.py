"""Which frame, or which image file, each row of the labels belongs to."""

import dataclasses
import pathlib
import posixpath
import re
import unicodedata
from collections.abc import Mapping, Sequence

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import deeplabcut
from eqlandmarks.datasets.annotations import deeplabcut_config
from eqlandmarks.datasets.annotations import label_rows
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations.label_rows import Row
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.datasets.video import sources
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding


@dataclasses.dataclass(frozen=True)
class Marks:
  """The labels of frames and of image files.

  Attributes:
    names: the points.
    has_split: whether the labels say what is train and what is test.
    rows: id -> labels. A frame's id is that of `sources.frame_id`, an image
      file's is its path below the root.
    files: id -> the file, of those that are image files.
    places: id -> (video, number of the frame), as far as that is known. An
      image file has one where its name says which frame it was taken from.
    project: what the labels' config.yaml says of crops, if there is one.
    notes: lines that the program shows.
  """

  names: tuple[str, ...]
  has_split: bool
  rows: dict[str, Row]
  files: dict[str, pathlib.Path]
  places: dict[str, tuple[str, int]]
  project: deeplabcut_config.Project | None = None
  notes: tuple[str, ...] = ()


def read(fields: Fields, found: Sequence[str]) -> Marks:
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
  if given.form in deeplabcut.FORMS:
    project = deeplabcut_config.of_labels(files[0])
  marks = Marks(
      given.names, given.has_split, {}, {}, {}, project, given.notes
  )
  finder, missing = _Finder(fields.root, found, fields.exclude), []
  for path, row in given.rows.items():
    file, place = _file(fields.root, path), finder.place(path, row)
    if place and file is None:
      own = sources.frame_id(*place)
    else:
      own = file.relative_to(fields.root).as_posix() if file else path
    excluded = (path, own, place[0] if place and not file else own)
    if any(finding.matches(name, fields.exclude) for name in excluded):
      continue
    if not place and not file:
      missing.append(f"'{paths.shown(path)}' ({row.where})")
      continue
    label_rows.add(marks.rows, own, row)
    if file:
      marks.files[own] = file
    if place:
      marks.places[own] = place
  if missing:
    raise UserError(
        f'config.dataset.labels: {len(missing)} of {len(given.rows)} rows name '
        f'neither a frame nor an image file, the first is {missing[0]}, '
        f'expected VIDEO/NUMBER with a video below {fields.root}'
    )
  return marks


def usable(
    marks: Marks,
    fields: Fields,
    known: Mapping[str, sources.Source],
    notes: list[str],
) -> Marks:
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
  return dataclasses.replace(
      marks,
      rows={o: r for o, r in marks.rows.items() if o in files or o in places},
      files=files,
      places={o: p for o, p in places.items()
              if o in files or o not in marks.files},
  )  # fmt: skip


def _check_ends(
    marks: Marks,
    places: Mapping[str, tuple[str, int]],
    known: Mapping[str, sources.Source],
) -> None:
  beyond = [
      own for own, (name, _) in marks.places.items()
      if name in known and own not in places and own not in marks.files
  ]
  if beyond:
    name, number = marks.places[beyond[0]]
    raise UserError(
        f'config.dataset.labels: {len(beyond)} of {len(marks.rows)} rows name '
        f'frames that do not exist, the first is frame {number} '
        f'({marks.rows[beyond[0]].where}), expected 0 to '
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

  def place(self, path: str, row: Row) -> tuple[str, int] | None:
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
        for key in self._nearest.find_video(folder, row.video)
        for name in self._videos[key]
    }
    if not meant:
      return None
    used = {name for name in meant if not finding.matches(name, self._exclude)}
    if len(used) > 1:
      raise UserError(
          f"{row.where}: path '{paths.shown(path)}' may mean "
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
