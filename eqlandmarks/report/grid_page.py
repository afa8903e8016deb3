"""The comparison of presets: one table, as a page and as CSV."""

import csv
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from eqlandmarks.evaluation.records import FLOORS
from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.records import select
from eqlandmarks.report import naming
from eqlandmarks.report import page as page_lib
from eqlandmarks.report.tables import Table
from eqlandmarks.system import files

# The distances at which features are compared, in pixels of a 128-pixel image:
# in a warped copy, and in another image.
_WARPED, _ACROSS = 5.0, 10.0


def table(records: Mapping[str, Sequence[Record]]) -> Table:
  """A row per preset, method and length; the floors once, at the end.

  Args:
    records: of each preset's comparison.
  """
  columns: dict[str, None] = {}
  body: dict[str, dict[str, str]] = {}
  floors: dict[str, dict[str, str]] = {}
  for preset, own in records.items():
    for row in naming.rows(own):
      cells = {
          title: naming.number(record, stderr=False)
          for title, record in _figures(row).items()
      }
      columns |= dict.fromkeys(cells)
      if row[0].method in FLOORS:
        floors.setdefault(naming.label(row), cells)
      elif cells:
        body[f'{preset}: {naming.label(row)}'] = cells
  first = next(iter(records.values()))
  return Table(
      'grid',
      f'Compared methods on {first[0].dataset}, split {first[0].split}',
      ('preset: method', *columns),
      tuple(
          (name, *(cells.get(title, '') for title in columns))
          for name, cells in (body | floors).items()
      ),
      note=f'Mean ± standard deviation over {_num_seeds(first)} seeds. Each '
      'preset has a page of its own: grid/PRESET/report.html.',
  )


def _figures(row: Sequence[Record]) -> dict[str, Record]:
  """What the table shows of one method, by the column's title."""
  figures = {}
  for metric in ('pck', 'error_px', 'error_iod'):
    for record in select(row, metric=metric, point='all'):
      figures[naming.heading(record)] = record
  few = [r for r in row if r.metric in ('samples_pck', 'samples_error_iod')]
  for record in sorted(few, key=lambda r: r.protocol['fit_images'])[:1]:
    count = record.protocol['fit_images']
    figures[f'{naming.heading(record)}, {count} annotated'] = record
  for metric, title, fields in (
      ('acc', f'Acc({_WARPED:g}), layer 1', {'at': _WARPED, 'layer': 1}),
      ('across', f'next image, within {_ACROSS:g} px',
       {'at': _ACROSS, 'layer': 1, 'point': 'all'}),
      ('backward_px', 'backward error, px', {'point': 'all'}),
      ('explained', 'R² by annotations', {'point': 'all'}),
  ):  # fmt: skip
    for record in select(row, metric=metric, **fields)[:1]:
      figures[title] = record
  return figures


def _num_seeds(records: Sequence[Record]) -> int:
  seeds = (record.protocol.get('seeds') for record in records)
  return len(next(filter(None, seeds), [0]))


def write(path: pathlib.Path, table: Table, title: str) -> None:
  """Writes the page, and beside it the table as grid.csv."""
  page_lib.write(path, page_lib.Page(
      title=title, tables=[table], charts=[], methods=[],
      images=np.empty((0, 1, 1, 3), np.uint8), point_names=(), num_images=0,
      warnings=[],
  ))  # fmt: skip
  with (
      files.replacing(path.with_name('grid.csv')) as partial,
      partial.open('w', newline='', encoding='utf-8') as file,
  ):
    csv.writer(file).writerows([table.columns, *table.rows])
