"""The dataset `bbc_pose`: sign language interpreters, seven joints."""

import dataclasses
from typing import Any

from eqlandmarks.system import field_rules

__all__ = ['CROPS', 'INSTRUCTIONS', 'Options', 'build']

CROPS = ('centre', 'box', 'square', 'whole')
_RULES = {
    'crop': field_rules.one_of(*CROPS),
    'crop_margin': field_rules.not_negative(field_rules.SIDE),
}

INSTRUCTIONS = """\
From https://www.robots.ox.ac.uk/~vgg/data/pose/index.html take
bbcpose_data_1.0.zip (20 tar files: unpack each, which gives the folders 1 to
20 with <frame>.jpg) and bbcpose_extbbcpose_code_1.0.tgz (the labels), so that

    ROOT/1/1.jpg ... ROOT/20/...jpg
    ROOT/code/bbcpose.mat   or ROOT/bbcpose_extbbcpose_code_1.0/bbcpose.mat

and name the folder: --config=configs/bbc_pose.py --config.dataset.root=ROOT
"""


@dataclasses.dataclass(frozen=True)
class Options:
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # What is cut out of the frames, see `builder.BBCPose`. NVIDIA's evaluation
  # has centre; the paper says "loose crops". Open.
  crop: str = 'centre'
  # With how many pixels beside the joints.
  crop_margin: float = 150.0
  # Make do with a part of the dataset, instead of stopping.
  partial: bool = False
  # --8<-- [end:fields]

  def __post_init__(self):
    field_rules.check(self, vars(self), _RULES, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.bbc_pose.builder import BBCPose  # takes a second

  return BBCPose(options, **place)
