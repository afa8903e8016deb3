r"""Any folder of images, with or without labels, at 64 x 64.

    python main.py --config=configs/folder.py --workdir=runs/mine \
        --config.dataset.root=IMAGES

With labels, add --config.dataset.labels=TABLE.csv, any other label file, or
--config.dataset.labels=deeplabcut: see docs/own_images.md. Variant:
`folder.py:paper`, the paper's settings at 128 x 128, for a GPU.
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common


def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '' or 'paper'."""
  config = common.get_config('folder')
  if variant == 'paper':
    return config
  if variant:
    raise ValueError(f"variant is {variant!r}, expected '' or 'paper'.")
  common.small(config)
  config.model.landmark_width = 24
  config.pretrain.num_epochs = 10
  config.discover.num_epochs = 8
  # The recipe that held on all of articulated people, lips and a mouse: F goes
  # on learning in stage 2, a tenth as fast as T. A frozen F (the paper's) is as
  # good on people and on the mouse, and worse on lips; at T's own rate F loses
  # on people (docs/method.md).
  config.discover.train_features = True
  config.discover.features_rate = 0.1
  config.end_to_end.num_epochs = 18
  # Stronger than on signer, and without its fine bends: better on lips.
  config.pretrain.appearance.update(
      brightness=0.4, contrast=0.5, saturation=0.8, hue=0.5, noise=0.1
  )
  config.pretrain.warp.rotation = 20.0
  for stage in (config.pretrain, config.discover):
    stage.warp.update(grid=5, elastic=0.04)
  return config
