"""A model to predict with, made once for each file of tests."""

import fresh_run
import jax
import pytest


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
