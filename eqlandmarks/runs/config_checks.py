"""What a config's values must be, said in one line where they are not."""

import math
from collections.abc import Callable
from typing import Any

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks import geometry
from eqlandmarks import models
from eqlandmarks import regression
from eqlandmarks import warps
from eqlandmarks.datasets import by_name
from eqlandmarks.runs import config_types
from eqlandmarks.runs import run
from eqlandmarks.training import objectives

_Rule = tuple[Callable[[Any], bool], str]

# Beyond all reason: larger images, nets and counts than any machine has room
# for. What a machine has no room for is found by `eqlandmarks.system.memory`.
_SIDE = 8192
_CHANNELS = 65_536
_MANY = 1_000_000
_LARGE = 1e9
# Float32 still has its square.
_SMALL = 1e-18


def _number(check: Callable[[Any], bool], expected: str) -> _Rule:
  return (lambda v: _is_number(v) and check(v), expected)


def _is_number(value: Any) -> bool:
  # Compared, since no float is as large as some whole numbers are.
  return (
      isinstance(value, (int, float))
      and not isinstance(value, bool)
      and -math.inf < value < math.inf
  )


def _is_whole(value: Any, least: int, most: int) -> bool:
  return type(value) is int and least <= value <= most


def _are_distinct(values: Any) -> bool:
  return len(set(values)) == len(values)


def _integer(least: int, most: int = _MANY) -> _Rule:
  return (
      lambda v: _is_whole(v, least, most),
      f'a whole number of at least {least} and at most {most}',
  )


def _one_of(*choices: str) -> _Rule:
  names = ', '.join(choice or "''" for choice in choices)
  return (lambda v: v in choices, f'one of {names}')


def _positive(most: float = _LARGE) -> _Rule:
  return _number(
      lambda v: _SMALL <= v <= most, f'a number from {_SMALL:g} to {most:g}'
  )


def _not_negative(most: float = _LARGE) -> _Rule:
  return _number(
      lambda v: 0 <= v <= most, f'a number of at least 0, at most {most:g}'
  )


_SEED = (
    lambda v: _is_whole(v, 0, 2**32 - 1),
    'a whole number from 0 to 4294967295',
)
_SHARE = _number(lambda v: 0 <= v <= 1, 'a number from 0 to 1')
_WIDTHS = (
    lambda v: len(v) == 4 and all(_is_whole(w, 1, _CHANNELS) for w in v),
    f'four whole numbers from 1 to {_CHANNELS}, the channels of the encoder '
    'blocks',
)
_DISTANCES = (
    lambda v: 0 < len(v) <= 100
    and all(_is_number(d) and 0 <= d <= _LARGE for d in v)
    and _are_distinct(v),
    f'up to 100 different distances from 0 to {_LARGE:g}, in pixels of a '
    '128-pixel image',
)

_LAYERS = (
    lambda v: all(_is_whole(layer, 1, 4) for layer in v)
    and 1 in v and _are_distinct(v),
    'layers out of 1, 2, 3, 4, each once, with 1 among them',
)
_COUNTS = (
    lambda v: all(_is_whole(n, 1, _MANY) for n in v) and _are_distinct(v),
    f'different whole numbers from 1 to {_MANY}',
)

_METHOD = (
    lambda v: v in ('', *run.METHODS),
    "'' or one of " + ', '.join(run.METHODS),
)
_FORMATS = (
    lambda v: len(v) > 0
    and all(isinstance(form, str) and form in formats.FORMATS for form in v)
    and _are_distinct(v),
    'different names out of ' + ', '.join(formats.FORMATS),
)

