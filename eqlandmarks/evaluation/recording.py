"""From values to `evaluation.records`, of one method and dataset."""

from typing import Any

import numpy as np

from eqlandmarks import metrics
from eqlandmarks.evaluation import records


class Recorder:
  """Makes records that share all but what is measured.

  Args:
    dataset: its name.
    split: of the dataset, that is scored.
    method: its name, where a record does not say another.
    limits: the distances of curves, in pixels of a 128-pixel image.
    protocol: what all the figures depend on; each record has its own copy.
    training: what those depend on, beside it, that a training stands behind;
      floors have None in its place.
  """

  def __init__(
      self,
      *,
      dataset: str,
      split: str,
      method: str,
      limits: np.ndarray,
      protocol: dict[str, Any],
      training: dict[str, Any],
  ):
    self._dataset, self._split, self._method = dataset, split, method
    self._limits = limits
    self._protocol, self._training = protocol, training

  def single(
      self,
      metric: str,
      value: float,
      count: int,
      *,
      method: str | None = None,
      point: str = 'all',
      at: float | None = None,
      layer: int | None = None,
      fit_images: int | None = None,
  ) -> dict[str, Any]:
    """A record of one figure; NaN becomes None."""
    method = method or self._method
    training = self._training
    if method in records.FLOORS:
      training = dict.fromkeys(training)
    budgets = training.get('budgets')
    return {
        'dataset': self._dataset,
        'split': self._split,
        'method': method,
        'budget': budgets[0] if budgets else None,
        'metric': metric,
        'at': at,
        'point': point,
        'layer': layer,
        'fit_images': fit_images,
        'value': number(value),
        'std': None,
        'stderr': None,
        'count': int(count),
        'protocol': self._protocol | training,
    }

  def mean(
      self, metric: str, values: np.ndarray, **fields: Any
  ) -> dict[str, Any]:
    """A record of the values' mean, those that are NaN left out.

    Args:
      metric: its name.
      values: images first, as `metrics.standard_error` has it.
      **fields: as of `single`.
    """
    mean = metrics.Mean.of(values)
    record = self.single(metric, mean.value, mean.count, **fields)
    record['stderr'] = number(metrics.standard_error(values))
    return record

  def of_landmarks(
      self, metric: str, values: np.ndarray, **fields: Any
  ) -> list[dict[str, Any]]:
    """A record for all landmarks, and one for each, the last axis."""
    return [self.mean(metric, values, **fields)] + [
        self.mean(metric, values[..., k], point=f'landmark {k}', **fields)
        for k in range(values.shape[-1])
    ]

  def curve(
      self, metric: str, curve: np.ndarray, values: np.ndarray, **fields: Any
  ) -> dict[str, Any]:
    """A record of a curve over the limits, made of so many known values."""
    count = metrics.Mean.of(values).count
    record = self.single(metric, np.nan, count, **fields)
    record['at'] = self._limits.tolist()
    record['value'] = [round(float(v), 6) for v in curve] if count else None
    return record


def number(value: float) -> float | None:
  """As JSON can hold it."""
  return None if np.isnan(value) else float(value)
