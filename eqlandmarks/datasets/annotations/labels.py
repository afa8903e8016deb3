"""Labels of a user, in any format of `eqlandmarks.formats`."""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import deeplabcut_project
from eqlandmarks.datasets.annotations import roboflow
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import pts
from eqlandmarks.formats.poses import Poses
from eqlandmarks.media import finding
from eqlandmarks.system import file_names
from eqlandmarks.system import fingerprints
from eqlandmarks.system import regular_files

DEEPLABCUT = deeplabcut_project.NAME
PTS = 'pts'  # files beside the images, as the value of config.dataset.labels


@dataclasses.dataclass(frozen=True)
class Labels:
  """The labels of a dataset.

  Attributes:
    poses: the points, of images below the root.
    form: the format they were read from, a key of `formats.FORMATS`, or ''.
    notes: lines that the program shows.
  """

  poses: Poses
  form: str = ''
  notes: tuple[str, ...] = ()


def read(fields: Fields) -> tuple[Labels, list[pathlib.Path]]:
  """The labels that the fields name, and the files that hold them."""
  files = label_files(fields.labels, fields.root, fields.unread)
  labels = read_labels(
      fields.labels, fields.root, files, fields.min_likelihood
  )
  return labels, files


def state(fields: Fields) -> list[tuple[str, str]]:
  """The label files of a folder, and the fingerprints of what they hold."""
  return [
      (str(path), fingerprints.of_file(path))
      for path in label_files(fields.labels, fields.root, fields.unread)
  ]


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
  if not labels:
    return []
  if labels == DEEPLABCUT:
    files = deeplabcut_project.annotation_files(root, exclude)
  else:
    path, exported = _located(labels, root)
    files = [path]
    if path.is_dir() or exported:
      top = root if exported else path
      files = [
          file for file in exported or pts.find(path)
          if not finding.matches(os.path.relpath(file, top), exclude)
      ]
    if not files:
      raise UserError(
          f"config.dataset.labels='{labels}': found no {pts.SUFFIX} file below "
          f'{path}, expected one for each labelled image, or the path of a '
          'label file'
      )
  for file in files:
    # Reading reports a file that is missing.
    with contextlib.suppress(OSError):
      regular_files.check(file)
  return files


def _located(
    labels: str, root: pathlib.Path
) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """The file or folder, and the files of Roboflow's export if it is one."""
  path = file_names.expanded(labels)
  if labels == PTS:
    return root, []
  if path == pathlib.Path('.'):
    return root, roboflow.find(root, root)
  for candidate in (path, root / path):
    if os.path.exists(candidate):
      return candidate, roboflow.find(candidate, root)
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

  Points of a likelihood below `least`, that of config.dataset.min_likelihood,
  count as missing.

  Raises:
    UserError: a file is not as it must be, or no point is likely enough.
  """
  if not files:
    return Labels(Poses((), (), np.zeros((0, 0, 2))))
  given = _read(labels, root, files)
  poses = given.poses
  if poses.confidence is None:
    return given
  scored = np.isfinite(poses.points).all(-1) & np.isfinite(poses.confidence)
  if not scored.any():
    return given
  unsure = scored & (poses.confidence < least)
  points = np.where(unsure[..., None], np.nan, poses.points)
  count = np.count_nonzero(unsure)
  if not np.isfinite(points).any():
    raise UserError(
        f"config.dataset.labels='{labels}': all {count} points have a "
        f'likelihood below config.dataset.min_likelihood={least:g}, expected '
        'some above it; 0 takes all'
    )
  line = (
      f'labels: they are predictions: {count} of {np.count_nonzero(scored)} '
      f'points have a likelihood below min_likelihood={least:g} and are left '
      'out'
  )
  poses = dataclasses.replace(poses, points=points)
  return dataclasses.replace(given, poses=poses, notes=(*given.notes, line))


def _read(labels: str, root: pathlib.Path, files: list[pathlib.Path]) -> Labels:
  if labels == DEEPLABCUT:
    poses = deeplabcut_project.read(root, files)
    return Labels(poses, DEEPLABCUT, deeplabcut_project.unread(root))
  place, exported = _located(labels, root)
  if exported:
    return Labels(*roboflow.read(files, root))
  if place.is_dir():
    return Labels(pts.read_files(files, place, root), PTS)
  form = formats.recognise(place)
  return Labels(formats.read(place, form, root=root), form)
