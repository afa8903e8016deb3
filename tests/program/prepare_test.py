"""--mode=prepare: what a user sees of a dataset before training on it."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from configs import folder
from configs import signer
from eqlandmarks.datasets.base import storage
from eqlandmarks.program import modes
from eqlandmarks.program import prepare
from eqlandmarks.training import loop


@pytest.fixture(autouse=True)
def _two_devices(monkeypatch):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])


def _photos(root):
  """Twelve images of two sizes; the last one is a copy of the first."""
  root.mkdir()
  rng = np.random.default_rng(0)
  for i in range(11):
    pixels = rng.integers(0, 256, (40, 50 + 10 * (i % 2), 3), np.uint8)
    Image.fromarray(pixels).save(root / f'{i}.png')
  shutil.copy(root / '0.png', root / '11.png')
  rows = [f'{i}.png,train,{i},5,,' for i in range(8)]
  rows += [f'{i}.png,test,{i},5,7,{i}' for i in range(8, 12)]
  table = ['path,split,nose_x,nose_y,tail_x,tail_y', '4.png,train,4,5,6,4']
  table += [row for row in rows if not row.startswith('4.png')]
  (root / 'labels.csv').write_text('\n'.join(table))


def _config(root):
  config, tiny = folder.get_config(), signer.get_config('tiny')
  for name in ('image_size', 'num_landmarks', 'model', 'pretrain', 'discover'):
    config[name] = tiny[name]
  config.dataset.root = str(root)
  config.dataset.labels = 'labels.csv'
  return config


def test_prepare_shows_what_there_is(tmp_path, capsys):
  _photos(tmp_path / 'photos')
  workdir = tmp_path / 'w'
  modes.run(_config(tmp_path / 'photos'), str(workdir), 'prepare')
  said = capsys.readouterr()
  assert '1 images of train are in test too, byte for byte' in said.err
  assert 'the first is 0.png, there 11.png' in said.err
  cells = [line.split('  ') for line in said.out.splitlines()]
  rows = {c[0]: [x.strip() for x in c[1:] if x.strip()] for c in cells}
  assert rows['train'] == [
      'trains the stages, fits the regressor', '8', '40 x 50-60', '8'
  ]
  assert rows['test'] == ['is scored', '4', '40 x 50-60', '4']
  assert rows['tail'] == ['7 of 8', '0 of 4']
  assert rows['pretrain'][0] == '2'  # epochs, and an estimated time
  summary = json.loads((workdir / 'dataset.json').read_text())
  assert summary['splits'] == {'train': 8, 'test': 4}
  assert summary['missing']['train'] == {'nose': 0, 'tail': 7}
  assert summary['duplicates'] == [
      {'splits': ['train', 'test'], 'pairs': [['0.png', '11.png']]}
  ]
  assert (workdir / 'figures/data_train.png').exists()
  assert (workdir / 'figures/data_test.svg').exists()
  # One looks in order to change the config: nothing is decided yet.
  assert not (workdir / 'config.json').exists()
  assert not (workdir / 'pretrain').exists()


def test_the_estimate_is_steps_times_seconds(tmp_path, monkeypatch):
  _photos(tmp_path / 'photos')
  steps = []

  def timed(stage, **_):
    steps.append((stage.title, stage.num_steps))
    seconds = {'pretrain': 0.5, 'discover': 0.25}[stage.title]
    return loop.Trained(stage.state, seconds, None)

  monkeypatch.setattr(loop, 'train', timed)
  monkeypatch.setattr(
      'eqlandmarks.training.stage_folder.StageFolder.load_variables',
      lambda self: {'features': {'params': {}}},
  )
  monkeypatch.setattr(
      'eqlandmarks.training.stage_folder.StageFolder.finish',
      lambda self, summary: (self.path.mkdir(), (
          self.path / 'done.json').write_text(json.dumps({
              'steps': 1, 'sha256': '',
              'seconds_per_step': summary['seconds_per_step']}))),
  )  # fmt: skip
  config = _config(tmp_path / 'photos')
  config.pretrain.num_epochs, config.discover.num_epochs = 200, 7
  modes.run(config, str(tmp_path / 'w'), 'prepare')
  # 8 images in batches of 8 are a step an epoch; 11 steps tell the speed.
  assert steps == [('pretrain', 11), ('discover', 7)]
  summary = json.loads((tmp_path / 'w/dataset.json').read_text())
  assert summary['estimated_seconds'] == {'pretrain': 100.0, 'discover': 1.75}


def _table(ids, digests):
  count = len(ids)
  return storage.Table(
      np.array(ids), np.zeros((count, 1, 2)), np.ones((count, 2)),
      np.array(digests), np.zeros((count, 32), np.uint8),
      np.array([''] * count), np.zeros(count),
  )


def test_images_that_train_and_fit_are_no_duplicates():
  splits = {
      'train': _table(['a', 'b'], ['1', '2']),
      'fit': _table(['a', 'c'], ['1', '3']),
      'test': _table(['d', 'e'], ['3', '4']),
  }
  assert prepare.duplicates(splits, 'test') == {
      ('fit', 'test'): [('c', 'd')]
  }
  # Under another id, or in the test, it is one.
  splits['fit'] = _table(['x', 'c'], ['1', '3'])
  splits['test'] = _table(['b', 'e'], ['2', '4'])
  assert prepare.duplicates(splits, 'test') == {
      ('train', 'fit'): [('a', 'x')], ('train', 'test'): [('b', 'b')]
  }
