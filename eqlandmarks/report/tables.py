"""Tables of a run, from the records of results.json.

A `Table` is text in rows and columns, which the terminal, the page and the
clipboard show each in their own way.
"""

import dataclasses
from collections.abc import Sequence

import tabulate

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.report import naming
from eqlandmarks.report import protocol_rows

Records = Sequence[Record]

# Metric -> what a column of it is headed by, its digits, and its factor.
METRICS = {
    'pck': ('within {at:g} px, %', 1, 100.0),
    'pck_original': ('within {at:g} px of the original, %', 1, 100.0),
    'error_px': ('mean error, px', 2, 1.0),
    'error_iod': ('inter-ocular error, %', 2, 1.0),
}


@dataclasses.dataclass(frozen=True)
class Table:
  """Text in rows and columns.

  Attributes:
    name: a word for links and files.
    title: what is shown.
    columns: headings.
    rows: cells; the first one is the row's name.
    published: positions of the rows that quote others' numbers.
    note: what a reader must know.
  """

  name: str
  title: str
  columns: tuple[str, ...]
  rows: tuple[tuple[str, ...], ...]
  published: tuple[int, ...] = ()
  note: str = ''

  def to_text(self) -> str:
    """For the terminal."""
    align = ['left'] + ['right'] * (len(self.columns) - 1)
    body = tabulate.tabulate(
        self.rows, self.columns, colalign=align, disable_numparse=True
    )
    return '\n'.join(part for part in (self.title, body, self.note) if part)


def summary(records: Records) -> Table | None:
  """A row per method and budget: the paper's Table 6 on any dataset."""
  scored = [r for r in records if r.metric == 'pck']
  if not scored:
    return None
  names = _points(records, groups_only=True)
  columns, cells = ['method'], []
  rows = naming.keys(scored)
  for metric, heading in _headings(records):
    for point in names if metric == 'pck' else ('all',):
      columns.append(f'{point}: {heading}' if len(names) > 1 else heading)
      cells.append((metric, point, None))
  for at in _acc_distances(records)[-1:]:
    columns.append(f'Acc({at:g}), layer 1')
    cells.append(('acc', 'all', at))
  body = []
  for row in rows:
    mine = [r for r in records if naming.key(r) == row]
    body.append((naming.label(row, records), *(
        _cell(mine, metric, point, at) for metric, point, at in cells
    )))  # fmt: skip
  return Table(
      'summary', 'Methods', tuple(columns), tuple(body),
      note=_spread_note(records),
  )


def points(records: Records) -> Table | None:
  """A row per annotated point and group, a column per metric and method."""
  names = _points(records)
  if not names:
    return None
  columns, cells = ['point'], []
  compared = any(naming.key(r)[1] for r in records)
  # A comparison has many methods: one metric each is what a page can hold.
  for metric, heading in _headings(records)[: 1 if compared else None]:
    there = [r for r in records if r.metric == metric]
    for row in naming.keys(there):
      columns.append(f'{naming.label(row, records)}: {heading}')
      cells.append({
          r.point: naming.number(r, *METRICS[metric][1:2],
                                    scale=METRICS[metric][2])
          for r in there if naming.key(r) == row
      })  # fmt: skip
  counts = {
      r.point: str(_count_a_seed(r))
      for r in records if r.metric == 'pck'
  }  # fmt: skip
  body = [
      (name, *(column.get(name, '') for column in cells), counts[name])
      for name in names
  ]
  return Table(
      'points', 'Annotated points', (*columns, 'count'), tuple(body),
      note=_spread_note(records),
  )  # fmt: skip


def accuracy(records: Records) -> Table | None:
  """Acc(d), a row per method and layer, a column per distance."""
  there = [r for r in records if r.metric == 'acc']
  if not there:
    return None
  distances = _acc_distances(records)
  body = []
  for row in naming.keys(there):
    mine = [r for r in there if naming.key(r) == row]
    for layer in sorted({r.layer for r in mine}, key=str):
      found = {r.at: r for r in mine if r.layer == layer}
      name = naming.label(row, records)
      name += '' if layer is None else f', layer {layer}'
      body.append((name, *(
          naming.number(found.get(at), 3) for at in distances
      )))  # fmt: skip
  protocol = there[0].protocol
  note = (
      f"Equation (6), {protocol['warps_per_image']} warps an image; "
      f"{protocol['points_left_image']} points left the image and are masked "
      f"({100 * protocol['masked_share']:.1f} %). {_spread_note(records)}"
  )
  return Table(
      'accuracy', 'Equivariance accuracy of the features',
      ('features', *(f'Acc({at:g})' for at in distances)), tuple(body),
      note=note,
  )


