r"""The config.yaml of a DeepLabCut project: what of its videos was labelled.

    video_sets:
      C:\Users\me\videos\mouse.avi:
        crop: 5, 65, 5, 45
    cropping: true

The crop is x1, x2, y1, y2 in pixels of the video. With `cropping`, the pictures
in labeled-data are that part of the frames, and labels are in its pixels. The
paths are those of another computer mostly, so only the names of the videos
count, as in labeled-data.
"""

import dataclasses
import pathlib
import posixpath
import re
from collections.abc import Mapping
from typing import Any

import yaml

from eqlandmarks.datasets.base import crops
from eqlandmarks.errors import UserError
from eqlandmarks.formats import label_files
from eqlandmarks.formats import paths
from eqlandmarks.system import regular_files

_NAME = 'config.yaml'
_LABELED_DATA = 'labeled-data'
_EXPECTED = 'expected a config.yaml as DeepLabCut writes it'


@dataclasses.dataclass(frozen=True)
class Project:
  """What a config.yaml says of crops.

  Attributes:
    path: the file, for messages.
    cropping: whether the crops are in force.
    crops: name of a video without folders and ending -> its crop.
  """

  path: pathlib.Path
  cropping: bool
  crops: dict[str, crops.Box]


def name_of(video: str) -> str:
  """What a project calls a video: its file's name without the ending."""
  return posixpath.splitext(posixpath.basename(paths.canonical(video)))[0]


def of_labels(label_file: pathlib.Path) -> Project | None:
  """The project that a label file belongs to; None where there is none.

  Raises:
    UserError: there is a config.yaml, but not as DeepLabCut writes it.
  """
  folder = label_file.absolute().parent
  if folder.parent.name == _LABELED_DATA:
    folder = folder.parent
  if folder.name == _LABELED_DATA:
    folder = folder.parent
  path = folder / _NAME
  return _project(path, _read(path)) if path.is_file() else None


def describes_project(folder: pathlib.Path) -> bool:
  """Whether there is a config.yaml of DeepLabCut in a folder."""
  try:
    config = _read(folder / _NAME)
  except UserError:
    return False
  return config.keys() >= {'Task', 'scorer', 'bodyparts'}


def _read(path: pathlib.Path) -> Mapping[Any, Any]:
  with label_files.reading(path, _EXPECTED.removeprefix('expected ')):
    text = regular_files.read_text(path)
    try:
      config = yaml.safe_load(text)
    except yaml.YAMLError as error:
      raise UserError(
          f'{path}: is no YAML ({paths.shown(error)}), {_EXPECTED}'
      ) from error
  if not isinstance(config, Mapping):
    raise UserError(f'{path}: found {_brief(config)}, {_EXPECTED}')
  return config


def _project(path: pathlib.Path, config: Mapping[Any, Any]) -> Project:
  cropping = config.get('cropping') or False
  videos = config.get('video_sets') or {}
  if not isinstance(cropping, bool):
    raise UserError(
        f'{path}: found cropping: {_brief(cropping)}, expected true or false'
    )
  if not isinstance(videos, Mapping):
    raise UserError(f'{path}: found video_sets: {_brief(videos)}, {_EXPECTED}')
  boxes: dict[str, crops.Box] = {}
  for key, about in videos.items():
    crop = about.get('crop') if isinstance(about, Mapping) else about
    name, box = name_of(str(key)), _box(crop)
    expected = ''
    if crop is not None and box is None:
      expected = 'x1, x2, y1, y2 in whole pixels, x1 < x2 and y1 < y2'
    elif boxes.get(name, box) != box and box:
      expected = 'one crop for all videos of that name'
    if cropping and expected:  # What is not in force may be anything.
      raise UserError(
          f"{path}: found crop '{_brief(crop)}' of {paths.shown(key)}, "
          f'expected {expected}'
      )
    if box:
      boxes[name] = box
  return Project(path, cropping, boxes)


def _box(crop: Any) -> crops.Box | None:
  """The box of 'x1, x2, y1, y2'; None for anything else."""
  parts = crop.split(',') if isinstance(crop, str) else crop
  if not isinstance(parts, list) or len(parts) != 4:
    return None
  numbers = [
      re.fullmatch(r'(\d{1,9})(\.0*)?', str(part).strip(), re.ASCII)
      for part in parts if isinstance(part, str | int | float)
  ]
  if len(numbers) != 4 or None in numbers:
    return None
  left, right, top, bottom = (int(number[1]) for number in numbers)
  if left >= right or top >= bottom:
    return None
  return crops.Box(top, left, bottom, right)


def _brief(value: Any) -> str:
  """A value in a message; YAML's lists may refer to themselves."""
  if isinstance(value, str | int | float):
    return paths.shown(value)
  return type(value).__name__
