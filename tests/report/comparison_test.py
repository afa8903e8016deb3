"""Runs side by side, and whether their figures compare."""

import json

import pytest
from report_fixtures import COMPARED
from report_fixtures import record

from eqlandmarks import errors
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.program import compare
from eqlandmarks.report import comparison


def _run(value, **fields):
  return [
      record('pck', 'two_stage', value, at=6.0, stderr=0.01, **fields),
      record('error_px', 'two_stage', 10 * value, **fields),
      record('acc', 'two_stage', 0.2, at=20.0, layer=1, **fields),
      record('pck', 'mean_shape', 0.1, at=6.0, **fields),
  ]


def test_a_row_for_each_method_of_each_run():
  table = comparison.table({'a': _run(0.5), 'b': _run(0.6)})
  assert table.columns == (
      'run', 'within 6 px, %', 'mean error, px', 'Acc(20), layer 1'
  )
  assert table.rows == (
      ('a: two-stage', '50.0 ± 1.0', '5.00', '0.200'),
      ('b: two-stage', '60.0 ± 1.0', '6.00', '0.200'),
      ('mean shape (floor)', '10.0', '', ''),
  )


def test_floors_that_differ_say_whose_they_are():
  other = [r.replace(value=0.2) for r in _run(0.5)]
  names = [r[0] for r in comparison.table({'a': _run(0.5), 'b': other}).rows]
  assert names[2:] == ['a: mean shape (floor)', 'b: mean shape (floor)']


def test_a_comparison_has_its_lengths():
  rows = comparison.table({'a': COMPARED, 'b': _run(0.5)}).rows
  assert [row[0] for row in rows] == [
      'a: two-stage, 6 + 6 epochs',
      'a: end-to-end, 6 epochs (epochs of stage 2)',
      'b: two-stage', 'mean shape (floor)',
  ]  # fmt: skip


def test_protocols_that_differ_are_named():
  same = {'a': 'x', 'b': 'x'}
  assert comparison.differences({'a': _run(0.5), 'b': _run(0.6)}, same) == []
  # How a run was trained is what is compared.
  longer = _run(0.6, protocol={'epochs': [9, 9], 'seed': 3})
  assert comparison.differences({'a': _run(0.5), 'b': longer}, same) == []
  other = _run(0.6, split='val', protocol={
      'images': 9, 'regression': {'alpha': 1.0, 'intercept': False,
                                  'origin': 'corner', 'unit': 'px'},
      'warp': {'rotation': 5.0, 'zoom': 0.0},
  })  # fmt: skip
  assert comparison.differences({'a': _run(0.5), 'b': other}, same) == [
      'split (a test, b val)', 'images (a 4, b 9)',
      'regression.alpha (a 0.1, b 1.0)', 'warp.rotation (a 20.0, b 5.0)',
  ]  # fmt: skip
  assert comparison.differences(
      {'a': _run(0.5), 'b': _run(0.6)}, {'a': 'x', 'b': 'y'}
  ) == ['the images or labels that score them']


@pytest.fixture
def runs(tmp_path):
  for name, records in (('a', _run(0.5)), ('b', _run(0.6))):
    (tmp_path / name).mkdir()
    content = json.dumps(records_lib.to_json(records))
    (tmp_path / name / 'results.json').write_text(content)
  return [str(tmp_path / 'a'), str(tmp_path / 'b')]


def test_on_the_terminal_and_as_a_file(runs, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv('COLUMNS', '40')
  compare.compare(runs, str(tmp_path / 'x.csv'))
  said = capsys.readouterr().out
  assert 'a: two-stage' in said and 'do not compare' not in said
  assert max(map(len, said.splitlines())) <= 40
  lines = (tmp_path / 'x.csv').read_text().splitlines()
  assert lines[0].startswith('run,dataset,split,variant,')
  assert [line[:2] for line in lines[1:]] == ['a,'] * 4 + ['b,'] * 4
  capsys.readouterr()
  compare.compare([*runs, f'{tmp_path}/a/../b/../c'][:2])


def test_runs_without_figures_are_named(runs, tmp_path):
  (tmp_path / 'empty').mkdir()
  for given, said in (
      ([runs[0], str(tmp_path / 'empty')], 'empty: holds no figures'),
      ([runs[0], runs[0]], 'is named twice'),
      ([runs[0], f'{tmp_path}/b/../a'], 'is named twice'),
  ):
    with pytest.raises(errors.UserError, match=said):
      compare.compare(given)
  curve = json.dumps(records_lib.to_json(
      [record('pck_curve', 'two_stage', [0.5], at=[0.0, 1.0])]
  ))  # fmt: skip
  for text in ('[{}]', '{', '[1]', '{}', '[]', curve):
    (tmp_path / 'b/results.json').write_text(text)
    with pytest.raises(errors.UserError):
      compare.compare(runs)
  changed = [r.replace(protocol={}) for r in _run(0.5)]
  (tmp_path / 'b/results.json').write_text(
      json.dumps(records_lib.to_json(changed))
  )
  compare.compare(runs)  # tells what differs
