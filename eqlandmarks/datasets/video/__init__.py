"""The dataset `video`: frames of videos, with labels for some of them."""

import dataclasses
from typing import Any

from eqlandmarks.datasets.base import fields
from eqlandmarks.system import field_rules

__all__ = ['Options', 'build']


@dataclasses.dataclass(frozen=True)
class Options(fields.Options):
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # Of the frames without labels, every n-th is used.
  every: int = 1
  # Of all frames only this box, 'top,left,height,width' in their pixels; '' for
  # all.
  crop_box: str = ''
  # --8<-- [end:fields]

  def __post_init__(self):
    super().__post_init__()
    rules = {'every': field_rules.integer(1)}
    field_rules.check(self, vars(self), rules, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.video.builder import Video  # takes a second

  return Video(options, **place)
