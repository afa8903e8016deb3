"""Records that were altered: one line, or a report, and never a traceback."""

import json
import math
import types

import finished_run
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks.datasets.base import examples
from eqlandmarks.program import report as report_lib
from eqlandmarks.report import page
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import fingerprints

_GONE = object()
ODD = (
    _GONE, None, math.nan, math.inf, '', 'x', [], [None], {}, -1, True, 1e300,
)  # fmt: skip


class _Made(Exception):
  """All that records decide has been made of them."""


def _stop(*_):
  raise _Made


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A finished workdir, and what its records are."""
  folder = tmp_path_factory.mktemp('finished') / 'w'
  finished_run.copy_to(folder)
  path = folder / 'two_stage/records.json'
  return folder, json.loads(path.read_text())


@pytest.fixture
def report(finished, monkeypatch):
  """Makes a report of other records, as far as they decide."""
  folder, content = finished
  description = examples.Description(('a',), {}, (), 'train', 'val', 'test')
  this = types.SimpleNamespace(
      workdir=Workdir(folder), config=signer.get_config('tiny'),
      description=description, shown_split='test', load=lambda split: None,
  )  # fmt: skip
  monkeypatch.setattr(report_lib, '_check_images', _stop)

  def make(records):
    changed = {**content, 'records': records}
    del changed['sha256']
    changed['sha256'] = fingerprints.of_json(changed)
    (folder / 'two_stage/records.json').write_text(json.dumps(changed))
    (folder / 'results.json').write_text(json.dumps(records))
    try:
      report_lib.show(this)
    except errors.UserError as error:
      assert '\n' not in str(error)
      assert 'records.json' in str(error) or 'results.json' in str(error)
      return str(error)
    except _Made:
      return None

  return make


def _with(record, path, value):
  record = json.loads(json.dumps(record))
  *groups, name = path
  part = record
  for group in groups:
    part = part.get(group) if isinstance(part, dict) else None
  if isinstance(part, dict) and value is _GONE:
    part.pop(name, None)
  elif isinstance(part, dict):
    part[name] = value
  return record


def test_what_a_run_wrote_is_shown(finished, report):
  assert report(finished[1]['records']) is None
  assert 'damaged' in report([])


@pytest.mark.slow
def test_odd_values_of_all_fields(finished, report):
  records = finished[1]['records']
  paths = {(name,) for record in records for name in record}
  paths |= {('protocol', n) for record in records for n in record['protocol']}
  paths |= {('protocol', 'regression', 'alpha'), ('protocol', 'budgets')}
  for path in sorted(paths):
    for value in ODD:
      report([_with(record, path, value) for record in records])


def test_values_that_are_missing_are_shown(finished, report):
  records = finished[1]['records']
  none = [_with(record, ('value',), None) for record in records]
  assert report(none) is None


def test_the_page_holds_no_number_that_json_does_not_know():
  chart = page.Chart(
      'c', 'c', 'x', 'y', (report_lib.charts_lib.Series(
          'a', (0.0, 1.0), (math.nan, 1.0), None, '#000000'),),
  )  # fmt: skip
  assert 'NaN' not in json.dumps(page._chart(chart))


def test_losses_that_are_all_zero_have_no_logarithm():
  rows = [{'step': 10, 'loss': 0.0}, {'step': 20, 'loss': 0.0}]
  assert not report_lib.charts_lib.losses('pretrain', rows).y_log
  assert report_lib.charts_lib.losses('pretrain', [*rows, rows[0] | {
      'loss': 1.0}]).y_log  # fmt: skip
