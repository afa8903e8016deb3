"""From values to records (`eqlandmarks.records`), of one method and dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from eqlandmarks import metrics


class Recorder:
  """Makes records that share all but what is measured.

  Args:
    dataset: its name.
    split: of the dataset, that is scored.
    method: its name, where a record does not say another.
    limits: the distances of curves, in pixels of a 128-pixel image.
    protocol: what all the figures depend on; each record has its own copy.
  """

  def __init__(
      self,
      *,
      dataset: str,
      split: str,
      method: str,
      limits: np.ndarray,
      protocol: dict[str, Any],
  ):
    self._dataset, self._split, self._method = dataset, split, method
    self._limits, self._protocol = limits, protocol

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
  ) -> dict[str, Any]:
    """A record of one figure; NaN becomes None."""
    return {
        'dataset': self._dataset,
        'split': self._split,
        'method': method or self._method,
        'metric': metric,
        'at': at,
        'point': point,
        'layer': layer,
        'value': number(value),
        'std': None,
        'stderr': None,
        'count': int(count),
        'protocol': dict(self._protocol),
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
    count = np.count_nonzero(~np.isnan(values))
    record = self.single(metric, known_mean(values), count, **fields)
    record['stderr'] = number(metrics.standard_error(values))
    return record

  def of_landmarks(
      self, metric: str, values: np.ndarray
  ) -> list[dict[str, Any]]:
    """A record for all landmarks, and one for each, the last axis."""
    return [self.mean(metric, values)] + [
        self.mean(metric, values[..., k], point=f'landmark {k}')
        for k in range(values.shape[-1])
    ]

  def curve(
      self, metric: str, curve: np.ndarray, values: np.ndarray, **fields: Any
  ) -> dict[str, Any]:
    """A record of a curve over the limits, made of so many known values."""
    count = np.count_nonzero(~np.isnan(values))
    record = self.single(metric, np.nan, count, **fields)
    record['at'] = self._limits.tolist()
    record['value'] = [round(float(v), 6) for v in curve] if count else None
    return record


def known_mean(values: Sequence[float] | np.ndarray) -> float:
  """The mean of those that are not NaN; NaN where there are none."""
  known = np.asarray(values)[~np.isnan(values)]
  return float(known.mean()) if known.size else float('nan')


def number(value: float) -> float | None:
  """As JSON can hold it."""
  return None if np.isnan(value) else float(value)
