"""A model to predict with, made once for each file of tests."""

import pathlib

import fresh_run
import jax
import pytest

from eqlandmarks.program import modes


@pytest.fixture(scope='module', autouse=True)
def _two_devices():
  """Two of the eight: enough here, and quicker to compile for."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
    patch.setattr(jax, 'local_device_count', lambda: 2)
    yield


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
  return fresh_run.write_photos(tmp_path_factory.mktemp('data') / 'photos')


@pytest.fixture(scope='module')
def workdir(photos, tmp_path_factory):
  path = tmp_path_factory.mktemp('runs') / 'w'
  return fresh_run.make(path, fresh_run.make_config(photos))


@pytest.fixture
def run(workdir, photos, tmp_path):
  """Predicts an input, in fields of config.predict; returns the folder."""

  def predict(what, **fields):
    config = fresh_run.make_config(photos)
    output = tmp_path / 'out'
    config.predict.update({'input': str(what), 'output': str(output), **fields})
    modes.run(config, str(workdir), 'predict')
    return pathlib.Path(config.predict.output)

  return predict