def sample_efficiency(records: Records) -> Table | None:
  """Figures by the number of annotated images, as Tables 2, 3 and 5."""
  metric = headline(records)
  few = [r for r in records if r.metric == f'samples_{metric}']
  if not few:
    return None
  heading, digits, scale = METRICS[metric]
  heading = heading.format(at=few[0].at or 0)
  full = [r for r in records if r.metric == metric and r.point == 'all']
  columns = naming.keys(few)
  by = {
      (r.protocol['fit_images'], naming.key(r)): r for r in (*full, *few)
  }
  numbers = sorted({number for number, _ in by})
  body = [
      (f'{n}' + (' (all)' if n == numbers[-1] else ''), *(
          naming.number(by.get((n, row)), digits, scale=scale, spread=['std'])
          for row in columns
      ))
      for n in numbers
  ]  # fmt: skip
  repeats = few[0].protocol['repeats']
  return Table(
      'samples', f'Sample efficiency: {heading}',
      ('annotated images', *(naming.label(r, records) for r in columns)),
      tuple(body),
      note=f'Mean ± standard deviation over {repeats} random draws, the same '
      'for every method'
      + (' (and over seeds).' if _has_seeds(records) else '.'),
  )


def landmarks(records: Records) -> Table | None:
  """One method's landmarks, the most reliable first."""
  columns = {
      'equivariance_px': 'own equivariance error, px',
      'backward_px': 'error when told from annotations, px',
      'spread_px': 'spread of the heatmap, px',
  }
  there = [m for m in columns if any(r.metric == m for r in records)]
  by = {(r.metric, r.point): r for r in records}
  named = [
      r for r in records
      if r.metric == 'equivariance_px' and r.point != 'all'
  ]
  if not named:
    return None
  # A landmark that was never inside the image is the least to be trusted.
  named.sort(key=lambda r: (r.value is None, r.value or 0.0))
  body = [
      (
          record.point.removeprefix('landmark '),
          *(naming.number(by.get((m, record.point)), 2) for m in there),
          str(record.count),
      )
      for record in named
  ]
  return Table(
      'landmarks', 'Landmarks, the most reliable first',
      ('landmark', *(columns[m] for m in there), 'warped copies used'),
      tuple(body),
      note='Low is good. A landmark that does not move with the image under '
      'warps, or that annotations cannot tell, sits on no part of the object.',
  )


def protocol(records: Records) -> Table:
  """All that the figures depend on."""
  body = tuple(protocol_rows.rows(records))
  return Table('protocol', 'Protocol', ('what', 'value'), body)


def _count_a_seed(record: Record) -> int:
  """What a figure is the mean of; the same points for every seed once."""
  if record.method in FLOORS:
    return record.count
  return record.count // len(record.protocol.get('seeds', [0]))


def headline(records: Records) -> str:
  """The metric of a dataset: inter-ocular error where there are eyes."""
  eyes = any(r.metric == 'error_iod' for r in records)
  return 'error_iod' if eyes else 'pck'


def _cell(
    mine: Records, metric: str, point: str, at: float | None
) -> str:
  _, digits, scale = METRICS.get(metric, ('', 3, 1.0))
  for record in mine:
    if record.metric == metric and record.point == point:
      if metric == 'acc' and (record.at, record.layer) != (at, 1):
        continue
      return naming.number(record, digits, scale=scale)
  return ''


def _headings(records: Records) -> list[tuple[str, str]]:
  """The metrics that there are, with their columns' headings."""
  headings = []
  for metric, (heading, *_) in METRICS.items():
    there = [r for r in records if r.metric == metric]
    if there:
      headings.append((metric, heading.format(at=there[0].at or 0)))
  return headings


def _points(records: Records, *, groups_only: bool = False) -> list[str]:
  """Annotated points, groups and 'all'; or groups and 'all'."""
  return list(dict.fromkeys(
      r.point
      for r in records
      if r.metric == 'pck'
      and (not groups_only or r.point == 'all' or 'group' in r.protocol)
  ))  # fmt: skip


def _acc_distances(records: Records) -> list[float]:
  return sorted({r.at for r in records if r.metric == 'acc'})


def _has_seeds(records: Records) -> bool:
  return any('seeds' in r.protocol for r in records)


def _spread_note(records: Records) -> str:
  seeds = [r.protocol['seeds'] for r in records if 'seeds' in r.protocol]
  notes = []
  if any(r.method not in FLOORS and 'seed' in r.protocol
         for r in records):
    notes.append('Of one run: ± the standard error over images.')
  if seeds and len(seeds[0]) > 1:
    notes.append(
        f'Over {len(seeds[0])} seeds: mean ± standard deviation over them.'
    )
  return ' '.join(notes)
