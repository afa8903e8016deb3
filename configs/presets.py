"""The compared methods, each as what it changes in a config.

    python main.py --config=configs/signer.py:imm --workdir=runs/imm

Every config takes their names as variants, alone or after another one with a
comma: `signer.py:tiny,dve`, `celeba.py:paper,k30,fse`. docs/compared_methods.md
says what each is; images, nets, warps, epochs and the regression stay those of
the config.
"""

import functools
from collections.abc import Callable

from ml_collections import ConfigDict

from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs
from eqlandmarks.training.pairs import warped

# Annotated points of the datasets that always have the same ones.
_NUM_POINTS = {'signer': 7, 'bbc_pose': 7, 'cat_head': 9, 'celeba': 5}


# Fields that go with the config's images, and stay.
_SIZES = ('patch',)


def _use(section: ConfigDict, name: str) -> None:
  """Makes a stage's objective another one, with weights of its own."""
  if section.objective == name:
    return
  own = objectives.load(name).section()
  sizes = {n: section[n] for n in _SIZES if n in section and n in own}
  objectives.use(section, name)
  section.update(own)
  section.update(sizes)


def landmarks(config: ConfigDict) -> None:
  """Stage 2 as in the paper, which is what our configs have anyway."""
  _use(config.discover, 'landmarks')


def fse(config: ConfigDict) -> None:
  """Stage 2 by Thewlis et al., 2017, Unsupervised learning of landmarks."""
  _use(config.discover, 'fse')


def fse_net(config: ConfigDict) -> None:
  """The same with its own net, for 128-pixel images and --mode=end_to_end."""
  fse(config)
  config.model.update(net='fse', norm='batch', heatmap_scale=1.0)


def lmdis(config: ConfigDict) -> None:
  """Stage 2 by Zhang et al., 2018, without its decoder."""
  _use(config.discover, 'lmdis')


def imm(config: ConfigDict) -> None:
  """Stage 2 by Jakab et al., 2018: conditional image generation."""
  _use(config.discover, 'imm')
  # What it draws is the other view as it is.
  config.discover.appearance = warped.appearance_section()
  _halve(config)


def imm_video(config: ConfigDict) -> None:
  """The same on pairs of frames: one is drawn with the other one's looks."""
  imm(config)
  _use_frames(config)


def _use_frames(config: ConfigDict) -> None:
  """Trains stage 2 on pairs of frames, where the dataset can give some."""
  pairs.use(config.discover, 'frames')
  if config.dataset.name == 'signer' and config.dataset.frames == 1:
    config.dataset.frames = 4
  elif config.dataset.name == 'bbc_pose':
    # Both frames of a pair must show the same part of the picture.
    config.dataset.crop = 'whole'


def _halve(config: ConfigDict) -> None:
  """Takes a size that halves four times: 96 in the place of Cat Head's 100."""
  config.image_size -= config.image_size % 16


def dve(config: ConfigDict) -> None:
  """Stage 1 by Thewlis et al., 2019: exchange with another image."""
  _use(config.pretrain, 'exchange')


def labelling(config: ConfigDict) -> None:
  """Stage 1 by Thewlis et al., 2017, Dense equivariant image labelling."""
  _use(config.pretrain, 'labelling')
  # As few numbers as this leave no room for what tells objects apart.
  config.model.features = 3


def moving(config: ConfigDict) -> None:
  """Stage 2 on pairs of frames: landmarks follow, and cover, what moves."""
  _use(config.discover, 'moving')
  _halve(config)
  _use_frames(config)


def supervised(config: ConfigDict) -> None:
  """Stage 2 by annotations: the ceiling.

  Of your own images, num_landmarks must be set to the number of their points.
  """
  _use(config.discover, 'supervised')
  config.num_landmarks = _NUM_POINTS.get(
      config.dataset.name, config.num_landmarks
  )


PRESETS = {
    preset.__name__: preset
    for preset in (
        landmarks, fse, fse_net, lmdis, imm, imm_video, dve, labelling,
        moving, supervised,
    )
}


def with_presets(
    get_config: Callable[[str], ConfigDict],
) -> Callable[[str], ConfigDict]:
  """Lets a config take presets beside the variants that it has."""

  @functools.wraps(get_config)
  def with_preset(variant: str = '') -> ConfigDict:
    names = variant.split(',')
    rest = [name for name in names if name not in PRESETS]
    config = get_config(','.join(rest))
    for name in names:
      if name in PRESETS:
        PRESETS[name](config)
    return config

  return with_preset


def unknown(variant: str, *expected: str) -> ValueError:
  """What a config raises for a variant that it has not."""
  *first, last = map(repr, expected)
  return ValueError(
      f'variant is {variant!r}, expected {", ".join(first)} or {last}; or one '
      f'of {", ".join(PRESETS)}, alone or after it with a comma.'
  )
