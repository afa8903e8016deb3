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
  files = [
      path for path in _find(root, '.csv')
      if not matches(path.relative_to(root).as_posix(), exclude)
  ]
  if not files:
    others = _find(root, '.h5')
    unread = f' but {others[0]}, and H5 files are not read' if others else ''
    raise UserError(
        f"config.dataset.labels='{NAME}': no CollectedData csv found{unread}, "
        f'expected {root}/labeled-data/*/CollectedData_<scorer>.csv'
    )
  return files


def _find(root: pathlib.Path, ending: str) -> list[pathlib.Path]:
  return [
      path for folder in _FOLDERS
      for path in sorted(root.glob(f'{folder}/CollectedData*{ending}'))
  ]


def read(root: pathlib.Path, files: list[pathlib.Path]) -> poses_lib.Poses:
  """Reads a project's files, which have the same bodyparts, in any order."""
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
  files = [
      path for path in _find(root, '.h5')
      if not any(path.parent.glob('CollectedData*.csv'))
  ]
  if not files:
    return ()
  return (
      f'labels: {len(files)} CollectedData H5 files without a csv beside them '
      f'are not read, the first is {files[0]}',
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
  whatever its name. `labelled` are the images that have labels.
  """
  # Projects, as what paths below the root begin with.
  projects = {
      f'{before}/'.removeprefix('/')
      for before, middle, _ in (
          f'/{path}'.partition('/labeled-data/') for path in kept
      )
      if middle
  }
  if form in FORMS or root.absolute().name == 'labeled-data' or (
      deeplabcut_config.describes_project(root)
  ):
    projects.add('')
  folders = {posixpath.dirname(path) for path in kept} if projects else set()
  drawn = {
      folder for folder in folders - {*map(posixpath.dirname, labelled)}
      if _is_drawn(folder, projects, folders)
  }
  rest = [path for path in kept if posixpath.dirname(path) not in drawn]
  if len(rest) < len(kept):
    notes.append(
        f'images: {len(kept) - len(rest)} pictures that DeepLabCut has drawn '
        f'are left out, the first in {min(drawn)}'
    )
  return rest


def _is_drawn(folder: str, projects: set[str], folders: set[str]) -> bool:
  plain = folder.removesuffix('_labeled')
  is_check = plain != folder and (
      plain in folders
      or posixpath.basename(posixpath.dirname(folder)) == 'labeled-data'
  )
  starts = [0, *(match.end() for match in re.finditer('/', folder))]
  return any(
      is_check or _DRAWN.match(folder, start)
      for start in starts if folder[:start] in projects
  )
