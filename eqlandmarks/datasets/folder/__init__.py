"""The dataset `folder`: a folder of images, with labels for some of them."""

import dataclasses
from typing import Any

from eqlandmarks.datasets.base import fields
from eqlandmarks.system import field_rules

__all__ = ['Options', 'build']


@dataclasses.dataclass(frozen=True)
class Options(fields.Options):
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # Frames per second of clips, where each sub-folder holds the frames of one in
  # the order of their names, for pairs of frames; 0 where images are stills.
  clip_fps: float = 0.0
  # --8<-- [end:fields]

  def __post_init__(self):
    super().__post_init__()
    rules = {'clip_fps': field_rules.not_negative()}
    field_rules.check(self, vars(self), rules, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.folder.builder import Folder  # takes a second

  return Folder(options, **place)
