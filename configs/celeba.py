"""CelebA, scored on MAFL, at 128 x 128: Tables 4 to 6.

    python main.py --config=configs/celeba.py --workdir=runs/celeba \
        --config.dataset.root=CELEBA

CELEBA is the folder with Img, Anno, Eval and MAFL (docs/benchmarks.md); add
--mode=prepare to look at the data first. The recipe is `common.best`; variants:
`celeba.py:paper`, the paper's; `celeba.py:k30` and `celeba.py:k10`, K = 30 and
10, and `celeba.py:paper,k30` and the like, both.

The paper, inter-ocular error: K = 50: 4.31 % (end-to-end 5.97); K = 30: 4.59 %
(end-to-end 6.57); with 1 / 5 / 10 annotated images 11.12 / 8.82 / 8.27 %. Jakab
et al. 2018: 2.54 and 2.58 %. Not measured here: the data were not at hand.

Estimated, not measured: one H100, an hour or two for each stage
(docs/benchmarks.md).
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '', 'paper', 'k30', 'k10', 'paper,k30', ..."""
  config = common.recipe('celeba', variant, {'': 50, 'k30': 30, 'k10': 10})
  config.evaluation.samples = (1, 5, 10)
  return config
