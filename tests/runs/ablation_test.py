"""The comparison: its budgets, its rows, and a whole one at a tiny size."""

import json

import jax
import numpy as np
import pytest

from configs import signer
from eqlandmarks.evaluation import records
from eqlandmarks.program import modes
from eqlandmarks.program import report as report_lib
from eqlandmarks.report import tables
from eqlandmarks.runs import ablation
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs import workdir as workdir_lib
from eqlandmarks.system import fingerprints
from eqlandmarks.training import loop
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages


def _config():
  config = signer.get_config('tiny')
  config.batch_size = 8
  config.dataset.num_train = 24
  config.dataset.num_validation = 12
  config.dataset.num_test = 12
  config.evaluation.batch_size = 12
  return config


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  """A workdir after --mode=ablation, at two seeds."""
  workdir = tmp_path_factory.mktemp('run') / 'signer'
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
    # What the clock says would make the time budget another one each time.
    times = {'pretrain': 1.0, 'two_stage': 2.0}
    patch.setattr(
        ablation, '_seconds', lambda run, stage: times.get(stage, 2.1)
    )
    modes.run(_config(), str(workdir), 'ablation')
    yield workdir


def _results(workdir):
  return json.loads((workdir / 'results.json').read_text())


def _digest(workdir, stage):
  run = json.loads((workdir / 'run.json').read_text())
  return run['methods'][stage]['sha256']


def test_budgets_by_hand(compared):
  plan = json.loads((compared / 'ablation/plan.json').read_text())
  # Two epochs at 1 and two at 2 make 6; an epoch of the others takes 2.1.
  assert plan['epochs'] == {
      'two_stage': {'paper': 2, 'steps': 2, 'time': 2},
      'unfrozen': {'paper': 2, 'steps': 2, 'time': 2},
      'end_to_end': {'paper': 2, 'steps': 4, 'time': 3},
  }
  rows = ablation.rows(workdir_lib.Workdir(compared))
  assert [(r.method, r.budgets, r.epochs) for r in rows] == [
      ('two_stage', ('paper', 'steps', 'time'), 2),
      ('unfrozen', ('paper', 'steps', 'time'), 2),
      ('end_to_end', ('paper',), 2),
      ('end_to_end', ('time',), 3),
      ('end_to_end', ('steps',), 4),
  ]


def test_every_row_has_mean_and_deviation_over_seeds(compared):
  pck = {
      (r['method'], tuple(r['protocol'].get('budgets') or ())): r
      for r in _results(compared)
      if r['metric'] == 'pck' and r['point'] == 'all'
  }
  assert set(pck) == {
      ('two_stage', ablation.BUDGETS), ('unfrozen', ablation.BUDGETS),
      ('end_to_end', ('paper',)), ('end_to_end', ('time',)),
      ('end_to_end', ('steps',)), ('mean_shape', ()),
  }
  per_seed = [
      next(
          r['value'] for r in _results(compared / f'ablation/seed{seed}')
          if r['metric'] == 'pck' and r['point'] == 'all'
          and r['method'] == 'two_stage'
      )
      for seed in (0, 1)
  ]
  found = pck['two_stage', ablation.BUDGETS]
  assert found['value'] == pytest.approx(sum(per_seed) / 2)
  assert found['std'] == pytest.approx(abs(per_seed[0] - per_seed[1]) / 2**0.5)
  assert found['protocol']['seeds'] == [0, 1]
  assert found['protocol']['epochs'] == [2, 2]
  assert pck['end_to_end', ('steps',)]['protocol']['epochs'] == [0, 4]
  assert found['count'] == 2 * 12 * 7
  assert pck['mean_shape', ()]['count'] == 12 * 7
  # So does the table of the page: the points of one seed.
  table = tables.points(records.from_json(_results(compared)))
  assert {row[-1] for row in table.rows if row[0] == 'all'} == {'84'}


def test_no_two_records_are_told_apart_by_their_protocol_alone(compared):
  names = ('method', 'budget', 'metric', 'at', 'point', 'layer', 'fit_images')
  for folder in (compared, compared / 'ablation/seed1'):
    records = _results(folder)
    keys = [tuple(str(r[name]) for name in names) for r in records]
    assert len({*keys}) == len(keys)
    assert {(r['method'], r['budget']) for r in records} == {
        ('two_stage', 'paper'), ('unfrozen', 'paper'), ('end_to_end', 'paper'),
        ('end_to_end', 'steps'), ('end_to_end', 'time'), ('mean_shape', None),
        ('random', None),
    }


