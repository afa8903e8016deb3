"""What a config's values must be, said in one line where they are not."""

from typing import Any

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks import models
from eqlandmarks import regression
from eqlandmarks.configs import presets
from eqlandmarks.datasets import by_name
from eqlandmarks.runs import config_types
from eqlandmarks.system import field_rules as rules
from eqlandmarks.training import methods
from eqlandmarks.training import stages
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs
from eqlandmarks.training.pairs import warped

# Beyond all reason, as the bounds of `field_rules`.
_CHANNELS = 65_536
_FAR = 1e9
# Where the net of factorised spatial embeddings has 10 x 10 cells left.
_FSE_SIDE = 64


def _are_distinct(values: Any) -> bool:
  return len(set(values)) == len(values)


_WIDTHS = (
    lambda v: len(v) == 4 and all(rules.is_whole(w, 1, _CHANNELS) for w in v),
    f'four whole numbers from 1 to {_CHANNELS}, the channels of the encoder '
    'blocks',
)
_DISTANCES = (
    lambda v: 0 < len(v) <= 100
    and all(rules.is_number(d) and 0 <= d <= _FAR for d in v)
    and _are_distinct(v),
    f'up to 100 different distances from 0 to {_FAR:g}, in pixels of a '
    '128-pixel image',
)

_LAYERS = (
    lambda v: all(rules.is_whole(layer, 1, 4) for layer in v)
    and 1 in v and _are_distinct(v),
    'layers out of 1, 2, 3, 4, each once, with 1 among them',
)
_COUNTS = (
    lambda v: all(rules.is_whole(n, 1, rules.MANY) for n in v)
    and _are_distinct(v),
    f'different whole numbers from 1 to {rules.MANY}',
)
_FPS = rules.number(
    lambda v: v == 0 or 1 <= v <= 1000, 'a number from 1 to 1000, or 0'
)
_METHOD = (
    lambda v: v in ('', *methods.METHODS),
    "'' or one of " + ', '.join(methods.METHODS),
)
_FORMATS = (
    lambda v: len(v) > 0
    and all(isinstance(form, str) and form in formats.FORMATS for form in v)
    and _are_distinct(v),
    'different names out of ' + ', '.join(formats.FORMATS),
)
_PRESETS = (
    lambda v: len(v) > 0
    and all(isinstance(name, str) and name in presets.PRESETS for name in v)
    and _are_distinct(v),
    'different names out of ' + ', '.join(presets.PRESETS),
)

_STAGE = {
    'num_epochs': rules.integer(1),
    'learning_rate': rules.positive(1e18),
    'decay': rules.number(lambda v: 0 < v <= 1, 'a factor above 0, at most 1'),
    'l2': rules.not_negative(),
    'clip_norm': rules.not_negative(),
}
# The net that the objective of a stage trains.
_TRAINS = {stages.PRETRAIN: models.FEATURES, stages.DISCOVER: models.LANDMARKS}
_RULES = {
    'seed': rules.SEED,
    'image_size': rules.integer(32, rules.SIDE),
    'num_landmarks': rules.integer(1, _CHANNELS),
    'batch_size': rules.integer(1),
    'dtype': rules.one_of('float32', 'bfloat16'),
    'accumulate': rules.integer(1),
    'dataset': {'memory_gib': rules.not_negative()},
    'model': {
        'net': rules.one_of(*models.NETS),
        'widths': _WIDTHS,
        'features': rules.integer(1, _CHANNELS),
        'norm': rules.one_of(*models.NORMS),
        'landmark_width': rules.integer(1, _CHANNELS),
        'landmark_blocks': rules.integer(1, 100),
        'landmark_dilation': rules.integer(1, rules.SIDE),
        'heatmap_scale': rules.positive(),
    },
    'pretrain': _STAGE,
    'discover': {**_STAGE, 'features_rate': rules.positive()},
    'end_to_end': {'num_epochs': rules.integer(1)},
    'regression': {
        'alpha': rules.not_negative(1e18),
        'origin': rules.one_of(*regression.ORIGINS),
        'unit': rules.one_of(*regression.UNITS),
    },
    'evaluation': {
        'distances': _DISTANCES,
        # Each record of a curve holds all of its distances.
        'curve_step': rules.number(
            lambda v: 0.01 <= v <= 128, 'a number from 0.01 to 128'
        ),
        'layers': _LAYERS,
        'pck': rules.positive(),
        'original_pck': rules.not_negative(),
        'samples': _COUNTS,
        'repeats': rules.integer(1, 10_000),
        'warp': warped.WARP_RULES,
        'warps_per_image': rules.integer(1, 1000),
        'batch_size': rules.integer(1),
        'checkpoint': rules.one_of('last', 'best'),
        'sheet_images': rules.integer(1, 1000),
    },
    'ablation': {
        'num_seeds': rules.integer(1, 1000),
        'share': rules.number(
            lambda v: 0 < v <= 1, 'a share above 0, at most 1'
        ),
    },
    'grid': {'presets': _PRESETS},
    'predict': {
        'method': _METHOD,
        'formats': _FORMATS,
        'batch_size': rules.integer(1),
        'overlays': rules.integer(0),
        'trail': rules.integer(0),
        'uncertain': rules.integer(0),
        'fps': _FPS,
    },
    'label': {'frames': rules.integer(1, 200)},
    'export': {'method': _METHOD},
    'checkpoint': {
        'every_seconds': rules.not_negative(),
        'every_steps': rules.integer(0, 2**31 - 1),
        'keep': rules.integer(1),
    },
}


