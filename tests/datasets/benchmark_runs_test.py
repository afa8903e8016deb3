"""Whole runs of the benchmarks' configs, on fixtures of about 40 images."""

import json

import celeba_fixtures
import fixtures
import jax
import numpy as np
import pytest

from configs import bbc_pose
from configs import cat_head
from configs import celeba
from configs import signer
from eqlandmarks.program import modes


@pytest.fixture(autouse=True)
def _two_devices(monkeypatch):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])


def _run(config, root, workdir, image_size):
  """Both stages for an epoch, with nets that are quick to compile."""
  tiny = signer.get_config('tiny')
  config.model = tiny.model
  config.image_size = image_size
  config.pretrain.num_epochs = config.discover.num_epochs = 1
  config.pretrain.num_locations = 16
  config.batch_size, config.num_landmarks = 8, 10
  config.dataset.root = str(root)
  config.dataset.partial = True
  config.evaluation.batch_size = 4
  config.evaluation.warps_per_image = 1
  modes.run(config, str(workdir), 'train')
  return json.loads((workdir / 'results.json').read_text())


def _check_marked(workdir, images, *tables):
  """The paper's tables are on the page, with what they are made on."""
  page = (workdir / 'report.html').read_text()
  for table in tables:
    assert f'Table {table}: ' in page
  assert f'PARTIAL DATA: the run itself had {images}' in page
  assert '(published, whole dataset)' in page
  assert '(published)' not in page


def _values(records, metric, method='two_stage'):
  return {
      r['point']: r['value'] for r in records
      if r['metric'] == metric and r['method'] == method
  }


@pytest.mark.slow
def test_bbc_pose(tmp_path):
  fixtures.bbc_pose(tmp_path / 'bbc')
  workdir = tmp_path / 'w'
  records = _run(bbc_pose.get_config(), tmp_path / 'bbc', workdir, 32)
  _check_marked(workdir, '39 frames', 1, 2, 6)
  # Videos 1 to 10, of which one has a single frame; 11 to 15; 16 to 20.
  protocol = records[0]['protocol']
  assert protocol['fit_images'] == protocol['test_images'] == 10
  assert protocol['missing_in_fit'] == 1
  assert protocol['data']['crop'] == 'centre 150 px, from the true joints'
  # Both rules, and the paper's columns.
  for metric, at in (('pck', 6.0), ('pck_original', 12.0)):
    assert {r['at'] for r in records if r['metric'] == metric} == {at}
    assert {'head', 'wrists', 'elbows', 'shoulders', 'all'} <= {
        *_values(records, metric)
    }
  # By hand, from the mean of the validation joints, in pixels of the frame: the
  # crop is wider than the frame, and ends there.
  labels = fixtures.bbc_labels()
  joints = {
      kind: np.stack([
          joints for video, frames in labels.items()
          if fixtures.kind_of(video) == kind for joints in frames.values()
      ]) for kind in ('val', 'test')
  }  # fmt: skip
  floor = np.linalg.norm(
      np.nanmean(joints['val'], axis=0) - joints['test'], axis=-1
  )
  np.testing.assert_allclose(
      _values(records, 'pck_original', 'mean_shape')['all'],
      np.mean(floor <= 12), atol=1e-6,
  )  # fmt: skip


# The others are slow because of all that is compiled.
@pytest.mark.slow
def test_cat_head_at_100_pixels(tmp_path):
  fixtures.cat_release(tmp_path / 'cats', train=30, test=10)
  workdir = tmp_path / 'w'
  records = _run(cat_head.get_config(), tmp_path / 'cats', workdir, 100)
  _check_marked(workdir, '40 images', 3)
  assert records[0]['protocol']['image_size'] == 100
  assert _values(records, 'error_iod')['all'] > 0
  fitted = {
      r['protocol']['fit_images'] for r in records
      if r['metric'] == 'samples_error_iod'
  }  # fmt: skip
  assert fitted == {5, 10}  # of 5, 10, 100, 500 and 1000: what there is
  with np.load(workdir / 'two_stage/outcome.npz') as outcome:
    assert outcome['landmarks'].shape == (10, 10, 2)
    assert outcome['landmarks'].max() <= 100


@pytest.mark.slow
def test_celeba(tmp_path, monkeypatch):
  monkeypatch.setattr(celeba_fixtures, 'PARTITIONS', (28, 6, 6))
  monkeypatch.setattr(celeba_fixtures, 'NUM_IMAGES', 40)
  celeba_fixtures.celeba(tmp_path / 'celeba')
  workdir = tmp_path / 'w'
  records = _run(celeba.get_config(), tmp_path / 'celeba', workdir, 32)
  # Partition 0 is 1 to 28, of which MAFL's test has 15, 4 and 19; the others
  # of MAFL are among them.
  _check_marked(workdir, '28 images', 4, 5)
  data = records[0]['protocol']['data']
  assert data['stage_rule'] == 'lmdis, 25 images'
  assert records[0]['split'] == 'mafl_test'
  assert records[0]['protocol']['test_images'] == 3
  assert _values(records, 'error_iod')['all'] > 0
