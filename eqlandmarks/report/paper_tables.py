"""The paper's Tables 1 to 6, filled with a run's own figures.

A dataset gets those that its annotations allow: Tables 1, 2 and 6 where heads,
wrists, elbows and shoulders are annotated, Tables 3 to 5 where eyes are. What
others published says so, and where the dataset is not theirs, that too.
"""

from collections.abc import Mapping, Sequence

from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.records import select
from eqlandmarks.report import naming
from eqlandmarks.report import published
from eqlandmarks.report import tables as tables_lib
from eqlandmarks.report.tables import Table

# What the paper calls a dataset, and what it is called here.
_DATASETS = {'BBC Pose': 'bbc_pose', 'Cat Head': 'cat_head', 'MAFL': 'celeba'}
_JOINTS = ('head', 'wrists', 'elbows', 'shoulders')
_JOINT_COLUMNS = ('Head', 'Wrist', 'Elbow', 'Shoulder', 'Avg.')

# Name of a published method, or a heading -> its cells; () for a heading.
Quoted = Mapping[str, Sequence[str]]
Rows = list[tuple[str, ...]]


def paper_tables(records: Sequence[Record]) -> list[Table]:
  """The tables of the paper that a run's annotations allow."""
  tables = []
  # Published shares are within 6 px, and stand beside no other ones.
  six = select(records, metric='pck', at=6)
  if six and {r.point for r in records} >= {*_JOINTS}:
    tables += _of_joints(records)
  if select(records, metric='error_iod'):
    tables += _of_eyes(records)
  return tables


def _of_joints(records: Sequence[Record]) -> list[Table]:
  """Tables 1, 2 and 6."""
  table1 = {
      published.SUPERVISED: (),
      **published.BBC_SUPERVISED,
      published.UNSUPERVISED: (),
      **published.BBC_UNSUPERVISED,
  }
  tables = []
  for name, title, quoted in (
      ('table1', 'Table 1: points within 6 px of a 128-pixel image, %', table1),
      (
          'table6', 'Table 6: ablation, points within 6 px, %',
          published.BBC_ABLATION,
      ),
  ):  # fmt: skip
    cells = {m: [f'{v:.1f}' for v in values] for m, values in quoted.items()}
    tables.append(_beside(
        name, title, _JOINT_COLUMNS, 'BBC Pose', cells, _own_joints(records),
        records,
    ))  # fmt: skip
  return tables + _by_samples(
      'table2', 'Table 2: points within 6 px by annotated images, %',
      'BBC Pose', published.BBC_SAMPLES, records,
  )


def _of_eyes(records: Sequence[Record]) -> list[Table]:
  """Tables 3 to 6."""
  dataset, tables = records[0].dataset, []
  # A face is no cat: on a dataset of the paper, the other one is left out.
  if dataset != _DATASETS['MAFL']:
    tables.append(_by_landmarks(
        'table3', 'Table 3: inter-ocular error, %', (10, 20), 'Cat Head',
        published.CAT, records, samples=True,
    ))  # fmt: skip
  if dataset != _DATASETS['Cat Head']:
    quoted = {
        published.SUPERVISED: (),
        **published.MAFL_SUPERVISED,
        published.UNSUPERVISED: (),
        **published.MAFL_UNSUPERVISED,
    }
    tables.append(_by_landmarks(
        'table4', 'Table 4: inter-ocular error, %', (None, 30, 50), 'MAFL',
        quoted, records,
    ))  # fmt: skip
    tables += _by_samples(
        'table5', 'Table 5: inter-ocular error by annotated images, %',
        'MAFL', published.MAFL_SAMPLES, records,
    )  # fmt: skip
  # On other faces, Tables 3 and 4 have this run's end-to-end figures as well.
  for of, numbers, quoted in (
      ('Cat Head', (10, 20), published.CAT_ABLATION),
      ('MAFL', (30, 50), published.MAFL_ABLATION),
  ):
    if dataset == _DATASETS[of]:
      tables.append(_by_landmarks(
          'table6', 'Table 6: ablation, inter-ocular error, %', numbers, of,
          quoted, records,
      ))  # fmt: skip
  return tables


