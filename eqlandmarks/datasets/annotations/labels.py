"""Labels made by hand, in any format of `eqlandmarks.formats`.

Rows hold x, y in pixels of the image as displayed, with the CENTRE of the
top-left pixel at 0, as tables do; `to_ours` turns them into this project's
(row, column) with that centre at (0.5, 0.5).
"""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import deeplabcut
from eqlandmarks.datasets.annotations import label_rows
from eqlandmarks.datasets.annotations import roboflow
from eqlandmarks.datasets.annotations.label_rows import Labels
from eqlandmarks.datasets.annotations.label_rows import Row
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import pts
from eqlandmarks.media import images
from eqlandmarks.system import files as files_lib
from eqlandmarks.system import fingerprints
from eqlandmarks.system import regular_files

__all__ = ['DEEPLABCUT', 'PTS', 'Labels', 'Row', 'label_files', 'read_labels',
           'state', 'to_ours']  # fmt: skip

DEEPLABCUT = deeplabcut.NAME
PTS = 'pts'  # files beside the images, as the value of config.dataset.labels


def to_ours(points: np.ndarray) -> np.ndarray:
  """(x, y) of rows to this project's (row, column).

  Args:
    points: [J, 2] (x, y) in pixels of the image, top-left centre at 0.

  Returns:
    [J, 2] (row, column) in the same pixels, top-left centre at (0.5, 0.5).
  """
  return conventions.from_file(points, 'table')


def label_files(
    labels: str, root: pathlib.Path, exclude: tuple[str, ...]
) -> list[pathlib.Path]:
  """The files that hold the labels; none where `labels` is ''.

  Args:
    labels: the value of config.dataset.labels.
    root: the folder of images.
    exclude: patterns of paths below the root that do not count.

  Raises:
    UserError: there is nothing of that name, or nothing in it, or it is no
      regular file.
  """
  files = _files(labels, root, exclude) if labels else []
  for file in files:
    # What is not there is said where it is read.
    with contextlib.suppress(OSError):
      regular_files.check(file)
  return files


def state(fields: Fields) -> list[tuple[str, str]]:
  """The label files of a folder, and the fingerprints of what they hold."""
  return [
      (str(path), fingerprints.of_file(path))
      for path in label_files(fields.labels, fields.root, fields.unread)
  ]


def _files(
    labels: str, root: pathlib.Path, exclude: tuple[str, ...]
) -> list[pathlib.Path]:
  """The files, as they are found."""
  if labels == DEEPLABCUT:
    return deeplabcut.annotation_files(root, exclude)
  path, exported = _located(labels, root)
  if not path.is_dir() and not exported:
    return [path]
  top = root if exported else path
  found = [
      file for file in exported or pts.find(path)
      if not images.matches(
          os.path.relpath(file, top).replace(os.sep, '/'), exclude
      )
  ]
  if not found:
    raise UserError(
        f"config.dataset.labels='{labels}': found no {pts.SUFFIX} file below "
        f'{path}, expected one for each labelled image, or the path of a label '
        'file'
    )
  return found


def _located(
    labels: str, root: pathlib.Path
) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """The file or folder, and the files of Roboflow's export if it is one."""
  if labels == PTS:
    return root, []
  place = _place(labels, root)
  return place, roboflow.find(place, root)


def _place(labels: str, root: pathlib.Path) -> pathlib.Path:
  """The file or folder that `labels` names."""
  path = files_lib.expanded(labels)
  if path == pathlib.Path('.'):
    return root
  for candidate in (path, root / path):
    if os.path.exists(candidate):
      return candidate
  if path.suffix or path.name != labels:
    raise UserError(
        f"config.dataset.labels: there is no file '{labels}', expected the "
        'path of a csv table or another label file, absolute or relative to '
        f'here or to {root}'
    )
  raise UserError(
      f"config.dataset.labels: found '{labels}', expected '' (no labels), "
      f"'{PTS}', '{DEEPLABCUT}' or the path of a csv table or another label "
      'file'
  )


def read_labels(
    labels: str,
    root: pathlib.Path,
    files: list[pathlib.Path],
    least: float = 0.0,
) -> Labels:
  """Reads the files that `label_files` found.

  Args:
    labels: the value of config.dataset.labels.
    root: the folder of images.
    files: those that hold the labels.
    least: that of config.dataset.min_likelihood; points of a lower likelihood
      count as missing.

  Raises:
    UserError: a file is not as it must be, or no point is likely enough.
  """
  found = _read(labels, root, files, least) if files else Labels()
  if not found.scored:
    return found
  if not any(row.labelled for row in found.rows.values()):
    raise UserError(
        f"config.dataset.labels='{labels}': all {found.unsure} points have a "
        f'likelihood below config.dataset.min_likelihood={least:g}, expected '
        'some above it; 0 takes all'
    )
  line = (
      f'labels: they are predictions: {found.unsure} of {found.scored} points '
      f'have a likelihood below min_likelihood={least:g} and are left out'
  )
  return dataclasses.replace(found, notes=(*found.notes, line))


def _read(
    labels: str, root: pathlib.Path, files: list[pathlib.Path], least: float
) -> Labels:
  if labels == DEEPLABCUT:
    return deeplabcut.read(root, files, least)
  place, exported = _located(labels, root)
  if exported:
    return roboflow.read(files, root, least)
  if place.is_dir():
    return label_rows.from_poses(pts.read_files(files, place, root), PTS, least)
  form = formats.recognise(place)
  poses = formats.read(place, form, root=root)
  return label_rows.from_poses(poses, form, least)
