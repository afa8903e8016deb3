"""The dataset `celeba`: faces with the annotations of MAFL, five points."""

import dataclasses
from typing import Any

from eqlandmarks.datasets.celeba import rules
from eqlandmarks.system import field_rules

__all__ = ['CROPS', 'INSTRUCTIONS', 'Options', 'build']

CROPS = ('imm', 'dve', 'whole')
_RULES = {
    'crop': field_rules.one_of(*CROPS),
    'stage_rule': field_rules.one_of(*rules.STAGE_RULES),
    'fit_rule': field_rules.one_of(*rules.FIT_RULES),
}

INSTRUCTIONS = """\
From https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html take img_align_celeba
(Img/), list_landmarks_align_celeba.txt (Anno/) and list_eval_partition.txt
(Eval/), and the folder MAFL (training.txt, testing.txt) from
https://github.com/zhzhanp/TCDCN-face-alignment, so that

    ROOT/Img/img_align_celeba/000001.jpg ... 202599.jpg
    ROOT/Anno/list_landmarks_align_celeba.txt
    ROOT/Eval/list_eval_partition.txt
    ROOT/MAFL/training.txt, testing.txt

Or, in the place of the first three, Kaggle's copy (jessicali9530/
celeba-dataset) as it is unpacked:

    ROOT/img_align_celeba/img_align_celeba/000001.jpg ... 202599.jpg
    ROOT/list_landmarks_align_celeba.csv, list_eval_partition.csv

or tfds's own dataset:
`tfds build celeb_a --file_format=array_record --data_dir=ROOT`.

Name the folder: --config=configs/celeba.py --config.dataset.root=ROOT
"""


@dataclasses.dataclass(frozen=True)
class Options:
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # What is cut out of the aligned images, see `builder.CelebA`. IMM and
  # lmdis-rep have imm; the paper says "resized". Open.
  crop: str = 'imm'
  # Whose choice of images for the stages, and for the regressor: keys of
  # `rules.STAGE_RULES` and of `rules.FIT_RULES`.
  stage_rule: str = 'lmdis'
  fit_rule: str = 'mafl'
  # Make do with a part of the dataset, instead of stopping.
  partial: bool = False
  # --8<-- [end:fields]

  def __post_init__(self):
    field_rules.check(self, vars(self), _RULES, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.celeba.builder import CelebA  # takes a second

  return CelebA(options, **place)
