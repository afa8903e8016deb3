"""Curves of a run, as data that the page and the pictures draw alike."""

import dataclasses
from collections.abc import Mapping, Sequence

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.records import select
from eqlandmarks.report import naming
from eqlandmarks.report import tables

# Okabe and Ito's colours, which colour-blind readers tell apart too.
_COLOURS = (
    '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C564B'
)
_FLOOR = '#888888'
_DASHES = ('solid', 'dash', 'dot', 'dashdot')

# Columns of metrics.csv that are neither the loss nor a term of it.
_NO_LOSSES = ('step', 'points_used', 'gradient_norm', 'update_norm')

# Beyond, curves of equivariance tell no more; the page can be zoomed out.
_FAR = 40.0

_ACC = 'Acc(d), equation (6)'

Records = Sequence[Record]


@dataclasses.dataclass(frozen=True)
class Series:
  """A line of a chart, with the standard deviations of `y` if there are any.

  Its colour is '#RRGGBB', its dash one of `_DASHES`.
  """

  label: str
  x: tuple[float, ...]
  y: tuple[float, ...]
  spread: tuple[float, ...] | None
  colour: str
  dash: str = 'solid'


@dataclasses.dataclass(frozen=True)
class Chart:
  """Lines over one pair of axes; `x_limits` are shown at first.

  `name` is a word for links and files.
  """

  name: str
  title: str
  x_label: str
  y_label: str
  series: tuple[Series, ...]
  x_limits: tuple[float, float] | None = None
  x_log: bool = False
  y_log: bool = False


def from_records(records: Records) -> list[Chart]:
  """All curves that records hold."""
  acc = [r for r in records if r.metric == 'acc_curve' and r.value]
  pck = [r for r in records if r.metric == 'pck_curve' and r.value]
  charts = []
  if acc:
    first = [r for r in acc if r.layer in (1, None)]
    charts.append(_over_distance(
        'equivariance_layer1', 'Equivariance of F, layer 1 (Figure 2)',
        _ACC, _of_methods(first),
    ))  # fmt: skip
    charts += [
        _layers(row, acc) for row in naming.rows(acc)
        if row[0].method != 'random'
    ]
  if pck:
    charts.append(_over_distance(
        'accuracy_curve', 'Annotated points found (Figure 6)',
        'share of test points within d', _of_methods(pck),
    ))  # fmt: skip
  return charts + _samples(records)


def losses(name: str, rows: Sequence[Mapping[str, float]]) -> Chart:
  """The losses of one training, from the rows of its metrics.csv."""
  terms = sorted({*rows[0]} - {'loss', *_NO_LOSSES})
  steps = tuple(row['step'] for row in rows)
  series = tuple(
      Series(term, steps, tuple(row[term] for row in rows), None, _colour(n))
      for n, term in enumerate(['loss', *terms])
  )
  return Chart(
      f'losses_{name}', f'Training: {name}', 'step', 'loss', series,
      # Where no pair of points was left, the loss is 0 throughout.
      y_log=any(value > 0 for line in series for value in line.y),
  )


def _over_distance(
    name: str, title: str, y_label: str, series: Sequence[Series]
) -> Chart:
  x_label = 'distance d, pixels of a 128-pixel image'
  return Chart(name, title, x_label, y_label, tuple(series), (0.0, _FAR))


def _layers(row: Records, acc: Records) -> Chart:
  """The layers of one method: the plots of Figures 1 and 2."""
  series = [
      _series(f"layer {r.layer}", r, _colour(i), _DASHES[i % len(_DASHES)])
      for i, r in enumerate(sorted(row, key=lambda r: r.layer))
  ]
  for random in select(acc, method='random')[:1]:
    series.append(_series('random point', random, _FLOOR, 'dash'))
  name = '_'.join(('equivariance', row[0].method, *naming.budgets(row[0])))
  title = f'Equivariance of the layers: {naming.label(row)}'
  return _over_distance(name, title, _ACC, series)


def _samples(records: Records) -> list[Chart]:
  """Figures against the number of annotated images."""
  series = []
  for number, row in enumerate(tables.by_samples(records)):
    name, factor = naming.label(row), naming.scale(row[0].metric)
    row = [record for record in row if record.value is not None]
    series.append(Series(
        name,
        tuple(float(r.protocol['fit_images']) for r in row),
        tuple(factor * r.value for r in row),
        tuple(factor * (r.std or 0.0) for r in row),
        _colour(number),
    ))  # fmt: skip
  if not series:
    return []
  few = select(records, metric=f'samples_{tables.headline(records)}')[0]
  return [
      Chart(
          'sample_efficiency', 'Sample efficiency (Tables 2, 3, 5)',
          'annotated images that the regressor is fitted on',
          naming.heading(few), tuple(series), x_log=True,
      )
  ]


def _of_methods(records: Records) -> list[Series]:
  """A line for the first record of each row."""
  return [
      _series(naming.label(row), row[0], _FLOOR, 'dash')
      if row[0].method in FLOORS
      else _series(naming.label(row), row[0], _colour(number), 'solid')
      for number, row in enumerate(naming.rows(records))
  ]


def _series(label: str, record: Record, colour: str, dash: str) -> Series:
  spread = tuple(record.std) if record.std else None
  x, y = tuple(record.at), tuple(record.value)
  return Series(label, x, y, spread, colour, dash)


def _colour(number: int) -> str:
  return _COLOURS[number % len(_COLOURS)]