_WARP = {
    'rotation': _not_negative(360),
    'zoom': _not_negative(100),
    'aspect': _not_negative(100),
    'translation': _not_negative(100),
    'elastic': _not_negative(),
    'grid': _integer(4, 512),
    'border': _one_of(*geometry.BORDERS),
}
_APPEARANCE = {
    'brightness': _SHARE,
    'contrast': _SHARE,
    'saturation': _SHARE,
    'hue': _SHARE,
    'noise': _SHARE,
}
_STAGE = {
    'num_epochs': _integer(1),
    'learning_rate': _positive(1e18),
    'decay': _number(lambda v: 0 < v <= 1, 'a factor above 0, at most 1'),
    'l2': _not_negative(),
    'clip_norm': _not_negative(),
    'warp': _WARP,
    'appearance': _APPEARANCE,
}
_RULES = {
    'seed': _SEED,
    'image_size': _integer(32, _SIDE),
    'num_landmarks': _integer(1, _CHANNELS),
    'batch_size': _integer(1),
    'dtype': _one_of('float32', 'bfloat16'),
    'accumulate': _integer(1),
    'dataset': {
        'memory_gib': _not_negative(),
    },
    'model': {
        'widths': _WIDTHS,
        'features': _integer(1, _CHANNELS),
        'norm': _one_of(*models.NORMS),
        'landmark_width': _integer(1, _CHANNELS),
        'landmark_blocks': _integer(1, 100),
        'landmark_dilation': _integer(1, _SIDE),
        'heatmap_scale': _positive(),
    },
    'pretrain': {
        **_STAGE,
        'num_locations': _integer(2),
        'negatives': _one_of('batch', 'image'),
        'temperature': _positive(),
    },
    'discover': {
        **_STAGE,
        'patch': _integer(1, _SIDE),
        'features_rate': _positive(),
        'weights': {
            'equivariance': _not_negative(),
            'diversity': _not_negative(),
            'variance': _not_negative(),
        },
    },
    'end_to_end': {'num_epochs': _integer(1)},
    'regression': {
        'alpha': _not_negative(1e18),
        'origin': _one_of(*regression.ORIGINS),
        'unit': _one_of(*regression.UNITS),
    },
    'evaluation': {
        'distances': _DISTANCES,
        # Each record of a curve holds all of its distances.
        'curve_step': _number(
            lambda v: 0.01 <= v <= 128, 'a number from 0.01 to 128'
        ),
        'layers': _LAYERS,
        'pck': _positive(),
        'original_pck': _not_negative(),
        'samples': _COUNTS,
        'repeats': _integer(1, 10_000),
        'warp': _WARP,
        'warps_per_image': _integer(1, 1000),
        'batch_size': _integer(1),
        'checkpoint': _one_of('last', 'best'),
        'sheet_images': _integer(1, 1000),
    },
    'ablation': {
        'num_seeds': _integer(1, 1000),
        'share': _number(lambda v: 0 < v <= 1, 'a share above 0, at most 1'),
    },
    'predict': {
        'method': _METHOD,
        'formats': _FORMATS,
        'batch_size': _integer(1),
        'overlays': _integer(0),
        'trail': _integer(0),
        'uncertain': _integer(0),
    },
    'export': {'method': _METHOD},
    'checkpoint': {
        'every_seconds': _not_negative(),
        'every_steps': _integer(0, 2**31 - 1),
        'keep': _integer(1),
        'best': _one_of('', *objectives.TERMS),
    },
}


def check(config: Any) -> None:
  """Checks a config: its fields, their types, and their values.

  Raises:
    UserError: naming the fields that differ from those of configs/common.py, or
      the first one whose value is wrong, and what was expected.
  """
  config_types.check(config)
  _check(config, _RULES, '')
  by_name.options(config.dataset)
  pixels = config.image_size**2
  if config.pretrain.num_locations > pixels:
    raise errors.UserError(
        f'config.pretrain.num_locations is {config.pretrain.num_locations}, '
        f'expected at most {pixels}, the pixels of an image of '
        f'config.image_size, {config.image_size}.'
    )
  for name in ('discover.patch', 'model.landmark_dilation'):
    group, field = name.split('.')
    if config[group][field] > config.image_size:
      raise errors.UserError(
          f'config.{name} is {config[group][field]}, expected at most '
          f"config.image_size, {config.image_size}: both are in the images' "
          'pixels.'
      )
  if config.evaluation.checkpoint == 'best' and not config.checkpoint.best:
    raise errors.UserError(
        "config.evaluation.checkpoint is 'best', but config.checkpoint.best is "
        "''; expected the metric by which the best one was kept."
    )


def _check_elastic(warp: Any, name: str) -> None:
  limit = warps.MAX_STEEPNESS / (warp.grid - 3)
  if warp.elastic > limit:
    raise errors.UserError(
        f'config.{name}elastic is {warp.elastic!r}, expected at most '
        f'{limit:.3g} with {name}grid={warp.grid}: beyond, warps fold the '
        'image.'
    )


def _check(config: Any, rules: dict[str, Any], prefix: str) -> None:
  for name, rule in rules.items():
    value = config[name]
    if isinstance(rule, dict):
      _check(value, rule, f'{prefix}{name}.')
      continue
    valid, expected = rule
    if not valid(value):
      raise errors.UserError(
          f'config.{prefix}{name} is {config_types.shown(value)}, expected '
          f'{expected}.'
      )
  if rules is _WARP:
    _check_elastic(config, prefix)
