"""Curves of a run, as data that the page and the pictures draw alike."""

import dataclasses
from collections.abc import Mapping, Sequence

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
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

Records = Sequence[Record]


@dataclasses.dataclass(frozen=True)
class Series:
  """A line of a chart.

  Attributes:
    label: in the legend.
    x: positions.
    y: values.
    spread: standard deviations of the values, or None.
    colour: as '#RRGGBB'.
    dash: solid, dash, dot or dashdot.
  """

  label: str
  x: tuple[float, ...]
  y: tuple[float, ...]
  spread: tuple[float, ...] | None
  colour: str
  dash: str = 'solid'


@dataclasses.dataclass(frozen=True)
class Chart:
  """Lines over one pair of axes.

  Attributes:
    name: a word for links and files.
    title: what is shown.
    x_label: with its unit.
    y_label: with its unit.
    series: the lines.
    x_limits: shown at first.
    x_log: whether the x axis is logarithmic.
    y_log: whether the y axis is logarithmic.
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
    charts.append(_first_layers(acc, records))
    charts += [
        _layers(acc, row, records)
        for row in naming.keys(acc)
        if row[0] != 'random'
    ]
  if pck:
    charts.append(
        Chart(
            'accuracy_curve', 'Annotated points found (Figure 6)',
            'distance d, pixels of a 128-pixel image',
            'share of test points within d',
            tuple(_by_row(pck, records)), (0.0, _FAR),
        )
    )  # fmt: skip
  return charts + _sample_chart(records)


def losses(name: str, rows: Sequence[Mapping[str, float]]) -> Chart:
  """The losses of one training, from the rows of its metrics.csv."""
  terms = sorted({*rows[0]} - {'loss', *_NO_LOSSES})
  steps = tuple(row['step'] for row in rows)
  series = []
  for number, metric in enumerate(['loss', *terms]):
    colour = _COLOURS[number % len(_COLOURS)]
    values = tuple(row[metric] for row in rows)
    series.append(Series(metric, steps, values, None, colour))
  return Chart(
      f'losses_{name}', f'Training: {name}', 'step', 'loss', tuple(series),
      # Where no pair of points was left, the loss is 0 throughout.
      y_log=any(value > 0 for line in series for value in line.y),
  )  # fmt: skip


def _first_layers(acc: Records, records: Records) -> Chart:
  """Layer 1 of every method: the right-most plot of Figure 2."""
  first = [r for r in acc if r.layer in (1, None)]
  return Chart(
      'equivariance_layer1', 'Equivariance of F, layer 1 (Figure 2)',
      'distance d, pixels of a 128-pixel image', 'Acc(d), equation (6)',
      tuple(_by_row(first, records)), (0.0, _FAR),
  )  # fmt: skip


def _layers(acc: Records, row: naming.Key, records: Records) -> Chart:
  """The layers of one method: the plots of Figures 1 and 2."""
  mine = [r for r in acc if naming.key(r) == row]
  series = [
      _series(f"layer {r.layer}", r, _COLOURS[i], _DASHES[i % len(_DASHES)])
      for i, r in enumerate(sorted(mine, key=lambda r: r.layer))
  ]
  random = [r for r in acc if r.method == 'random'][:1]
  series += [_series('random point', r, _FLOOR, 'dash') for r in random]
  name = '_'.join((row[0], *row[1]))
  return Chart(
      f'equivariance_{name}', 'Equivariance of the layers: '
      + naming.label(row, records),
      'distance d, pixels of a 128-pixel image', 'Acc(d), equation (6)',
      tuple(series), (0.0, _FAR),
  )  # fmt: skip


def _sample_chart(records: Records) -> list[Chart]:
  """Figures against the number of annotated images."""
  metric = tables.headline(records)
  few = [r for r in records if r.metric == f'samples_{metric}']
  if not few:
    return []
  heading, _, scale = tables.METRICS[metric]
  full = [r for r in records if r.metric == metric and r.point == 'all']
  series = []
  for number, row in enumerate(naming.keys(few)):
    mine = sorted(
        (r for r in (*few, *full) if naming.key(r) == row),
        key=lambda r: r.protocol['fit_images'],
    )
    mine = [r for r in mine if r.value is not None]
    series.append(
        Series(
            naming.label(row, records),
            tuple(float(r.protocol['fit_images']) for r in mine),
            tuple(scale * r.value for r in mine),
            tuple(scale * (r.std or 0.0) for r in mine),
            _COLOURS[number % len(_COLOURS)],
        )
    )
  return [
      Chart(
          'sample_efficiency', 'Sample efficiency (Tables 2, 3, 5)',
          'annotated images that the regressor is fitted on',
          heading.format(at=few[0].at or 0), tuple(series), x_log=True,
      )
  ]  # fmt: skip


def _by_row(records: Records, everything: Records) -> list[Series]:
  series = []
  for number, row in enumerate(naming.keys(records)):
    (record,) = [r for r in records if naming.key(r) == row][:1]
    floor = row[0] in FLOORS
    colour = _FLOOR if floor else _COLOURS[number % len(_COLOURS)]
    label = naming.label(row, everything)
    series.append(_series(label, record, colour, 'dash' if floor else 'solid'))
  return series


def _series(
    label: str, record: Record, colour: str, dash: str
) -> Series:
  spread = record.std
  return Series(
      label, tuple(record.at), tuple(record.value),
      tuple(spread) if spread else None, colour, dash,
  )  # fmt: skip
