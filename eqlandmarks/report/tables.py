"""Tables of a run, from the records of results.json.

A `Table` is text in rows and columns, which the terminal, the page and the
clipboard show each in their own way.
"""

import dataclasses
import textwrap
from collections.abc import Sequence

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.records import select
from eqlandmarks.report import naming
from eqlandmarks.report import protocol_rows
from eqlandmarks.report import text_layout

Records = Sequence[Record]


@dataclasses.dataclass(frozen=True)
class Table:
  """Text in rows and columns; the first cell of a row is its name.

  `name` is a word for links, `published` are the positions of the rows that
  quote others' numbers, and the note says what a reader must know.
  """

  name: str
  title: str
  columns: tuple[str, ...]
  rows: tuple[tuple[str, ...], ...]
  published: tuple[int, ...] = ()
  note: str = ''

  def to_text(self, width: int | None = None) -> str:
    """For the terminal, of so many columns; of any number by default."""
    body = text_layout.laid_out(self.columns, self.rows, width)
    note = textwrap.fill(self.note, width) if width else self.note
    return '\n'.join(part for part in (self.title, body, note) if part)


def summary(records: Records) -> Table | None:
  """A row per method and budget: the paper's Table 6 on any dataset."""
  names = _points(records, groups_only=True)
  if not names:
    return None
  columns = {}
  for metric, heading in _headings(records).items():
    for point in names if metric == 'pck' else ('all',):
      title = f'{point}: {heading}' if len(names) > 1 else heading
      columns[title] = {'metric': metric, 'point': point}
  for at in _distances(records)[-1:]:
    columns[f'Acc({at:g}), layer 1'] = {'metric': 'acc', 'at': at, 'layer': 1}
  body = []
  for row in naming.rows(records):
    if select(row, metric='pck'):
      cells = (select(row, **fields)[:1] for fields in columns.values())
      body.append((
          naming.label(row),
          *(''.join(map(naming.number, cell)) for cell in cells),
      ))
  return Table(
      'summary', 'Methods', ('method', *columns), tuple(body),
      note=_spread_note(records),
  )


def points(records: Records) -> Table | None:
  """A row per annotated point and group, a column per metric and method."""
  names = _points(records)
  if not names:
    return None
  columns = {}
  # A comparison has many methods: one metric each is what a page can hold.
  compared = any(map(naming.budgets, records))
  shown = [*_headings(records).items()][: 1 if compared else None]
  for metric, heading in shown:
    for row in naming.rows(select(records, metric=metric)):
      cells = {record.point: naming.number(record) for record in row}
      columns[f'{naming.label(row)}: {heading}'] = cells
  columns['count'] = {
      record.point: str(_count_a_seed(record))
      for record in select(records, metric='pck')
  }
  body = [
      (name, *(cells.get(name, '') for cells in columns.values()))
      for name in names
  ]
  return Table(
      'points', 'Annotated points', ('point', *columns), tuple(body),
      note=_spread_note(records),
  )


def accuracy(records: Records) -> Table | None:
  """Acc(d), a row per method and layer, a column per distance."""
  distances = _distances(records)
  if not distances:
    return None
  acc = select(records, metric='acc')
  protocol = acc[0].protocol
  note = (
      f"Equation (6), {protocol['warps_per_image']} warps an image; "
      f"{protocol['points_left_image']} points left the image and are masked "
      f"({100 * protocol['masked_share']:.1f} %). {_spread_note(records)}"
  )
  return Table(
      'accuracy', 'Equivariance accuracy of the features',
      ('features', *(f'Acc({at:g})' for at in distances)),
      _by_layer(acc, distances), note=note,
  )


def across(records: Records) -> Table | None:
  """Features across objects, a row per method and layer."""
  chosen = [
      record
      for record in select(records, point='all')
      if record.metric in ('across', 'across_px')
  ]
  distances = sorted({record.at for record in chosen} - {None})
  if not distances:
    return None
  return Table(
      'across', 'The same part in the next image, by features',
      ('features', *(f'within {at:g} px' for at in distances), 'mean, px'),
      # The mean distance is at none.
      _by_layer(chosen, [*distances, None]),
      note='An annotation of each image is looked for in the next one, as '
      'Acc(d) does in a warped copy: whether a feature means the same part in '
      f'two objects, or in neighbouring frames. {_spread_note(records)}',
  )


def _by_layer(
    records: Records, distances: Sequence[float | None]
) -> tuple[tuple[str, ...], ...]:
  """A row per method and layer, a cell for what is at each distance."""
  body = []
  for row in naming.rows(records):
    for layer in sorted({record.layer for record in row}, key=str):
      cells = {record.at: record for record in select(row, layer=layer)}
      name = '' if layer is None else f', layer {layer}'
      body.append((
          naming.label(row) + name,
          *(naming.number(cells.get(at)) for at in distances),
      ))
  return tuple(body)