def _by_samples(
    name: str,
    title: str,
    of: str,
    quoted: Mapping[int, Sequence[str]],
    records: Sequence[Record],
) -> list[Table]:
  """Tables 2 and 5; none where no small numbers of images were tried."""
  own = tables_lib.sample_efficiency(records)
  if own is None:
    return []
  cells = {int(row[0].split()[0]): row[1:] for row in own.rows}
  nothing = ('',) * (len(own.columns) - 1)
  rows = tuple(
      (str(n), *quoted.get(n, ('', '')), *cells.get(n, nothing))
      for n in sorted({*quoted, *cells})
  )
  mark, note = _standing(of, records)
  heads = [f'{method} ({mark})' for method in published.SAMPLE_METHODS]
  columns = ('annotated images', *heads, *own.columns[1:])
  return [Table(name, title, columns, rows, note=note)]


def _own_joints(records: Sequence[Record]) -> Rows:
  """Shares within 6 px by joint, and BBC's official ones where measured."""
  rows, at = [], {r.metric: r.at for r in records}.get('pck_original')
  official = ' (official rule)' if at == 12 else f' ({at} px of the original)'
  for metric, suffix in (('pck', ''), ('pck_original', official)):
    for row in naming.rows(select(records, metric=metric)):
      cells = {record.point: record for record in row}
      rows.append((naming.label(row) + suffix, *(
          naming.number(cells.get(point)) for point in (*_JOINTS, 'all')
      )))  # fmt: skip
  return rows


def _by_landmarks(
    name: str,
    title: str,
    numbers: Sequence[int | None],
    of: str,
    quoted: Quoted,
    records: Sequence[Record],
    *,
    samples: bool = False,
) -> Table:
  """A column for each K of the paper, and one for the run's own K."""
  count = records[0].protocol['num_landmarks']
  numbers = list(dict.fromkeys((*numbers, count)))
  figures = select(records, metric='error_iod')
  if samples:
    figures = select(records, metric='samples_error_iod') + figures
  rows = []
  for record in figures:
    images = record.protocol['fit_images']
    suffix = f', {images} images' if samples else ''
    value = naming.number(record)
    rows.append((
        naming.label([record]) + suffix,
        *(value if k == count else '' for k in numbers),
    ))
  headings = ['no K' if k is None else f'K = {k}' for k in numbers]
  return _beside(name, title, headings, of, quoted, rows, records)


def _beside(
    name: str,
    title: str,
    columns: Sequence[str],
    of: str,
    quoted: Quoted,
    own: Rows,
    records: Sequence[Record],
) -> Table:
  """A table of published figures, and below them a run's own."""
  mark, note = _standing(of, records)
  rows = [
      (f'{method} ({mark})' if cells else method, *cells,
       *[''] * (len(columns) - len(cells)))
      for method, cells in quoted.items()
  ]  # fmt: skip
  return Table(
      name, title, ('method', *columns), (*rows, *own),
      published=tuple(range(len(rows))), note=note,
  )


def _standing(of: str, records: Sequence[Record]) -> tuple[str, str]:
  """How figures published on a dataset compare with a run's own.

  Returns:
    What is added to the names of published methods, and a note.
  """
  data = records[0].protocol.get('data', {})
  quoted = f'Published figures: on {of}, as quoted in the paper'
  if records[0].dataset != _DATASETS[of]:
    return 'published, other images', (
        f'{quoted}; these are other images, and no comparison.'
    )
  if data.get('partial'):
    return 'published, whole dataset', (
        f"{quoted}. PARTIAL DATA: the run itself had {data['partial']}, "
        'fixtures or a part of the dataset; no comparison.'
    )
  if data.get('differs'):
    return 'published, other data', (
        f"{quoted}; the run has {data['differs']}: no comparison."
    )
  return 'published', f'{quoted}.'