@pytest.mark.slow
def test_a_row_is_the_same_as_a_training_without_a_break(compared, tmp_path):
  config = _config()
  config.end_to_end.num_epochs = 4
  config.dataset.cache = str(compared / 'data')
  modes.run(config, str(tmp_path / 'w'), 'end_to_end')
  assert _digest(tmp_path / 'w', 'end_to_end') == _digest(
      compared / 'ablation/seed0', 'end_to_end_4_epochs'
  )


def test_methods_start_from_the_same_nets(tmp_path, monkeypatch):
  config, starts = _config(), {}

  def stop(stage, **_):
    starts[stage.title] = jax.device_get(
        (stage.state.params, jax.random.key_data(stage.key))
    )
    raise KeyboardInterrupt

  monkeypatch.setattr(loop, 'train', stop)
  images = np.zeros((8, 32, 32, 3), np.uint8)


  def start(name, **of_method):
    folder = stage_folder.StageFolder(tmp_path / name)
    with pytest.raises(KeyboardInterrupt):
      stages.train(config, images, folder, num_epochs=1, **of_method)

  start('pretrain')
  given = starts['pretrain'][0]['features']
  start('two_stage', method=methods.TWO_STAGE, features={'params': given})
  start('end_to_end', method=methods.END_TO_END)
  two_stage, end_to_end = starts['two_stage'], starts['end_to_end']
  same = lambda a, b: jax.tree.map(np.testing.assert_array_equal, a, b)
  same(two_stage[0]['landmarks'], end_to_end[0]['landmarks'])
  same(given, end_to_end[0]['features'])  # where stage 1 starts from
  same(two_stage[1], end_to_end[1])  # the same warps
  assert set(two_stage[0]) == {'landmarks'}


def test_a_second_call_trains_and_measures_nothing(compared, monkeypatch):
  before = (compared / 'results.json').read_bytes()
  monkeypatch.setattr(loop, 'train', None)  # any training would fail
  monkeypatch.setattr(run_lib.Run, 'evaluate', None)
  for mode in ('ablation', 'report'):
    modes.run(_config(), str(compared), mode)
  assert (compared / 'results.json').read_bytes() == before


def test_half_a_comparison_is_reported_as_far_as_it_goes(
    compared, monkeypatch
):
  monkeypatch.setattr(loop, 'train', None)
  config = _config()
  config.ablation.num_seeds = 3  # the third has not been trained
  modes.run(config, str(compared), 'report')
  record = next(r for r in _results(compared) if r['method'] == 'two_stage')
  assert record['protocol']['seeds'] == [0, 1]


def test_another_share_of_epochs_is_refused(compared):
  config = _config()
  config.ablation.share = 0.5
  with pytest.raises(ValueError, match=r'ablation\.share \(1\.0 there'):
    modes.run(config, str(compared), 'ablation')


def _write_sealed(path, content):
  """Writes a stage's figures as if they had been measured so."""
  del content['sha256']
  content['sha256'] = fingerprints.of_json(content)
  path.write_text(json.dumps(content))


def test_a_collapse_of_any_seed_is_shown(compared):
  path = compared / 'ablation/seed1/two_stage/records.json'
  before = path.read_text()
  kept = json.loads(before)
  for record in kept['records']:
    if record['metric'] == 'extent_px':
      record['value'] = 1.0
  _write_sealed(path, kept)
  try:
    modes.run(_config(), str(compared), 'report')
  finally:
    path.write_text(before)
  report = (compared / 'report.html').read_text()
  assert 'Collapsed: two-stage, 2 + 2 epochs, seed 1' in report
  assert report.count('class="warning collapsed"') == 1


def test_figures_that_say_another_budget_are_measured_again(
    compared, monkeypatch
):
  path = compared / 'ablation/seed1/end_to_end_3_epochs/records.json'
  before, asked = path.read_text(), []
  kept = json.loads(before)
  for record in kept['records']:
    # As of a plan by which equal time took as many epochs as stage 2.
    if record['budget']:
      record['budget'] = 'paper'
      record['protocol']['budgets'] = ['paper', 'time']
  _write_sealed(path, kept)

  def measure_again(run, name, *_):
    asked.append((run.config.seed, name))
    path.write_text(before)

  monkeypatch.setattr(run_lib.Run, 'evaluate', measure_again)
  monkeypatch.setattr(report_lib, 'show', lambda run: None)
  modes.run(_config(), str(compared), 'report')
  assert asked == [(1, 'end_to_end_3_epochs')]
