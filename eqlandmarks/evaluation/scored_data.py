"""What is measured on what, and the records that share it."""

import dataclasses
from typing import Any

import numpy as np

from eqlandmarks import metrics
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation.records import Record
from eqlandmarks.system import file_names


@dataclasses.dataclass(frozen=True)
class ScoredData:
  """What is measured on what.

  Attributes:
    config: a config with the fields of configs/common.py.
    description: of the dataset.
    fit: labelled images for the regressor; None without labels.
    test: the images that are scored, `description.shown_split`.
    record: what all records of the method share.
    floor: what those of `records.FLOORS` share, behind which there is no
      training.
  """

  config: Any
  description: examples.Description
  fit: loader.Split | None
  test: loader.Split
  record: Record
  floor: Record

  @property
  def points(self) -> np.ndarray:
    """`[N, J, 2]`, the annotations of the images that are scored."""
    return self.test.points.astype(np.float64)

  @property
  def limits(self) -> np.ndarray:
    """The distances of curves, in pixels of a 128-pixel image."""
    step = self.config.evaluation.curve_step
    return np.arange(0.0, 128.0 + step / 2, step)

  def to_128(self, pixels: np.ndarray) -> np.ndarray:
    """Pixels of the images, as pixels of a 128-pixel image in float64."""
    return metrics.to_128(pixels.astype(np.float64), self.config.image_size)


def collect(
    method: str,
    config: Any,
    description: examples.Description,
    fit_split: loader.Split | None,
    test_split: loader.Split,
    training: dict[str, Any],
) -> ScoredData:
  """Lays out what the figures of a method share.

  Args:
    method: its name in the records.
    config: a config with the fields of configs/common.py.
    description: of the dataset.
    fit_split: labelled images for the regressor; None without labels.
    test_split: the images that are scored, `description.shown_split`.
    training: what stands in the records' protocol of how the method was
      trained; with `budgets`, for what lengths of a comparison.
  """
  protocol = _base_protocol(config, description, fit_split, test_split)
  protocol['data'] = data_protocol(description)
  floor = Record(
      dataset=_dataset_name(config.dataset),
      split=description.shown_split,
      method='',
      protocol=protocol | dict.fromkeys(training),
  )
  record = floor.replace(
      method=method,
      budget=next(iter(training.get('budgets') or ()), None),
      protocol=protocol | training,
  )
  return ScoredData(config, description, fit_split, test_split, record, floor)


def data_protocol(description: examples.Description) -> dict[str, str]:
  """How a dataset was read: its crop, say, and whether all of it is there."""
  standing = {'partial': description.partial, 'differs': description.differs}
  return description.protocol | {k: v for k, v in standing.items() if v}


def figure(
    base: Record, metric: str, value: float, count: int, **fields: Any
) -> Record:
  """A record of one figure, NaN where there is none."""
  return base.replace(
      metric=metric, value=number(value), count=int(count), **fields
  )


def mean(
    base: Record, metric: str, values: np.ndarray, **fields: Any
) -> Record:
  """A record of the mean of values, images first, NaN where missing."""
  mean = metrics.Mean.of(values)
  stderr = number(metrics.standard_error(values))
  return figure(
      base, metric, mean.value, mean.count, stderr=stderr, **fields
  )


def landmark_means(
    base: Record, metric: str, values: np.ndarray, **fields: Any
) -> list[Record]:
  """The means over all landmarks, and of each one, the last axis."""
  return [mean(base, metric, values, **fields)] + [
      mean(base, metric, values[..., k], point=f'landmark {k}', **fields)
      for k in range(values.shape[-1])
  ]


def curve(
    data: ScoredData,
    base: Record,
    metric: str,
    curve: np.ndarray,
    values: np.ndarray,
    **fields: Any,
) -> Record:
  """A record of a curve over all limits, made of the values not missing."""
  count = int(metrics.Mean.of(values).count)
  return base.replace(
      metric=metric,
      at=data.limits.tolist(),
      value=[round(float(v), 6) for v in curve] if count else None,
      count=count,
      **fields,
  )


def number(value: float) -> float | None:
  """As JSON can hold it."""
  return None if np.isnan(value) else float(value)


def _dataset_name(dataset: Any) -> str:
  """What the figures are called by: a folder's own name, say."""
  if dataset.name == 'folder':
    return file_names.expanded(dataset.root).resolve().name
  return dataset.name


def _base_protocol(
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
