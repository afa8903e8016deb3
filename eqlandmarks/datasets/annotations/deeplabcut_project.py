"""The labels of whole DeepLabCut projects, and Lightning Pose's like them."""

import pathlib
import posixpath
import re
from collections.abc import Collection

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import deeplabcut_config
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.formats import poses as poses_lib
from eqlandmarks.media.finding import matches

NAME = 'deeplabcut'  # as the value of config.dataset.labels
# Formats whose images lie in such a project, or in one like it.
FORMS = ('deeplabcut', 'lightning-pose')
_FOLDERS = ('.', 'labeled-data', 'labeled-data/*')
# Folders below a project, into which DeepLabCut draws or copies pictures.
_DRAWN = re.compile(
    r'(evaluation-results|dlc-models|training-datasets)[^/]*(/|$)|'
    r'(.*/)?plot-poses(/|$)|videos/(.*/)?temp-[^/]+(/|$)'
)


def annotation_files(
    root: pathlib.Path, exclude: tuple[str, ...]
) -> list[pathlib.Path]:
  """The files that hold the labels.

  There is one in a folder, or of Lightning Pose one for each view.
  """
  found = [
      path for path in _find(root, '.csv')
      if not matches(path.relative_to(root).as_posix(), exclude)
  ]
  if not found:
    others = _find(root, '.h5')
    unread = f' but {others[0]}, and H5 files are not read' if others else ''
    raise UserError(
        f"config.dataset.labels='{NAME}': no CollectedData csv found{unread}, "
        f'expected {root}/labeled-data/*/CollectedData_<scorer>.csv'
    )
  return found


def _find(root: pathlib.Path, ending: str) -> list[pathlib.Path]:
  return [
      path for folder in _FOLDERS
      for path in sorted(root.glob(f'{folder}/CollectedData*{ending}'))
  ]


def read(root: pathlib.Path, files: list[pathlib.Path]) -> poses_lib.Poses:
  """Reads the files that `annotation_files` found.

  Args:
    root: the project's folder.
    files: with the same bodyparts and different images, as those of several
      videos or of several views.
  """
  parts = [formats.read(path, NAME, root=root) for path in files]
  for path, part in zip(files, parts, strict=True):
    odd = sorted({*part.names} ^ {*parts[0].names})
    if odd:
      raise UserError(
          f'{files[0]} and {path}: their bodyparts differ '
          f'({paths.shown(", ".join(odd))}), expected the same bodyparts in '
          'every file'
      )
  remedy = '; config.dataset.exclude can leave out one of two files'
  return poses_lib.join(parts, remedy)


def unread(root: pathlib.Path) -> tuple[str, ...]:
  """A line for the folders whose labels are there in H5 only."""
  found = [
      path for path in _find(root, '.h5')
      if not any(path.parent.glob('CollectedData*.csv'))
  ]
  if not found:
    return ()
  return (
      f'labels: {len(found)} CollectedData H5 files without a csv beside them '
      f'are not read, the first is {found[0]}',
  )


def without_drawn_pictures(
    root: pathlib.Path,
    kept: list[str],
    labelled: Collection[str],
    form: str,
    notes: list[str],
) -> list[str]:
  """Leaves out the pictures into which DeepLabCut has drawn points.

  It writes them into folders of its projects: '<video>_labeled' beside
  '<video>', and `_DRAWN`. A folder that has labels is no such folder,
  whatever its name.

  Args:
    root: the folder of images.
    kept: paths below it.
    labelled: those that have labels.
    form: the format of the labels.
    notes: gets a line if pictures are left out.
  """
  bases = _projects(root, kept, form)
  folders = {posixpath.dirname(path) for path in kept} if bases else set()
  own = {posixpath.dirname(path) for path in labelled}
  drawn = {
      folder for folder in folders - own
      if _is_drawn(folder, bases, folders)
  }
  rest = [path for path in kept if posixpath.dirname(path) not in drawn]
  if len(rest) < len(kept):
    notes.append(
        f'images: {len(kept) - len(rest)} pictures that DeepLabCut has drawn '
        f'are left out, the first in {min(drawn)}'
    )
  return rest


def _projects(root: pathlib.Path, kept: list[str], form: str) -> set[str]:
  """The folders of projects, as what paths below the root begin with."""
  found = set()
  for path in kept:
    before, middle, _ = f'/{path}'.partition('/labeled-data/')
    if middle:
      found.add(f'{before}/'.removeprefix('/'))
  if form in FORMS or root.absolute().name == 'labeled-data' or (
      deeplabcut_config.describes_project(root)
  ):
    found.add('')
  return found


def _is_drawn(folder: str, bases: set[str], folders: set[str]) -> bool:
  plain = folder.removesuffix('_labeled')
  is_check = plain != folder and (
      plain in folders
      or posixpath.basename(posixpath.dirname(folder)) == 'labeled-data'
  )
  starts = [0, *(match.end() for match in re.finditer('/', folder))]
  return any(
      is_check or _DRAWN.match(folder, start)
      for start in starts if folder[:start] in bases
  )
