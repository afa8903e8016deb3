"""Tables for the terminal, from the records of results.json."""

from collections.abc import Iterable
from typing import Any

import tabulate

_METHODS = ('two_stage', 'unfrozen', 'end_to_end', 'mean_shape')

# Metric -> what a column of it is headed by, and how its values are written.
_HEADINGS = {
    'pck': ('within {at:g} px, %', lambda v: f'{100 * v:.1f}'),
    'error_px': ('mean error, px', lambda v: f'{v:.2f}'),
    'error_iod': ('inter-ocular error, %', lambda v: f'{v:.2f}'),
}


def results_table(records: list[dict[str, Any]]) -> str:
  """All figures of all methods, the mean-shape floor beside them.

  Args:
    records: of results.json, of one dataset and protocol.
  """
  parts = [_point_table(records), _acc_table(records)]
  parts.append(_protocol_line(records[0]))
  return '\n\n'.join(part for part in parts if part)


def _point_table(records: list[dict[str, Any]]) -> str:
  """A row per annotated point and group, a column per metric and method."""
  columns = [
      (metric, method)
      for metric in _HEADINGS
      for method in _methods(r for r in records if r['metric'] == metric)
  ]
  cells, counts, heads = {}, {}, {}
  for record in records:
    key = record['metric'], record['method']
    if key in columns:
      heading, write = _HEADINGS[record['metric']]
      heads[key] = f"{heading.format(at=record['at'])}\n{record['method']}"
      if record['metric'] == 'pck':
        counts[record['point']] = record['count']
      value = record['value']
      cells[record['point'], key] = '-' if value is None else write(value)
  body = [
      [point, *(cells.get((point, key), '') for key in columns), count]
      for point, count in counts.items()
  ]
  return _tabulate(body, ['point', *(heads[key] for key in columns), 'count'])


def _acc_table(records: list[dict[str, Any]]) -> str:
  """Acc(d), a row per method and layer, a column per distance."""
  records = [r for r in records if r['metric'] == 'acc']
  distances = sorted({r['at'] for r in records})
  rows: dict[tuple[str, int], dict[float, str]] = {}
  for record in records:
    row = rows.setdefault((record['method'], record['layer']), {})
    value = record['value']
    row[record['at']] = '-' if value is None else f'{value:.3f}'
  body = [
      [method, f'layer {layer}', *(row.get(at, '') for at in distances)]
      for (method, layer), row in rows.items()
  ]
  heads = [f'Acc({at:g})' for at in distances]
  return _tabulate(body, ['features of', '', *heads]) if body else ''


def _tabulate(body: list[list[Any]], headers: list[str]) -> str:
  align = ['left'] + ['right'] * (len(headers) - 1)
  return tabulate.tabulate(
      body, headers, colalign=align, disable_numparse=True
  )


def _methods(records: Iterable[dict[str, Any]]) -> list[str]:
  there = {record['method'] for record in records}
  return [method for method in _METHODS if method in there]


def _protocol_line(record: dict[str, Any]) -> str:
  p = record['protocol']
  r = p['regression']
  return (
      f"{record['dataset']}: K = {p['num_landmarks']} landmarks at "
      f"{p['image_size']} px, regressor fitted on {p['fit_images']} images "
      f"({p['missing_in_fit']} points missing), scored on {p['test_images']} "
      f"({p['missing_in_test']} missing);\nridge alpha {r['alpha']:g}, "
      f"intercept {r['intercept']}, origin {r['origin']}, unit {r['unit']}; "
      f"seed {p['seed']}. px are pixels of a 128-pixel image."
  )
