"""What a config's values must be, said in one line where they are not."""

import math
import numbers
from collections.abc import Callable
from typing import Any

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks import geometry
from eqlandmarks import models
from eqlandmarks import regression
from eqlandmarks import runs
from eqlandmarks import warps
from eqlandmarks.datasets import registry
from eqlandmarks.training import objectives

_Rule = tuple[Callable[[Any], bool], str]


def _number(check: Callable[[Any], bool], expected: str) -> _Rule:
  return (lambda v: _is_number(v) and check(v), expected)


def _is_number(value: Any) -> bool:
  return isinstance(value, numbers.Real) and math.isfinite(value)


def _are_distinct(values: Any) -> bool:
  return len(set(values)) == len(values)


def _integer(least: int) -> _Rule:
  return (
      lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
      f'a whole number of at least {least}',
  )


def _one_of(*choices: str) -> _Rule:
  names = ', '.join(choice or "''" for choice in choices)
  return (lambda v: v in choices, f'one of {names}')


_SEED = (
    lambda v: isinstance(v, int) and 0 <= v < 2**32,
    'a whole number from 0 to 4294967295',
)
_POSITIVE = _number(lambda v: v > 0, 'a number above 0')
_NOT_NEGATIVE = _number(lambda v: v >= 0, 'a number of at least 0')
_SHARE = _number(lambda v: 0 <= v <= 1, 'a number from 0 to 1')
_WIDTHS = (
    lambda v: len(v) == 4 and all(isinstance(w, int) and w >= 1 for w in v),
    'four whole numbers, the channels of the encoder blocks',
)
_DISTANCES = (
    lambda v: len(v) > 0 and _are_distinct(v)
    and all(_is_number(d) and d >= 0 for d in v),
    'distances of at least 0, in pixels of a 128-pixel image',
)

_LAYERS = (
    lambda v: 1 in v and _are_distinct(v)
    and all(type(layer) is int and 1 <= layer <= 4 for layer in v),
    'layers out of 1, 2, 3, 4, each once, with 1 among them',
)
_COUNTS = (
    lambda v: _are_distinct(v) and all(type(n) is int and n >= 1 for n in v),
    'different whole numbers of at least 1',
)

_METHOD = (
    lambda v: v in ('', *runs.METHODS),
    "'' or one of " + ', '.join(runs.METHODS),
)
_FORMATS = (
    lambda v: len(v) > 0 and _are_distinct(v)
    and all(form in formats.FORMATS for form in v),
    'different names out of ' + ', '.join(formats.FORMATS),
)

_WARP = {
    'rotation': _NOT_NEGATIVE,
    'zoom': _NOT_NEGATIVE,
    'aspect': _NOT_NEGATIVE,
    'translation': _NOT_NEGATIVE,
    'elastic': _NOT_NEGATIVE,
    'grid': _integer(4),
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
    'learning_rate': _POSITIVE,
    'decay': _number(lambda v: 0 < v <= 1, 'a factor above 0, at most 1'),
    'l2': _NOT_NEGATIVE,
    'clip_norm': _NOT_NEGATIVE,
    'warp': _WARP,
    'appearance': _APPEARANCE,
}
_RULES = {
    'seed': _SEED,
    'image_size': _integer(32),
    'num_landmarks': _integer(1),
    'batch_size': _integer(1),
    'dtype': _one_of('float32', 'bfloat16'),
    'accumulate': _integer(1),
    'dataset': {
        'name': _one_of(*registry.NAMES),
        'memory_gib': _NOT_NEGATIVE,
        'crop_margin': _NOT_NEGATIVE,
        'seed': _SEED,
        'outside': _one_of('error', 'missing'),
        'min_likelihood': _SHARE,
        'every': _integer(1),
        'test_share': _number(lambda v: 0 <= v < 1, 'a share below 1'),
    },
    'model': {
        'widths': _WIDTHS,
        'features': _integer(1),
        'norm': _one_of(*models.NORMS),
        'landmark_width': _integer(1),
        'landmark_blocks': _integer(1),
        'landmark_dilation': _integer(1),
        'heatmap_scale': _POSITIVE,
    },
    'pretrain': {
        **_STAGE,
        'num_locations': _integer(2),
        'negatives': _one_of('batch', 'image'),
        'temperature': _POSITIVE,
    },
    'discover': {
        **_STAGE,
        'patch': _integer(1),
        'features_rate': _POSITIVE,
        'weights': {
            'equivariance': _NOT_NEGATIVE,
            'diversity': _NOT_NEGATIVE,
            'variance': _NOT_NEGATIVE,
        },
    },
    'end_to_end': {'num_epochs': _integer(1)},
    'regression': {
        'alpha': _NOT_NEGATIVE,
        'origin': _one_of(*regression.ORIGINS),
        'unit': _one_of(*regression.UNITS),
    },
    'evaluation': {
        'distances': _DISTANCES,
        'curve_step': _POSITIVE,
        'layers': _LAYERS,
        'pck': _POSITIVE,
        'original_pck': _NOT_NEGATIVE,
        'samples': _COUNTS,
        'repeats': _integer(1),
        'warp': _WARP,
        'warps_per_image': _integer(1),
        'batch_size': _integer(1),
        'checkpoint': _one_of('last', 'best'),
        'sheet_images': _integer(1),
    },
    'ablation': {
        'num_seeds': _integer(1),
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
        'every_seconds': _NOT_NEGATIVE,
        'every_steps': _integer(0),
        'keep': _integer(1),
        'best': _one_of('', *objectives.TERMS),
    },
}


def check(config: Any) -> None:
  """Checks the values of a config's fields.

  Raises:
    UserError: naming the first field that is wrong, its value, and what was
      expected.
  """
  _check(config, _RULES, '')
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
          f'config.{prefix}{name} is {value!r}, expected {expected}.'
      )
  if rules is _WARP:
    _check_elastic(config, prefix)
