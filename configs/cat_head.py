"""Cat Head at 100 x 100: Tables 3 and 6.

    python main.py --config=configs/cat_head.py --workdir=runs/cat_head \
        --config.dataset.root=CATS

CATS is the folder with data/cat_images and data/cat_data, or with CAT_00 to
CAT_06 (docs/benchmarks.md); add --mode=prepare to look at the data first.
The recipe is `common.best`; variants: `cat_head.py:paper`, the paper's;
`cat_head.py:k10` and `cat_head.py:paper,k10`, K = 10.

The paper, inter-ocular error: K = 20: 13.80 % (end-to-end 23.42); K = 10: 14.59
% in its Table 3, 14.74 in its Table 6 (end-to-end 22.97); with 5 / 10 / 100 /
500 / 1000 annotated images, K = 20: 21.1 / 18.8 / 15.5 / 14.6 / 14.3 %. Not
measured here: the data were not at hand.

Estimated, not measured: one H100, minutes for each stage; two CPU cores, more
than a day (docs/benchmarks.md).
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '', 'paper', 'k10' or 'paper,k10'."""
  config = common.recipe('cat_head', variant, {'': 20, 'k10': 10})
  config.image_size = 100
  # The paper's 10 x 10 pixels.
  config.discover.patch = 0.1
  config.evaluation.samples = (5, 10, 100, 500, 1000)
  return config
