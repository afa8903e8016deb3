"""The main job: seven body joints on the built-in dataset, at 64 x 64.

    python main.py --config=configs/signer.py --workdir=runs/signer

Variants: `signer.py:tiny`, a whole run in under a minute, to see that all
works; at 128 x 128, for a GPU, `signer.py:best128`, the same recipe, and
`signer.py:paper`, the paper's (docs/recipes.md).
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '', 'tiny', 'best128' or 'paper'."""
  config = common.get_config()
  if variant == 'paper':
    return config
  common.best(config)
  # Arms move against the body: the paper's frozen F is better here.
  config.discover.train_features = False
  if variant == 'best128':
    return config
  common.small(config)
  config.num_landmarks = 50
  config.discover.num_epochs = 10
  config.end_to_end.num_epochs = 20
  # 6 + 6 epochs, so that three seeds of all methods fit in 45 minutes.
  config.ablation.share = 0.6
  if variant == 'tiny':
    _tiny(config)
  elif variant:
    raise presets.unknown(variant, '', 'tiny', 'best128', 'paper')
  return config


def _tiny(config: ConfigDict) -> None:
  config.image_size = 32
  config.num_landmarks = 10
  config.dataset.num_train = 64
  config.dataset.num_validation = 32
  config.dataset.num_test = 32
  config.model.widths = (8, 8, 16, 16)
  config.model.features = 16
  config.model.landmark_width = 8
  config.pretrain.num_epochs = 2
  config.pretrain.num_locations = 16
  config.discover.num_epochs = 2
  config.end_to_end.num_epochs = 2
  config.ablation.num_seeds = 2
  config.ablation.share = 1.0