def check(config: Any) -> None:
  """Checks a config: its fields, their types, and their values.

  Raises:
    UserError: naming the fields that differ from those of configs/common.py, or
      the first one whose value is wrong, and what was expected.
  """
  config_types.check(config)
  rules.check(config, config, _RULES)
  by_name.options(config.dataset)
  metrics = ['', 'loss']
  for name in (stages.PRETRAIN, stages.DISCOVER):
    metrics += _check_stage(config, name).logged(config[name])
  best = {'best': rules.one_of(*metrics)}
  rules.check(config, config.checkpoint, best, 'checkpoint.')
  if config.model.net == 'fse' and config.image_size < _FSE_SIDE:
    raise errors.UserError(
        f'config.image_size is {config.image_size}, expected at least '
        f"{_FSE_SIDE} with config.model.net='fse', which leaves out a rim of "
        '22 pixels.'
    )
  if config.model.landmark_dilation > config.image_size:
    raise errors.UserError(
        'config.model.landmark_dilation is '
        f'{config.model.landmark_dilation}, expected at most '
        f"config.image_size, {config.image_size}: both are in the images' "
        'pixels.'
    )
  if config.evaluation.checkpoint == 'best' and not config.checkpoint.best:
    raise errors.UserError(
        "config.evaluation.checkpoint is 'best', but config.checkpoint.best is "
        "''; expected the metric by which the best one was kept."
    )


def _check_stage(config: Any, name: str) -> objectives.Objective:
  """Checks the section of a stage; returns its objective."""
  section, prefix = config[name], f'{name}.'
  objective = objectives.load(section.objective, name)
  pair = pairs.load(section.pair, name)
  if {*objective.trains} - {models.RENDERER} != {_TRAINS[name]}:
    raise errors.UserError(
        f'config.{name}.objective is {section.objective!r}, which trains '
        f'{", ".join(objective.trains)}; expected one that trains '
        f'{_TRAINS[name]}.'
    )
  if models.RENDERER in objective.trains and config.model.net == 'fse':
    raise errors.UserError(
        "config.model.net is 'fse', expected 'hourglass' with "
        f'config.{name}.objective {section.objective!r}, which draws images.'
    )
  if objective.needs_map and not pair.has_map:
    raise errors.UserError(
        f'config.{name}.pair is {section.pair!r}, which does not tell where '
        'the points of a view are in the other; expected one that does, for '
        f'config.{name}.objective {section.objective!r}.'
    )
  if objective.needs_frame and not pair.has_frame:
    raise errors.UserError(
        f'config.{name}.pair is {section.pair!r}, expected one of two frames '
        f"of a clip, such as 'frames', for config.{name}.objective "
        f'{section.objective!r}.'
    )
  if objective.needs_labels and pair.has_frame:
    raise errors.UserError(
        f'config.{name}.pair is {section.pair!r}, expected one of single '
        f'images for config.{name}.objective {section.objective!r}.'
    )
  for table in (pair.rules, objective.rules):
    rules.check(config, section, table, prefix)
  return objective
