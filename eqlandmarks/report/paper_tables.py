"""The paper's Tables 1 to 6, filled with a run's own figures.

A dataset gets those that its annotations allow: Tables 1, 2 and 6 where heads,
wrists, elbows and shoulders are annotated, Tables 3 to 5 where eyes are. What
others published says so, and where the dataset is not theirs, that too.
"""

from collections.abc import Mapping, Sequence

from eqlandmarks.evaluation.records import Record
from eqlandmarks.report import naming
from eqlandmarks.report import published
from eqlandmarks.report import tables as tables_lib
from eqlandmarks.report.tables import Table

# What the paper calls a dataset, and what it is called here.
_DATASETS = {'BBC Pose': 'bbc_pose', 'Cat Head': 'cat_head', 'MAFL': 'celeba'}
_JOINTS = ('head', 'wrists', 'elbows', 'shoulders')
_JOINT_COLUMNS = ('Head', 'Wrist', 'Elbow', 'Shoulder', 'Avg.')


def paper_tables(records: Sequence[Record]) -> list[Table]:
  """The tables of the paper that a run's annotations allow."""
  tables = []
  # Published shares are within 6 px, and stand beside no other ones.
  six = any(r.metric == 'pck' and r.at == 6 for r in records)
  if six and {r.point for r in records} >= {*_JOINTS}:
    tables += _of_joints(records)
  if any(r.metric == 'error_iod' for r in records):
    tables += _of_eyes(records)
  return tables


def _of_joints(records: Sequence[Record]) -> list[Table]:
  """Tables 1, 2 and 6."""
  bbc = _Standing('BBC Pose', records)
  supervised = {
      published.SUPERVISED: published.BBC_SUPERVISED,
      published.UNSUPERVISED: published.BBC_UNSUPERVISED,
  }
  return [
      _by_joint(
          'table1', 'Table 1: points within 6 px of a 128-pixel image, %',
          supervised, records, bbc,
      ),
      _by_joint(
          'table6', 'Table 6: ablation, points within 6 px, %',
          {'': published.BBC_ABLATION}, records, bbc,
      ),
      *_by_samples(
          'table2', 'Table 2: points within 6 px by annotated images, %',
          published.BBC_SAMPLES, records, bbc,
      ),
  ]  # fmt: skip


def _of_eyes(records: Sequence[Record]) -> list[Table]:
  """Tables 3 to 6."""
  dataset, tables = records[0].dataset, []
  cats, mafl = _Standing('Cat Head', records), _Standing('MAFL', records)
  # A face is no cat: on a dataset of the paper, the other one is left out.
  if dataset != _DATASETS['MAFL']:
    tables.append(_by_landmarks(
        'table3', 'Table 3: inter-ocular error, %', (10, 20), published.CAT,
        records, standing=cats, samples=True,
    ))  # fmt: skip
  if dataset != _DATASETS['Cat Head']:
    quoted = {
        published.SUPERVISED: (),
        **published.MAFL_SUPERVISED,
        published.UNSUPERVISED: (),
        **published.MAFL_UNSUPERVISED,
    }
    tables.append(_by_landmarks(
        'table4', 'Table 4: inter-ocular error, %', (None, 30, 50), quoted,
        records, standing=mafl,
    ))  # fmt: skip
    tables += _by_samples(
        'table5', 'Table 5: inter-ocular error by annotated images, %',
        published.MAFL_SAMPLES, records, mafl,
    )  # fmt: skip
  # On other faces, Tables 3 and 4 have this run's end-to-end figures as well.
  for standing, numbers, quoted in (
      (cats, (10, 20), published.CAT_ABLATION),
      (mafl, (30, 50), published.MAFL_ABLATION),
  ):
    if not standing.other:
      tables.append(_by_landmarks(
          'table6', 'Table 6: ablation, inter-ocular error, %', numbers, quoted,
          records, standing=standing,
      ))  # fmt: skip
  return tables


