"""The form of every figure: a record with its protocol.

A record is a dict that JSON can hold:

    dataset, split   what was measured on
    method           two_stage, unfrozen, end_to_end; or one of `FLOORS`
    metric           see docs/evaluation.md
    at               the distance d of a share or of Acc(d); of a curve, the
                     list of its distances; None
    point            an annotation's name, a group's, a landmark's, or all
    layer            of Acc(d); None
    value            the figure; of a curve, the list of its values; None where
                     there was nothing to measure
    std              standard deviation, over seeds or over repeats
    stderr           standard error over images, of one run
    count            how many values the figure is the mean of
    protocol         all that the figure depends on
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np

from eqlandmarks import disk

# Methods that train nothing, under all others.
FLOORS = ('mean_shape', 'random')

# Metrics that are given for each landmark.
PER_LANDMARK = ('equivariance_px', 'backward_px', 'spread_px')

# The same, as `stored.read_json` has it.
FORM = {
    'dataset': str,
    'split': str,
    'method': str,
    'metric': str,
    'at': (int, float, list, NoneType),
    'point': str,
    'layer': (int, NoneType),
    'value': (int, float, list, NoneType),
    'std': (int, float, list, NoneType),
    'stderr': (int, float, list, NoneType),
    'protocol': {'seed?': int, 'seeds?': [int]},
}

_SAME = ('method', 'metric', 'at', 'point', 'layer')


def select(
    records: Sequence[dict[str, Any]], **wanted: Any
) -> list[dict[str, Any]]:
  """The records whose fields, or fields of the protocol, have these values."""
  return [
      record
      for record in records
      if all(
          record.get(name, record['protocol'].get(name)) == value
          for name, value in wanted.items()
      )
  ]


def over_seeds(
    runs: Sequence[Sequence[dict[str, Any]]],
) -> list[dict[str, Any]]:
  """Mean and standard deviation over seeds of the same figures.

  Figures of single landmarks are left out: landmark 3 of one seed has nothing
  to do with landmark 3 of another.

  Args:
    runs: the records of each seed.

  Returns:
    The records of the first seed, with `value` and `std` over all of them, and
    `protocol['seeds']` in the place of `protocol['seed']`. A figure that varies
    within each run already (over repeats) has both variances added.
  """
  groups: dict[Any, list[dict[str, Any]]] = {}
  for run in runs:
    for record in run:
      groups.setdefault(_key(record), []).append(record)
  return [
      _merge(group)
      for group in groups.values()
      if group[0]['metric'] not in PER_LANDMARK or group[0]['point'] == 'all'
  ]


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
  protocol = record['protocol']
  return (
      *(str(record[name]) for name in _SAME),
      str(protocol.get('budgets')),
      protocol.get('fit_images'),
  )


def _merge(group: list[dict[str, Any]]) -> dict[str, Any]:
  first = group[0]
  merged = {**first, 'protocol': dict(first['protocol']), 'stderr': None}
  merged['protocol'].pop('seed')
  merged['protocol']['seeds'] = [r['protocol']['seed'] for r in group]
  if any(record['value'] is None for record in group):
    return {**merged, 'value': None, 'std': None}
  values = np.array([record['value'] for record in group], np.float64)
  merged['value'] = values.mean(axis=0).tolist()
  # A floor is the same for every seed: it has no spread to speak of.
  if len(group) > 1 and first['method'] not in FLOORS:
    variance = values.var(axis=0, ddof=1)
    if first['std'] is not None:
      variance = variance + np.mean([record['std'] ** 2 for record in group])
    merged['std'] = np.sqrt(variance).tolist()
  return merged


def dataset_name(dataset: Any) -> str:
  """What the figures are called by: a folder's own name, say."""
  if dataset.name == 'folder':
    return disk.expanded(dataset.root).resolve().name
  return dataset.name


def base_protocol(
    config: Any, fit_split: Any | None, test_split: Any
) -> dict[str, Any]:
  """What every figure of a run depends on.

  Args:
    config: a config with the fields of configs/common.py.
    fit_split: a `loader.Split` that the regressor is fitted on, or None.
    test_split: a `loader.Split` that is scored.
  """
  fields = config.regression.to_dict()
  fields['intercept'] = fields.pop('fit_intercept')
  fit = None if fit_split is None else fit_split.points
  return {
      'image_size': config.image_size,
      'resize': 'squashed to a square',
      'unit': 'px at 128',
      'num_landmarks': config.num_landmarks,
      'fit_images': 0 if fit is None else len(fit),
      'test_images': len(test_split),
      'missing_in_fit': 0 if fit is None else _missing(fit),
      'missing_in_test': _missing(test_split.points),
      'seed': config.seed,
      'learning_rate': config.discover.learning_rate,
      'weights': config.discover.weights.to_dict(),
      'regression': fields,
  }


def _missing(points: np.ndarray) -> int:
  return int(np.isnan(points).any(axis=-1).sum())
