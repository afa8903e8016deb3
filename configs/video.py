r"""A video or a folder of videos, with or without labels, at 64 x 64.

    python main.py --config=configs/video.py --workdir=runs/mine \
        --config.dataset.root=VIDEO.mp4 --config.dataset.every=5

How to choose every, K, the crop and the rest: docs/own_video.md. The recipe is
that of configs/folder.py. Variants, both at 128 x 128, for a GPU:
`video.py:best128`, the same recipe; `video.py:paper`, the paper's.
"""

from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.configs import folder
from eqlandmarks.configs import presets


@presets.with_presets
def get_config(variant: str = '') -> ConfigDict:
  """The config of a variant: '', 'best128' or 'paper'."""
  config = folder.get_config(variant)
  config.dataset = common.dataset('video')
  return config