def _by_samples(
    name: str,
    title: str,
    quoted: Mapping[int, Sequence[str]],
    records: Sequence[Record],
    standing: '_Standing',
) -> list[Table]:
  """Tables 2 and 5; none where no small numbers of images were tried."""
  own = tables_lib.sample_efficiency(records)
  if own is None:
    return []
  found = {int(row[0].split()[0]): row[1:] for row in own.rows}
  nothing = ('',) * (len(own.columns) - 1)
  rows = tuple(
      (str(n), *quoted.get(n, ('', '')), *found.get(n, nothing))
      for n in sorted({*quoted, *found})
  )
  heads = [standing.mark(method) for method in published.SAMPLE_METHODS]
  columns = ('annotated images', *heads, *own.columns[1:])
  return [Table(name, title, columns, rows, note=standing.note)]


def _by_joint(
    name: str,
    title: str,
    quoted: Mapping[str, Mapping[str, Sequence[float]]],
    records: Sequence[Record],
    standing: '_Standing',
) -> Table:
  """Shares within 6 px by joint, and BBC's official ones where measured."""
  rows = []
  for heading, methods in quoted.items():
    if heading:
      rows.append((heading, *[''] * len(_JOINT_COLUMNS)))
    rows += [
        (standing.mark(method), *(f'{value:.1f}' for value in values))
        for method, values in methods.items()
    ]
  return Table(
      name, title, ('method', *_JOINT_COLUMNS),
      (*rows, *_own_joints(records)),
      published=tuple(range(len(rows))), note=standing.note,
  )  # fmt: skip


def _own_joints(records: Sequence[Record]) -> list[tuple[str, ...]]:
  rows, at = [], {r.metric: r.at for r in records}.get('pck_original')
  official = ' (official rule)' if at == 12 else f' ({at} px of the original)'
  for metric, suffix in (('pck', ''), ('pck_original', official)):
    there = [r for r in records if r.metric == metric]
    for row in naming.keys(there):
      found = {r.point: r for r in there if naming.key(r) == row}
      rows.append((naming.label(row, records) + suffix, *(
          naming.number(found.get(point), 1, scale=100.0)
          for point in (*_JOINTS, 'all')
      )))  # fmt: skip
  return rows


def _by_landmarks(
    name: str,
    title: str,
    numbers: Sequence[int | None],
    quoted: Mapping[str, Sequence[str]],
    records: Sequence[Record],
    *,
    standing: '_Standing',
    samples: bool = False,
) -> Table:
  """A column for each K of the paper, and one for the run's own K."""
  own = records[0].protocol['num_landmarks']
  columns = list(numbers) + ([] if own in numbers else [own])
  rows = [
      (standing.mark(method) if values else method, *values,
       *([''] * (len(columns) - len(values))))
      for method, values in quoted.items()
  ]
  count = len(rows)
  there = [r for r in records if r.metric == 'error_iod']
  if samples:
    there = [r for r in records if r.metric == 'samples_error_iod'] + there
  for record in there:
    row = naming.key(record)
    images = record.protocol['fit_images']
    suffix = f', {images} images' if samples else ''
    values = [
        naming.number(record, 2) if k == own else '' for k in columns
    ]
    rows.append((naming.label(row, records) + suffix, *values))
  headings = ['no K' if k is None else f'K = {k}' for k in columns]
  return Table(
      name, title, ('method', *headings), tuple(rows),
      published=tuple(range(count)), note=standing.note,
  )  # fmt: skip


class _Standing:
  """How a run's own figures stand beside those published on a dataset.

  Args:
    of: the dataset's name in the paper.
    records: the run's.

  Attributes:
    other: whether the run is on another dataset.
  """

  def __init__(self, of: str, records: Sequence[Record]):
    self._of = of
    self.other = records[0].dataset != _DATASETS[of]
    data = records[0].protocol.get('data', {})
    self._partial = data.get('partial', '')
    self._differs = data.get('differs', '')

  def mark(self, method: str) -> str:
    """The name of a published method."""
    if self.other:
      return f'{method} (published, other images)'
    if self._partial:
      return f'{method} (published, whole dataset)'
    if self._differs:
      return f'{method} (published, other data)'
    return f'{method} (published)'

  @property
  def note(self) -> str:
    """What a reader must know."""
    quoted = f'Published figures: on {self._of}, as quoted in the paper'
    if self.other:
      return f'{quoted}; these are other images, and no comparison.'
    if self._partial:
      return (
          f'{quoted}. PARTIAL DATA: the run itself had {self._partial}, '
          'fixtures or a part of the dataset; no comparison.'
      )
    if self._differs:
      return f'{quoted}; the run has {self._differs}: no comparison.'
    return f'{quoted}.'
