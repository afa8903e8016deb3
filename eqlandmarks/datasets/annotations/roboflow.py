"""Roboflow's COCO export: a folder for each split, with labels of its own.

    train/_annotations.coco.json    and the images that it names
    valid/_annotations.coco.json
    test/_annotations.coco.json

Where there is no test, valid is the test; otherwise it is left out, like any
split that is neither train nor test.
"""

import dataclasses
import pathlib
import posixpath

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import label_paths
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.formats import poses as poses_lib

_FORM = 'coco'
_LABELS = '_annotations.coco.json'
_SPLITS = ('train', 'valid', 'test')


def find(place: pathlib.Path, root: pathlib.Path) -> list[pathlib.Path]:
  """The label files of an export below the root; none if there is no export.

  The place is one of the label files, or the folder of one or of all.
  """
  file = place / _LABELS if place.is_dir() else place
  if file.name == _LABELS and file.is_file():
    alone, folder = [file], file.parent.parent
    whole = file.parent.name in _SPLITS and label_paths.below(root, folder)
  else:
    alone, folder, whole = [], place, place.is_dir()
  files = [folder / split / _LABELS for split in _SPLITS if whole]
  files = [file for file in files if file.is_file()] or alone
  below = all(label_paths.below(root, file.parent) for file in files)
  return files if below else []


def read(
    files: list[pathlib.Path], root: pathlib.Path
) -> tuple[formats.Poses, str, tuple[str, ...]]:
  """Reads the files that `find` found: labels, format and lines to show."""
  splits = [file.parent.name for file in files]
  parts = [_read(file, root) for file in files]
  for file, poses in zip(files, parts, strict=True):
    if poses.names != parts[0].names:
      raise UserError(
          f'{file}: found keypoints {paths.shown(", ".join(poses.names))}, '
          f'expected {paths.shown(", ".join(parts[0].names))} as in {files[0]}'
      )
  if len(files) > 1 and 'train' not in splits:
    raise UserError(
        f'{files[0].parent.parent}: found the folders {", ".join(splits)}, '
        'expected train, too, whose labels the regressor is fitted on'
    )
  notes = [f"labels: {', '.join(splits)} of Roboflow's export are read"]
  if len(files) == 1:  # which says nothing of what is test
    return parts[0], _FORM, tuple(notes)
  if 'test' not in splits:
    notes.append('labels: there is no folder test, valid is the test split')
    splits[splits.index('valid')] = 'test'
  parts = [
      dataclasses.replace(poses, splits=(split,) * len(poses.images))
      for split, poses in zip(splits, parts, strict=True)
  ]
  return poses_lib.join(parts), _FORM, tuple(notes)


def _read(file: pathlib.Path, root: pathlib.Path) -> formats.Poses:
  """The labels of a split, with its images' paths below the root."""
  poses = formats.read(file, _FORM)
  folder = label_paths.below(root, file.parent)
  images = [
      posixpath.normpath(posixpath.join(folder, i)) for i in poses.images
  ]
  return dataclasses.replace(poses, images=images)
