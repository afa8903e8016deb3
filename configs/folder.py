r"""Any folder of images, with or without labels, at 64 x 64.

    python main.py --config=configs/folder.py --workdir=runs/mine \
        --config.dataset.root=IMAGES

With labels, add --config.dataset.labels=TABLE.csv, any other label file, or
--config.dataset.labels=deeplabcut: see docs/own_images.md. Variants, both at
128 x 128, for a GPU: `folder.py:best128`, the same recipe; `folder.py:paper`,
the paper's (docs/recipes.md).
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '', 'best128' or 'paper'."""
  config = common.get_config('folder')
  if variant not in ('', 'best128', 'paper'):
    raise presets.unknown(variant, '', 'best128', 'paper')
  config.num_landmarks = 30
  if variant == 'paper':
    return config
  common.best(config)
  if variant == 'best128':
    # A few thousand images leave time for more passes than the paper's.
    config.pretrain.num_epochs = config.discover.num_epochs = 30
    config.end_to_end.num_epochs = 60
    return config
  common.small(config)
  return config
