"""Whole runs that train a renderer, which nothing after training needs."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from configs import signer
from eqlandmarks import models
from eqlandmarks.predictor import trained
from eqlandmarks.program import modes
from eqlandmarks.training import progress
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import imm

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = '''
from eqlandmarks.configs import signer
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import imm


def get_config(variant=''):
  config = signer.get_config(variant)
  base.use(config.discover, 'imm')
  config.discover.update(imm.section())
  config.pretrain.num_epochs = config.discover.num_epochs = 1
  return config
'''


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A folder with my_imm.py and a workdir, trained from the command line."""
  folder = tmp_path_factory.mktemp('imm')
  (folder / 'my_imm.py').write_text(_CONFIG)
  _main(folder)
  return folder


def _main(folder, *arguments):
  done = subprocess.run(
      [
          sys.executable, 'main.py', f'--config={folder}/my_imm.py:tiny',
          f'--workdir={folder}/w', *arguments,
      ],
      cwd=ROOT, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr


def _stored(folder):
  return stage_folder.StageFolder(folder / 'w/two_stage').load_variables()


def test_it_trains_is_measured_and_shows_what_it_draws(finished):
  workdir = finished / 'w'
  assert _stored(finished).keys() == {'features', 'landmarks', 'renderer'}
  header = (workdir / 'two_stage/metrics.csv').read_text().splitlines()[0]
  assert 'reconstruction' in header and 'diversity' in header
  assert 'equivariance' not in header and 'points_used' not in header
  assert (workdir / 'figures/two_stage/drawn.png').stat().st_size > 0
  page = (workdir / 'report.html').read_text()
  assert '<section id="drawn">' in page
  assert page.count(', drawn">') == 6
  protocol = json.loads((workdir / 'results.json').read_text())[0]['protocol']
  assert protocol['objective']['discover'] == 'reconstruction'
  assert protocol['settings'] == {
      'patch': 0.0625, 'pyramid': 'pixels', 'sigma': 0.0354,
  }


def test_predict_and_export_see_both_nets_alone(finished):
  run = json.loads((finished / 'w/run.json').read_text())
  model = trained.load(finished / 'w')
  assert model.variables.keys() == {'features', 'landmarks'}
  assert model.digest == run['methods']['two_stage']['sha256']
  (finished / 'in').mkdir()
  image = np.zeros((32, 32, 3), np.uint8)
  image[8:16, 8:16] = 255
  Image.fromarray(image).save(finished / 'in/a.png')
  _main(finished, '--mode=predict', f'--config.predict.input={finished}/in')
  assert list((finished / 'w/predictions/in').glob('*.csv'))
  _main(finished, '--mode=export')
  assert list((finished / 'w/export').iterdir())


@pytest.mark.parametrize('pyramid', ['features', 'random'])
def test_killed_and_resumed_is_not_killed(tmp_path, monkeypatch, pyramid):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
  config = signer.get_config('tiny')
  objectives.use(config.discover, 'imm')
  config.discover.update(imm.section(), pyramid=pyramid, train_features=True)
  config.checkpoint.every_seconds = 0.0
  config.pretrain.num_epochs = config.discover.num_epochs = 1
  modes.run(config, str(tmp_path / 'a'), 'train')
  config.pretrained = str(tmp_path / 'a')
  monkeypatch.setattr(progress, 'LOG_EVERY', 1)
  record, cut = progress.Tracker.record, []

  def interrupt(self, done, metrics, batch_size):
    if done == 3 and not cut:
      cut.append(done)
      raise KeyboardInterrupt
    record(self, done, metrics, batch_size)

  monkeypatch.setattr(progress.Tracker, 'record', interrupt)
  with pytest.raises(KeyboardInterrupt):
    modes.run(config, str(tmp_path / 'b'), 'discover')
  modes.run(config, str(tmp_path / 'b'), 'discover')
  folders = [
      stage_folder.StageFolder(tmp_path / name / 'unfrozen') for name in 'ab'
  ]
  first, second = (folder.load_variables() for folder in folders)
  held = {'features': 'first_features', 'random': 'random_features'}[pyramid]
  assert first.keys() == {'features', 'landmarks', 'renderer', held}
  assert folders[0].summary()['sha256'] == folders[1].summary()['sha256']
  jax.tree.map(np.testing.assert_array_equal, first, second)
  # F was trained on; what it is compared by is F as it was, or never taught.
  before = stage_folder.StageFolder(tmp_path / 'a/pretrain').load_variables()
  if pyramid == 'features':
    as_it_was = before['features']
  else:
    as_it_was = stages._initial_variables(config, models.RANDOM_FEATURES)
  jax.tree.map(np.testing.assert_array_equal, first[held], as_it_was)
  kernel = lambda v: v['params']['encoder1']['conv1']['kernel']
  assert not np.array_equal(kernel(first['features']), kernel(first[held]))
