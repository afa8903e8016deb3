"""The form of every figure: a record with its protocol.

The records of one results.json differ in (variant, metric, at, point, layer,
fit_images).
"""

import dataclasses
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

import numpy as np

from eqlandmarks.system import data_files

# Methods that train nothing, under all others.
FLOORS = ('mean_shape', 'random')

# Metrics that are given for each landmark.
PER_LANDMARK = (
    'equivariance_px', 'backward_px', 'explained', 'spread_px',
)

_NUMBERS = (int, float, list, NoneType)
# The type of each field.
_FORM = {
    'dataset': str,
    'split': str,
    'method': str,
    'budget': (str, NoneType),
    'metric': str,
    'at': _NUMBERS,
    'point': str,
    'layer': (int, NoneType),
    'fit_images': (int, NoneType),
    'value': _NUMBERS,
    'std': _NUMBERS,
    'stderr': _NUMBERS,
    'count': int,
    'protocol': dict,
}

Number = float | list[float] | None


def check(records: Any) -> None:
  """Checks that what was read from a file is a list of records.

  Raises:
    ValueError: it is not.
  """
  for record in data_files.typed(records, list):
    for name, kind in _FORM.items():
      data_files.field(record, name, kind)
    protocol = record['protocol']
    data_files.typed(protocol.get('seed', 0), int, 'seed')
    for seed in data_files.typed(protocol.get('seeds', []), list, 'seeds'):
      data_files.typed(seed, int, 'seeds')


@dataclasses.dataclass(frozen=True)
class Record:
  """A figure, as JSON can hold it.

  Attributes:
    dataset: what was measured on.
    split: its own name, that of images which were trained on where there are no
      test images.
    method: two_stage, unfrozen, end_to_end; or one of `FLOORS`.
    budget: of a comparison, the first of `ablation.BUDGETS` that the training's
      length stands for.
    metric: see docs/evaluation.md.
    at: the distance d of a share or of Acc(d); of a curve, the list of its
      distances.
    point: an annotation's name, a group's, a landmark's, or all.
    layer: of Acc(d), and of what is found across images.
    fit_images: annotated images that the regressor is fitted on.
    value: the figure; of a curve, the list of its values; None where there was
      nothing to measure.
    std: standard deviation, over seeds or over repeats.
    stderr: standard error over images, of one run.
    count: how many values the figure is the mean of (of `extent_px` the
      median): points, landmarks or images, or draws of `samples_...`; over
      seeds, those of all seeds together. Of a floor, those of one seed, as it
      is the same for all.
    protocol: all that the figure depends on.
  """

  dataset: str
  split: str
  method: str
  budget: str | None = None
  metric: str = ''
  at: Number = None
  point: str = 'all'
  layer: int | None = None
  fit_images: int | None = None
  value: Number = None
  std: Number = None
  stderr: Number = None
  count: int = 0
  protocol: dict[str, Any] = dataclasses.field(default_factory=dict)

  @classmethod
  def from_json(cls, content: dict[str, Any]) -> 'Record':
    """The record that a dict of a file holds; other names are left out."""
    fields = dataclasses.fields(cls)
    return cls(**{field.name: content[field.name] for field in fields})

  def to_json(self) -> dict[str, Any]:
    """A dict, as a file holds it: with what tells trainings apart in front."""
    protocol = self.protocol
    seeds = protocol.get('seeds') or [protocol.get('seed')]
    variant = f'{self.method} ({self.budget})' if self.budget else self.method
    floor = self.method in FLOORS
    return {
        'variant': variant,
        'epochs': None if floor else protocol.get('epochs'),
        'seeds': [] if floor or None in seeds else seeds,
        **vars(self),
    }

  def replace(self, **fields: Any) -> 'Record':
    """The same record with other fields."""
    return dataclasses.replace(self, **fields)

  def depending_on(self, **fields: Any) -> 'Record':
    """The same record with more, or other, fields in its protocol."""
    return self.replace(protocol=self.protocol | fields)


def from_json(contents: Iterable[dict[str, Any]]) -> list[Record]:
  """Records of dicts of a file."""
  return [Record.from_json(content) for content in contents]


def to_json(records: Iterable[Record]) -> list[dict[str, Any]]:
  """Dicts, as a file holds them."""
  return [record.to_json() for record in records]


def select(records: Iterable[Record], **wanted: Any) -> list[Record]:
  """The records whose fields, or fields of the protocol, have these values."""
  return [
      record
      for record in records
      if all(
          getattr(record, name, record.protocol.get(name)) == value
          for name, value in wanted.items()
      )
  ]


def over_seeds(runs: Sequence[Sequence[Record]]) -> list[Record]:
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
  groups: dict[Any, list[Record]] = {}
  for run in runs:
    for record in run:
      groups.setdefault(_key(record), []).append(record)
  return [
      _merge(group)
      for group in groups.values()
      if group[0].metric not in PER_LANDMARK or group[0].point == 'all'
  ]


def _key(record: Record) -> tuple[Any, ...]:
  """What is the same for one figure of all seeds."""
  protocol = record.protocol
  return (
      record.method,
      record.metric,
      str(record.at),
      record.point,
      record.layer,
      str(protocol.get('budgets')),
      protocol.get('fit_images'),
  )


def _merge(group: list[Record]) -> Record:
  first = group[0]
  protocol = _merged_protocol([record.protocol for record in group])
  merged = first.replace(protocol=protocol, stderr=None)
  # A floor is the same for every seed: it has no spread to speak of.
  if first.method in FLOORS:
    return merged
  if any(record.value is None for record in group):
    return merged.replace(value=None, std=None, count=0)
  values = np.array([record.value for record in group], np.float64)
  std = first.std
  if len(group) > 1:
    variance = values.var(axis=0, ddof=1)
    if std is not None:
      variance = variance + np.mean([record.std**2 for record in group])
    std = np.sqrt(variance).tolist()
  return merged.replace(
      value=values.mean(axis=0).tolist(),
      std=std,
      count=sum(record.count for record in group),
  )


def _merged_protocol(protocols: Sequence[dict[str, Any]]) -> dict[str, Any]:
  merged = {}
  for name in protocols[0]:
    each = [protocol.get(name) for protocol in protocols]
    if name == 'seed':
      merged['seeds'] = each
    else:
      merged[name] = each[0] if all(e == each[0] for e in each) else each
  return merged
