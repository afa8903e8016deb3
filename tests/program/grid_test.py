"""--mode=grid: presets compared, the same stage 1 trained once."""

import csv

import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks.program import ablation
from eqlandmarks.program import modes
from eqlandmarks.report import comparison
from eqlandmarks.runs import ablation as ablation_lib
from eqlandmarks.runs.workdir import Workdir


def _config(*presets):
  config = signer.get_config('tiny')
  config.grid.presets = presets
  config.ablation.num_seeds = 1
  config.dataset.num_train = 16
  config.dataset.num_validation = config.dataset.num_test = 8
  config.evaluation.repeats = config.evaluation.sheet_images = 2
  config.batch_size = 8
  for stage in (config.pretrain, config.discover):
    stage.num_epochs = 1
  return config


def test_presets_with_the_same_stage_1_share_it(tmp_path, monkeypatch):
  calls = []
  monkeypatch.setattr(
      ablation, 'ablation', lambda *arguments: calls.append(arguments)
  )
  monkeypatch.setattr(comparison, 'table', lambda records: _stop())
  presets = 'landmarks', 'dve', 'supervised', 'labelling'
  with pytest.raises(InterruptedError):
    modes.run(_config(*presets), tmp_path / 'w', 'grid')
  place = tmp_path / 'w/grid'
  assert [workdir.path for _, workdir, _ in calls] == [
      place / preset for preset in presets
  ]
  # Supervised landmarks stand on the features of the first preset.
  assert [other and other.path for *_, other in calls] == [
      None, None, place / 'landmarks', None
  ]
  caches = {config.dataset.cache for config, *_ in calls}
  assert caches == {str(tmp_path / 'w/data')}


def _stop():
  raise InterruptedError


def test_what_cannot_be_compared_is_refused_before_anything(tmp_path):
  with pytest.raises(errors.UserError, match='different names out of landm'):
    modes.run(_config('landmarks', 'imn'), tmp_path / 'w', 'grid')
  config = _config('landmarks', 'supervised')
  config.pretrained = 'elsewhere'
  with pytest.raises(errors.UserError, match=r'config\.pretrained'):
    modes.run(config, tmp_path / 'w', 'grid')
  assert not (tmp_path / 'w').exists()


@pytest.mark.slow
def test_a_whole_grid_and_again(tmp_path, monkeypatch, capsys):
  times = {'pretrain': 1.0, 'two_stage': 2.0}
  monkeypatch.setattr(
      ablation_lib, '_seconds', lambda run, stage: times.get(stage, 2.1)
  )
  config = _config('landmarks', 'supervised')
  modes.run(config, tmp_path / 'w', 'grid')
  digests = {
      Workdir(tmp_path / f'w/grid/{preset}').seed(0).stage('pretrain')
      .summary()['sha256']
      for preset in config.grid.presets
  }
  assert len(digests) == 1
  with (tmp_path / 'w/grid.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert {row['run'] for row in rows} == {'landmarks', 'supervised'}
  page = (tmp_path / 'w/grid.html').read_text()
  for name in ('landmarks: two-stage, 1 + 1 epochs', 'supervised: end-to-end',
               'mean shape (floor)', 'within 6 px, %'):  # fmt: skip
    assert name in page
  capsys.readouterr()
  modes.run(config, tmp_path / 'w', 'grid')
  again = capsys.readouterr()
  assert 'images/s' not in again.err and 'evaluating' not in again.out
