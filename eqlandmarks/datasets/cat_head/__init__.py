"""The dataset `cat_head`: heads of cats, seven points."""

import dataclasses
from typing import Any

from eqlandmarks.system import field_rules

__all__ = ['CROPS', 'INSTRUCTIONS', 'Options', 'build']

CROPS = ('head', 'central', 'whole')
_RULES = {'crop': field_rules.one_of(*CROPS)}

INSTRUCTIONS = """\
The paper's data are the release of lmdis-rep: cat_images.tar.gz and
cat_data.tar.gz from http://files.ytzhang.net/lmdis-rep/release-v1/cat/, so
that

    ROOT/data/cat_images/...
    ROOT/data/cat_data/cat_train_images.txt, cat_train_keypoints.mat,
                       cat_test_images.txt, cat_test_keypoints.mat

Or the photos as first published: CAT_DATASET_01.zip, CAT_DATASET_02.zip and
00000003_015.jpg.cat (which replaces a wrong file) from
https://archive.org/download/CAT_DATASET/, so that

    ROOT/CAT_00/00000001_000.jpg, 00000001_000.jpg.cat ... ROOT/CAT_06/...
    ROOT/00000003_015.jpg.cat

Name the folder: --config=configs/cat_head.py --config.dataset.root=ROOT
"""


@dataclasses.dataclass(frozen=True)
class Options:
  """The fields of `config.dataset`."""

  # --8<-- [start:fields]
  # What is cut out of the photos, see `builder.CatHead`.
  crop: str = 'head'
  # A file that names photos to leave out, see `raw.excluded`; for the photos as
  # first published.
  exclude_list: str = ''
  # Make do with a part of the dataset, instead of stopping.
  partial: bool = False
  # --8<-- [end:fields]

  def __post_init__(self):
    field_rules.check(self, vars(self), _RULES, 'dataset.')


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.cat_head.builder import CatHead  # takes a second

  return CatHead(options, **place)