def by_samples(records: Records) -> list[list[Record]]:
  """Each method's figures, from few annotated images to all of them."""
  metric = headline(records)
  few = select(records, metric=f'samples_{metric}')
  full = select(records, metric=metric, point='all')
  return [
      sorted(row, key=lambda record: record.protocol['fit_images'])
      for row in naming.rows([*few, *full])
      if select(row, metric=f'samples_{metric}')
  ]


def sample_efficiency(records: Records) -> Table | None:
  """Figures by the number of annotated images, as Tables 2, 3 and 5."""
  rows = by_samples(records)
  if not rows:
    return None
  few = rows[0][0]
  columns = {
      naming.label(row): {r.protocol['fit_images']: r for r in reversed(row)}
      for row in rows
  }
  numbers = sorted({number for cells in columns.values() for number in cells})
  body = [
      (f'{n} (all)' if n == numbers[-1] else f'{n}', *(
          naming.number(cells.get(n), stderr=False)
          for cells in columns.values()
      ))
      for n in numbers
  ]  # fmt: skip
  seeds = any('seeds' in record.protocol for record in records)
  return Table(
      'samples', f'Sample efficiency: {naming.heading(few)}',
      ('annotated images', *columns), tuple(body),
      note=f"Mean ± standard deviation over {few.protocol['repeats']} random "
      'draws, the same for every method'
      + (' (and over seeds).' if seeds else '.'),
  )


def landmarks(records: Records) -> Table | None:
  """One method's landmarks, the most reliable first."""
  cells = {(r.metric, r.point): r for r in records}
  columns = {
      metric: title
      for metric, title in (
          ('equivariance_px', 'own equivariance error, px'),
          ('backward_px', 'error when told from annotations, px'),
          ('explained', 'R², explained by annotations'),
          ('spread_px', 'spread of the heatmap, px'),
      )
      if select(records, metric=metric)
  }
  named = [
      record
      for record in select(records, metric='equivariance_px')
      if record.point != 'all'
  ]
  if not named:
    return None
  # A landmark that was never inside the image is the least to be trusted.
  named.sort(key=lambda r: (r.value is None, r.value or 0.0))
  body = [
      (
          record.point.removeprefix('landmark '),
          *(naming.number(cells.get((m, record.point))) for m in columns),
          str(record.count),
      )
      for record in named
  ]
  return Table(
      'landmarks', 'Landmarks, the most reliable first',
      ('landmark', *columns.values(), 'warped copies used'), tuple(body),
      note='Low is good, but for R². A landmark that does not move with the '
      'image under warps, or that annotations cannot tell, sits on no part of '
      'the object.',
  )


def protocol(records: Records) -> Table:
  """All that the figures depend on."""
  body = tuple(protocol_rows.rows(records))
  return Table('protocol', 'Protocol', ('what', 'value'), body)


def headline(records: Records) -> str:
  """The metric of a dataset: inter-ocular error where there are eyes."""
  return 'error_iod' if select(records, metric='error_iod') else 'pck'


def _count_a_seed(record: Record) -> int:
  """What a figure is the mean of; the same points for every seed once."""
  if record.method in FLOORS:
    return record.count
  return record.count // len(record.protocol.get('seeds', [0]))


def _headings(records: Records) -> dict[str, str]:
  """The metrics that there are, with their columns' headings."""
  first = {record.metric: record for record in reversed(records)}
  return {m: naming.heading(first[m]) for m in naming.HEADINGS if m in first}


def _points(records: Records, *, groups_only: bool = False) -> list[str]:
  """Annotated points, groups and 'all'; or groups and 'all'."""
  return list(dict.fromkeys(
      r.point
      for r in select(records, metric='pck')
      if not groups_only or r.point == 'all' or 'group' in r.protocol
  ))  # fmt: skip


def _distances(records: Records) -> list[float]:
  return sorted({record.at for record in select(records, metric='acc')})


def _spread_note(records: Records) -> str:
  seeds = [r.protocol['seeds'] for r in records if 'seeds' in r.protocol]
  notes = []
  if any(r.method not in FLOORS and 'seed' in r.protocol for r in records):
    notes.append('Of one run: ± the standard error over images.')
  if seeds and len(seeds[0]) > 1:
    notes.append(
        f'Over {len(seeds[0])} seeds: mean ± standard deviation over them.'
    )
  return ' '.join(notes)
