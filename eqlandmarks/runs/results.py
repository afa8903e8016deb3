"""results.json: every figure of a run, and the like of a comparison.

results.csv has the same figures, a row each, for spreadsheets and pandas.
"""

import csv
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.evaluation.records import Record
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import files

NAME, TABLE = 'results.json', 'results.csv'
# Of a row, those of the record, and of its protocol.
_FIELDS = (
    'dataset', 'split', 'variant', 'method', 'budget', 'epochs', 'seeds',
    'metric', 'at', 'point', 'layer', 'fit_images', 'value', 'plus_minus',
    'plus_minus_is', 'count',
)  # fmt: skip
_PROTOCOL = ('image_size', 'num_landmarks', 'unit', 'checkpoint')


def read(workdir: Workdir, name: str = NAME) -> list[Record]:
  """The records of a file of a workdir; [] where it is not there."""
  return records_lib.from_json(workdir.read(name, records_lib.check) or [])


def write(workdir: Workdir, *sources: Sequence[Record]) -> None:
  """Writes both files; the floors are taken from the first source alone."""
  records, floors = [], set()
  for source in sources:
    records += [r for r in source if r.method not in floors]
    floors |= {r.method for r in source} & {*records_lib.FLOORS}
  workdir.write(NAME, records_lib.to_json(records))
  write_table(workdir.path / TABLE, {'': records})


def write_table(
    path: pathlib.Path, runs: dict[str, Sequence[Record]]
) -> None:
  """Writes figures as csv, a row each, which a curve has for each distance.

  Args:
    path: of the file.
    runs: the records of runs by their names; without a name, '', there is no
      column of names.
  """
  names = [] if '' in runs else ['run']
  with (
      files.replacing(path) as partial,
      open(partial, 'w', encoding='utf-8', newline='') as file,
  ):
    writer = csv.DictWriter(file, [*names, *_FIELDS, *_PROTOCOL])
    writer.writeheader()
    for run, records in runs.items():
      for row in rows(records):
        writer.writerow({**row, **dict.fromkeys(names, run)})


def rows(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
  """The rows of a table: a figure each, and of a curve each distance."""
  for record in records:
    content = record.to_json()
    kind = 'std' if record.std is not None else 'stderr'
    spread = getattr(record, kind)
    row = {name: content[name] for name in _FIELDS if name in content}
    row |= {name: record.protocol.get(name) for name in _PROTOCOL}
    row |= {
        'epochs': _text(content['epochs'], ' + '),
        'seeds': _text(content['seeds'], ' '),
        'plus_minus_is': kind if spread is not None else None,
    }
    cells = record.at, record.value, spread  # of curves, lists
    for i in range(len(record.at) if isinstance(record.at, list) else 1):
      at, value, plus_minus = (
          cell[i] if isinstance(cell, list) else cell for cell in cells
      )
      yield {**row, 'at': at, 'value': value, 'plus_minus': plus_minus}


def _text(values: Any, between: str) -> str | None:
  """A list as text, since tables are grouped by what can be hashed."""
  return between.join(map(str, values)) if values else None
