"""BBC Pose at 128 x 128: Tables 1, 2 and 6.

    python main.py --config=configs/bbc_pose.py --workdir=runs/bbc_pose \
        --config.dataset.root=BBC

BBC is the folder with 1 to 20 and code/bbcpose.mat (docs/benchmarks.md); add
--mode=prepare to look at the data first. The recipe is `common.best`; variant:
`bbc_pose.py:paper`, the paper's.

The paper, K = 50, within 6 px of 128: head 99.4, wrists 33.5, elbows 78.3,
shoulders 93.5, all 72.9 % (end-to-end 44.0); with 5 / 10 / 50 / 100 / 500
annotated images 49.7 / 57.6 / 67.2 / 69.4 / 72.1 %; layer 1 Acc(20) 87 %
(end-to-end 57 %). Not measured here: the data were not at hand.

Estimated, not measured: one H100, some hours for each stage, by the number of
frames (docs/benchmarks.md).
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '' or 'paper'."""
  config = common.recipe('bbc_pose', variant)
  # The official rule, beside the paper's 6 pixels of 128: 6 pixels at half of
  # the frame's size.
  config.evaluation.original_pck = 12.0
  config.evaluation.samples = (5, 10, 50, 100, 500)
  return config
