"""The form of every figure: a record with its protocol.

A record is a dict that JSON can hold:

    dataset, split   what was measured on: the split's own name, that of images
                     which were trained on where there are no test images
    method           two_stage, unfrozen, end_to_end; or one of `FLOORS`
    budget           of a comparison, the first of `ablation.BUDGETS` that the
                     training's length stands for; None
    metric           see docs/evaluation.md
    at               the distance d of a share or of Acc(d); of a curve, the
                     list of its distances; None
    point            an annotation's name, a group's, a landmark's, or all
    layer            of Acc(d); None
    fit_images       annotated images that the regressor is fitted on; None of a
                     figure without one
    value            the figure; of a curve, the list of its values; None where
                     there was nothing to measure
    std              standard deviation, over seeds or over repeats
    stderr           standard error over images, of one run
    count            how many values the figure is the mean of (of `extent_px`
                     the median): points, landmarks or images, or draws of
                     `samples_...`; over seeds, those of all seeds together. Of
                     a floor, those of one seed, as it is the same for all
    protocol         all that the figure depends on

The records of one results.json differ in (method, budget, metric, at, point,
layer, fit_images).
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np

from eqlandmarks.system import file_names

# Methods that train nothing, under all others.
FLOORS = ('mean_shape', 'random')

# Metrics that are given for each landmark.
PER_LANDMARK = ('equivariance_px', 'backward_px', 'spread_px')

# The same, as `stored.read_json` has it.
FORM = {
    'dataset': str,
    'split': str,
    'method': str,
    'budget?': (str, NoneType),
    'metric': str,
    'at': (int, float, list, NoneType),
    'point': str,
    'layer': (int, NoneType),
    'fit_images?': (int, NoneType),
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
    The records of the first seed, with `value`, `std` and `count` over all of
    them, and `protocol['seeds']` in the place of `protocol['seed']`; any other
    field of the protocol that differs from seed to seed holds a list of theirs.
    A figure that varies within each run already (over repeats) has both
    variances added.
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
  protocol = _merged_protocol([record['protocol'] for record in group])
  merged = {**first, 'protocol': protocol, 'stderr': None}
  # A floor is the same for every seed: it has no spread to speak of.
  if first['method'] in FLOORS:
    return merged
  if any(record['value'] is None for record in group):
    return {**merged, 'value': None, 'std': None, 'count': 0}
  values = np.array([record['value'] for record in group], np.float64)
  merged['value'] = values.mean(axis=0).tolist()
  merged['count'] = sum(record['count'] for record in group)
  if len(group) > 1:
    variance = values.var(axis=0, ddof=1)
    if first['std'] is not None:
      variance = variance + np.mean([record['std'] ** 2 for record in group])
    merged['std'] = np.sqrt(variance).tolist()
  return merged


def _merged_protocol(protocols: Sequence[dict[str, Any]]) -> dict[str, Any]:
  merged = {}
  for name in protocols[0]:
    each = [protocol.get(name) for protocol in protocols]
    if name == 'seed':
      merged['seeds'] = each
    else:
      merged[name] = each[0] if all(e == each[0] for e in each) else each
  return merged


def dataset_name(dataset: Any) -> str:
  """What the figures are called by: a folder's own name, say."""
  if dataset.name == 'folder':
    return file_names.expanded(dataset.root).resolve().name
  return dataset.name


def base_protocol(
    config: Any, description: Any, fit_split: Any | None, shown_split: Any
) -> dict[str, Any]:
  """What every figure of a run depends on, beside how it was trained.

  Args:
    config: a config with the fields of configs/common.py.
    description: an `examples.Description` of the dataset.
    fit_split: a `loader.Split` that the regressor is fitted on, or None.
    shown_split: a `loader.Split` that is measured on.
  """
  fields = config.regression.to_dict()
  fields['intercept'] = fields.pop('fit_intercept')
  fit = None if fit_split is None else fit_split.points
  return {
      'image_size': config.image_size,
      'resize': 'squashed to a square',
      'unit': 'px at 128',
      'num_landmarks': config.num_landmarks,
      'stage_split': description.stage_split,
      'fit_split': None if fit is None else description.fit_split,
      'fit_images': 0 if fit is None else len(fit),
      'images': len(shown_split),
      'test_images': len(shown_split) if description.test_split else 0,
      'missing_in_fit': 0 if fit is None else _missing(fit),
      'missing_in_test': _missing(shown_split.points),
      'seed': config.seed,
      'regression': fields,
  }


def _missing(points: np.ndarray) -> int:
  return int(np.isnan(points).any(axis=-1).sum())
