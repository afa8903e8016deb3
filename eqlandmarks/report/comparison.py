"""Several runs side by side, from the records of each."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.records import select
from eqlandmarks.report import naming
from eqlandmarks.report import tables

# What is shown of features, at a distance, and of landmarks.
_FEATURES = (
    ('acc', 5.0, 'Acc({at:g}), layer 1'),
    ('across', 10.0, 'next image, within {at:g} px'),
)
_LANDMARKS = {
    'equivariance_px': 'own equivariance error, px',
    'backward_px': 'backward error, px',
    'explained': 'R², explained by annotations',
}

Runs = dict[str, Sequence[Record]]

# What is measured on what, in the protocol; figures by others do not compare.
_PROTOCOL = (
    'data', 'resize', 'fit_split', 'fit_images', 'images',
    'test_images', 'missing_in_fit', 'missing_in_test', 'regression', 'eyes',
)  # fmt: skip
_OF_WARPS = ('warp', 'warps_per_image')


def table(runs: Runs) -> tables.Table:
  """A row for each method of each run; a floor that is the same once."""
  rows: list[tuple[str, dict[str, str]]] = []
  floors: dict[str, dict[str, dict[str, str]]] = {}
  for run, records in runs.items():
    for row in naming.rows(records):
      label, cells = naming.label(row), dict(_cells(row))
      if row[0].method not in FLOORS:
        rows.append((f'{run}: {label}', cells))
      elif cells:
        floors.setdefault(label, {})[run] = cells
  for label, of_runs in floors.items():
    first, *others = of_runs.values()
    if all(cells == first for cells in others):
      rows.append((label, first))
    else:
      rows += [(f'{run}: {label}', cells) for run, cells in of_runs.items()]
  columns = dict.fromkeys(name for _, cells in rows for name in cells)
  return tables.Table(
      'comparison', 'Runs', ('run', *columns),
      tuple((name, *(c.get(k, '') for k in columns)) for name, c in rows),
      note='± the standard error over images of one run, or the standard '
      'deviation over seeds.',
  )


def _cells(row: Sequence[Record]) -> Iterator[tuple[str, str]]:
  """Headings and figures of a method."""
  for metric in naming.HEADINGS:
    for record in select(row, metric=metric, point='all')[:1]:
      yield naming.heading(record), naming.number(record)
  samples = [r for r in row if r.metric == f'samples_{tables.headline(row)}']
  for record in sorted(samples, key=lambda r: r.protocol['fit_images'])[:1]:
    number = record.protocol['fit_images']
    yield f'{naming.heading(record)}, {number} labelled', naming.number(record)
  for metric, at, title in _FEATURES:
    records = select(row, metric=metric, point='all', layer=1)
    # The distance that is asked for, or the nearest that was measured.
    for record in sorted(records, key=lambda r: abs(r.at - at))[:1]:
      yield title.format(at=record.at), naming.number(record)
  for metric, title in _LANDMARKS.items():
    for record in select(row, metric=metric, point='all')[:1]:
      yield title, naming.number(record)


def differences(
    runs: Runs, labels: dict[str, str | None]
) -> list[str]:
  """What the figures of the runs depend on and differ in, in words.

  Args:
    runs: the records of each run.
    labels: fingerprints of what scored them; None where it is unknown.
  """
  protocols = {run: _protocol(records) for run, records in runs.items()}
  names = dict.fromkeys(name for p in protocols.values() for name in p)
  words = []
  for name in names:
    values = {run: p.get(name) for run, p in protocols.items()}
    if len({json.dumps(v, sort_keys=True) for v in values.values()}) > 1:
      shown = ', '.join(f'{run} {_shown(v)}' for run, v in values.items())
      words.append(f'{name} ({shown})')
  sizes = {records[0].protocol.get('image_size') for records in runs.values()}
  prints = {*labels.values()} - {None}
  if not words and len(sizes) == 1 and len(prints) > 1:
    words.append('the images or labels that score them')
  return words


def _protocol(records: Sequence[Record]) -> dict[str, Any]:
  """What figures of a run depend on beside its training, flat."""
  first = records[0]
  measured = select(records, metric='pck', point='all')[:1] or [first]
  fields = {'dataset': first.dataset, 'split': first.split}
  fields |= {n: measured[0].protocol.get(n) for n in _PROTOCOL}
  for record in select(records, metric='acc')[:1]:
    fields |= {n: record.protocol.get(n) for n in _OF_WARPS}
  flat = {}
  for name, value in fields.items():
    parts = value if isinstance(value, dict) else {None: value}
    for part, content in parts.items():
      flat[name if part is None else f'{name}.{part}'] = content
  return flat


def _shown(value: Any) -> str:
  return 'none' if value is None else str(value)
