"""What messages advise is accepted by the next call."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from configs import folder
from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.datasets.signer import builder as signer_lib
from eqlandmarks.program import modes
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import fingerprints
from eqlandmarks.training import loop
from eqlandmarks.training import step as step_lib


class _AcceptedError(Exception):
  """A stage is about to take its first step."""


@pytest.fixture(autouse=True)
def _two_devices(monkeypatch):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])


def _config(**fields):
  config = signer.get_config('tiny')
  config.batch_size = 8
  config.dataset.update(num_train=24, num_validation=4, num_test=4)
  config.update_from_flattened_dict(fields)
  return config


def _run(monkeypatch, error, config, workdir, mode='train'):
  """What a run says that raises an error before the first step."""

  def fail(*_):
    raise error

  with monkeypatch.context() as patch:
    patch.setattr(loop, '_train', fail)
    with pytest.raises((errors.UserError, _AcceptedError)) as caught:
      modes.run(config, str(workdir), mode)
  assert '\n' not in str(caught.value)
  return caught.value


def _assert_accepted(monkeypatch, config, workdir, mode='train'):
  found = _run(monkeypatch, _AcceptedError(), config, workdir, mode)
  assert isinstance(found, _AcceptedError), found


def _finish_stage_one(workdir, config):
  """As after --mode=pretrain, but for its training."""
  this = Workdir(workdir)
  optimizer = step_lib.make_optimizer(
      config.pretrain, num_images=24, batch_size=8,
      rates={models.FEATURES: 1.0},
  )  # fmt: skip
  variables = models.make_nets(config).init(jax.random.key(0))
  del variables[models.LANDMARKS]
  state = step_lib.create_state(variables, (models.FEATURES,), optimizer)
  with this.stage('pretrain').checkpointer(keep=1) as checkpointer:
    checkpointer.save(1, state)
  this.stage('pretrain').finish(
      {'steps': 1, 'sha256': fingerprints.of_parameters(variables)}
  )


def test_memory_of_stage_one(tmp_path, monkeypatch):
  said = str(_run(monkeypatch, MemoryError(), _config(), tmp_path / 'w'))
  assert said.endswith(
      'lower config.batch_size, config.pretrain.num_locations, '
      'config.image_size, config.model.widths, or raise config.accumulate.'
  )
  # What is prepared is used again.
  monkeypatch.setattr(signer_lib.Signer, '_examples', None)
  for fields in (
      {'batch_size': 4}, {'pretrain.num_locations': 4}, {'accumulate': 2},
      {'model.widths': (4, 4, 8, 8)},
  ):
    _assert_accepted(monkeypatch, _config(**fields), tmp_path / 'w')


def test_memory_of_stage_two(tmp_path, monkeypatch):
  workdir = tmp_path / 'w'
  _assert_accepted(monkeypatch, _config(), workdir)
  _finish_stage_one(workdir, _config())
  said = str(_run(monkeypatch, MemoryError(), _config(), workdir))
  assert said.endswith(
      'lower config.model.landmark_width; or in another --workdir with '
      f'--config.pretrained={workdir}, lower config.batch_size, or raise '
      'config.accumulate; or in another --workdir, lower config.image_size, '
      'config.model.widths.'
  )
  _assert_accepted(
      monkeypatch, _config(**{'model.landmark_width': 4}), workdir
  )
  for i, fields in enumerate(({'batch_size': 4}, {'accumulate': 2})):
    config = _config(pretrained=str(workdir), **fields)
    _assert_accepted(monkeypatch, config, tmp_path / f'w{i}')
  # Who tries it in the same workdir hears of the other one again.
  refused = _run(monkeypatch, MemoryError(), _config(batch_size=4), workdir)
  assert f'pretrained={workdir}' in str(refused)


@pytest.mark.slow
def test_numbers_that_are_not_finite(tmp_path):
  fields = {'model.norm': 'none', 'checkpoint.every_seconds': 1e9}

  def fail(workdir, **more):
    with pytest.raises(errors.UserError) as caught:
      modes.run(_config(**fields, **more), str(workdir), 'train')
    return str(caught.value)

  # In the first step nothing is saved, and the workdir takes another rate.
  said = fail(tmp_path / 'a', **{'pretrain.learning_rate': 1e18})
  assert 'at step 1' in said
  assert said.endswith(
      'lower config.pretrain.learning_rate, or set config.pretrain.clip_norm.'
  )
  # In the second, the state before it is kept, and its stage has begun.
  said = fail(tmp_path / 'a', **{'pretrain.learning_rate': 1e15})
  assert 'at step 2' in said
  assert 'in another --workdir, lower config.pretrain.learning_rate' in said
  # In stage 2, stage 1 is not lost.
  said = fail(tmp_path / 'b', **{'discover.learning_rate': 1e18})
  assert 'two_stage' in said and 'at step 1' in said
  assert said.endswith('lower config.discover.learning_rate, or set '
                       'config.discover.clip_norm.')  # fmt: skip
  said = fail(tmp_path / 'b', **{'discover.learning_rate': 1e15})
  way = f'in another --workdir with --config.pretrained={tmp_path / "b"}, lower'
  assert f'{way} config.discover.learning_rate' in said
  # Both ways end as a run that was right from the start.
  config = _config(**fields, pretrained=str(tmp_path / 'b'))
  modes.run(config, str(tmp_path / 'c'), 'train')
  shutil.rmtree(tmp_path / 'b/two_stage')
  modes.run(_config(**fields), str(tmp_path / 'b'), 'train')
  modes.run(_config(**fields), str(tmp_path / 'whole'), 'train')
  digests = {
      json.loads((tmp_path / name / 'run.json').read_text())['methods'][
          'two_stage']['sha256']
      for name in ('b', 'c', 'whole')
  }  # fmt: skip
  assert len(digests) == 1


def _photos(root, labels=()):
  root.mkdir()
  rng = np.random.default_rng(0)
  for i in range(7):
    pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(root / f'{i}.png')
  (root / 'labels.csv').write_text('\n'.join(labels))
  config, tiny = folder.get_config(), _config()
  for name in ('image_size', 'num_landmarks', 'model', 'batch_size'):
    config[name] = tiny[name]
  config.dataset.root = str(root)
  return config


def test_fewer_images_than_a_batch(tmp_path, monkeypatch):
  config = _photos(tmp_path / 'photos')
  said = str(_run(monkeypatch, MemoryError(), config, tmp_path / 'w'))
  # Seven, of which two devices can share six.
  assert 'config.batch_size is 8, but' in said and said.endswith('at most 6.')
  config.batch_size = 6
  _assert_accepted(monkeypatch, config, tmp_path / 'w')


def test_images_that_are_too_small(tmp_path, monkeypatch):
  config = _photos(tmp_path / 'photos')
  config.batch_size = 6
  Image.new('RGB', (20, 20)).save(tmp_path / 'photos/small.png')
  said = str(_run(monkeypatch, MemoryError(), config, tmp_path / 'w'))
  assert 'small.png' in said and 'config.dataset.exclude' in said
  assert not (tmp_path / 'w').exists()
  config.dataset.exclude = 'small.png'
  _assert_accepted(monkeypatch, config, tmp_path / 'w')


def test_images_that_do_not_decode(tmp_path, monkeypatch):
  config = _photos(tmp_path / 'photos')
  config.batch_size = 6
  (tmp_path / 'photos/bad.png').write_text('')
  said = str(_run(monkeypatch, MemoryError(), config, tmp_path / 'w'))
  assert 'bad.png' in said and 'config.dataset.skip_bad=True' in said
  config.dataset.skip_bad = True
  _assert_accepted(monkeypatch, config, tmp_path / 'w')


def test_a_point_that_nothing_is_fitted_on(tmp_path, monkeypatch):
  rows = [f'{i}.png,{"test" if i > 4 else "train"},1,1,{i},{i}' for i in
          range(7)]  # fmt: skip
  gone = [row if i > 4 else f'{i}.png,train,1,1,,' for i, row in
          enumerate(rows)]  # fmt: skip
  head = 'path,split,a_x,a_y,b_x,b_y'
  config = _photos(tmp_path / 'photos', [head, *gone])
  config.batch_size = 4
  config.dataset.labels = 'labels.csv'
  config.dataset.eyes = 'a,b'
  said = str(_run(monkeypatch, MemoryError(), config, tmp_path / 'w'))
  assert "'b' is annotated in none of the 5 images of split train" in said
  assert not (tmp_path / 'w').exists()
  (tmp_path / 'photos/labels.csv').write_text('\n'.join([head, *rows]))
  _assert_accepted(monkeypatch, config, tmp_path / 'w')
  # Others that train nothing may follow when a stage is begun.
  (tmp_path / 'w/pretrain/checkpoints/5').mkdir(parents=True)
  rows[0] = '0.png,train,2,2,3,3'
  (tmp_path / 'photos/labels.csv').write_text('\n'.join([head, *rows]))
  _assert_accepted(monkeypatch, config, tmp_path / 'w')
