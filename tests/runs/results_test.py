"""results.json and results.csv."""

import csv
import json
import pathlib
import re

import pytest

from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.runs import results
from eqlandmarks.runs.workdir import Workdir

ROOT = pathlib.Path(__file__).parent.parent.parent


def _record(method='two_stage', **fields):
  protocol = {'epochs': [6, 6], 'seed': 3, 'image_size': 64}
  default = {
      'dataset': 'cats', 'split': 'test', 'metric': 'pck', 'at': 6.0,
      'value': 0.5, 'stderr': 0.1, 'count': 7,
      'protocol': protocol | fields.pop('protocol', {}),
  }  # fmt: skip
  return records_lib.Record(method=method, **(default | fields))


RECORDS = [
    _record(point='all'),
    _record(point='head, "left"', value=None, stderr=None),
    _record(
        'end_to_end', budget='steps', stderr=None, std=0.2, point='all',
        protocol={'epochs': [0, 12], 'seeds': [3, 4], 'budgets': ['steps']},
    ),
    _record('mean_shape', value=0.25, stderr=None, point='all'),
    _record(metric='pck_curve', at=[0.0, 6.0], value=[0.0, 0.5], stderr=None),
]  # fmt: skip


@pytest.fixture
def workdir(tmp_path):
  results.write(Workdir(tmp_path), RECORDS)
  return tmp_path


def test_trainings_are_told_apart_at_the_top_level(workdir):
  written = json.loads((workdir / 'results.json').read_text())
  told = [(r['variant'], r['epochs'], r['seeds']) for r in written]
  assert told == [
      ('two_stage', [6, 6], [3]), ('two_stage', [6, 6], [3]),
      ('end_to_end (steps)', [0, 12], [3, 4]), ('mean_shape', None, []),
      ('two_stage', [6, 6], [3]),
  ]  # fmt: skip
  assert results.read(Workdir(workdir)) == RECORDS


def test_files_of_before_are_read(workdir):
  path = workdir / 'results.json'
  written = json.loads(path.read_text())
  for record in written:
    del record['variant'], record['epochs'], record['seeds']
  path.write_text(json.dumps(written))
  assert results.read(Workdir(workdir)) == RECORDS


def test_a_row_for_each_figure(workdir):
  with (workdir / 'results.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  shown = [
      tuple(row[name] for name in (
          'variant', 'epochs', 'seeds', 'metric', 'at', 'point', 'value',
          'plus_minus', 'plus_minus_is', 'image_size',
      ))
      for row in rows
  ]  # fmt: skip
  assert shown == [
      ('two_stage', '6 + 6', '3', 'pck', '6.0', 'all', '0.5', '0.1', 'stderr',
       '64'),
      ('two_stage', '6 + 6', '3', 'pck', '6.0', 'head, "left"', '', '', '',
       '64'),
      ('end_to_end (steps)', '0 + 12', '3 4', 'pck', '6.0', 'all', '0.5',
       '0.2', 'std', '64'),
      ('mean_shape', '', '', 'pck', '6.0', 'all', '0.25', '', '', '64'),
      ('two_stage', '6 + 6', '3', 'pck_curve', '0.0', 'all', '0.0', '', '',
       '64'),
      ('two_stage', '6 + 6', '3', 'pck_curve', '6.0', 'all', '0.5', '', '',
       '64'),
  ]  # fmt: skip


def test_the_lines_of_pandas_in_the_docs(workdir, monkeypatch, capsys):
  pytest.importorskip('pandas')
  text = (ROOT / 'docs/evaluation.md').read_text()
  (code,) = re.findall(r'```python\n(import pandas.*?)```', text, re.DOTALL)
  assert len(code.splitlines()) == 3
  (workdir / 'runs').mkdir()
  (workdir / 'runs/signer').symlink_to(workdir)
  monkeypatch.chdir(workdir)
  exec(code)
  said = capsys.readouterr().out
  assert 'end_to_end (steps)' in said and 'mean_shape' in said
  # Whatever would be averaged is an error.
  double = RECORDS[0].replace(value=0.7)
  results.write(Workdir(workdir), [*RECORDS, double])
  with pytest.raises(ValueError, match='duplicate'):
    exec(code)
