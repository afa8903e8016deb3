"""The labels of whole DeepLabCut projects, and Lightning Pose's like them."""

import dataclasses
import pathlib
import posixpath

from eqlandmarks import formats
from eqlandmarks.datasets import label_rows
from eqlandmarks.datasets.images import matches
from eqlandmarks.errors import UserError

NAME = 'deeplabcut'  # as the value of config.dataset.labels
# Formats whose images lie in such a project, or in one like it.
FORMS = ('deeplabcut', 'deeplabcut-h5', 'lightning-pose')
_ANNOTATIONS = 'CollectedData*.csv'


def annotation_files(
    root: pathlib.Path, exclude: tuple[str, ...]
) -> list[pathlib.Path]:
  """The files that hold the labels, one in a folder at most."""
  found = []
  for folder in ('.', 'labeled-data', 'labeled-data/*'):
    found += sorted(root.glob(f'{folder}/{_ANNOTATIONS}'))
  found = [
      path for path in found
      if not matches(path.relative_to(root).as_posix(), exclude)
  ]
  if not found:
    raise UserError(
        f"config.dataset.labels='{NAME}': no CollectedData csv found, "
        f'expected {root}/labeled-data/*/CollectedData_<scorer>.csv'
    )
  by_folder: dict[pathlib.Path, pathlib.Path] = {}
  for path in found:
    if path.parent in by_folder:
      raise UserError(
          f'{path.parent}: found {by_folder[path.parent].name} and {path.name}'
          ', expected one CollectedData csv in a folder; '
          'config.dataset.exclude can leave one out'
      )
    by_folder[path.parent] = path
  return found


def read(root: pathlib.Path, files: list[pathlib.Path]) -> label_rows.Labels:
  """Reads the files that `annotation_files` found."""
  merged = _read_annotations(files[0], root)
  for path in files[1:]:
    more = _read_annotations(path, root)
    if set(more.names) != set(merged.names):
      odd = sorted(set(more.names) ^ set(merged.names))
      raise UserError(
          f'{files[0]} and {path}: their bodyparts differ ({", ".join(odd)}), '
          'expected the same bodyparts in every file'
      )
    order = [more.names.index(name) for name in merged.names]
    for key, row in more.rows.items():
      row = dataclasses.replace(row, points=row.points[order])
      label_rows.add(merged.rows, key, row)
  return merged


def _read_annotations(
    path: pathlib.Path, root: pathlib.Path
) -> label_rows.Labels:
  """Reads one CollectedData csv of DeepLabCut or Lightning Pose."""
  return label_rows.from_poses(formats.read(path, NAME, root=root), NAME)


def without_check_pictures(
    kept: list[str], rows: dict[str, label_rows.Row], notes: list[str]
) -> list[str]:
  """Leaves out the pictures into which DeepLabCut has drawn the labels.

  It writes them to '<video>_labeled' beside '<video>'. A folder with labels of
  its own is no such folder, whatever its name.
  """
  folders = {posixpath.dirname(path) for path in kept}
  labelled = {posixpath.dirname(path) for path in rows}
  drawn = {
      folder for folder in folders - labelled
      if folder.endswith('_labeled') and (
          folder.removesuffix('_labeled') in folders
          or posixpath.basename(posixpath.dirname(folder)) == 'labeled-data'
      )
  }
  rest = [path for path in kept if posixpath.dirname(path) not in drawn]
  if len(rest) < len(kept):
    notes.append(
        f"labels: {len(kept) - len(rest)} of DeepLabCut's check pictures "
        '(folders *_labeled) are left out'
    )
  return rest
