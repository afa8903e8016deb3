"""Landmarks trained by annotations: the ceiling."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.datasets.base import loader
from eqlandmarks.program import modes
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training.objectives import supervised
from eqlandmarks.training.pairs import base as pairs


class _Nets:
  """Nets whose heatmaps are given, of both views together."""

  def __init__(self, logits):
    self._logits = logits

  def apply(self, name, variables, inputs):
    del variables
    if name == models.FEATURES:
      return inputs, {}
    return {'heatmaps': self._logits}, {}

  def share(self, num_images):
    return 1.0 / num_images


def _loss(logits, points):
  side = logits.shape[1]
  x = jnp.zeros((1, side, side, 3))
  return supervised.loss(
      {models.FEATURES: {}, models.LANDMARKS: {}},
      pairs.Views(x, x, warps.identity(), jnp.asarray(points)),
      None,
      types.SimpleNamespace(weights={'supervision': 2.0, 'variance': 0.0}),
      _Nets(logits),
  )


def _peaks(*places):
  """Logits `[2, 32, 32, K]` with one peak each, places by view."""
  logits = np.full((2, 32, 32, len(places[0])), -1e4)
  for view, of_view in enumerate(places):
    for k, (row, column) in enumerate(of_view):
      logits[view, row, column, k] = 0.0
  return jnp.asarray(logits)


@pytest.mark.x64
def test_the_distance_to_annotations_by_hand():
  logits = _peaks([(10, 7), (20, 20)], [(14, 7), (20, 20)])
  # The first point is 3 pixels away, then 1: 12 and 4 of a 128-pixel image;
  # the second is met in both views.
  loss = _loss(logits, [[[13.5, 7.5], [20.5, 20.5]]])
  supervision = (12**2 + 4**2) / 4
  np.testing.assert_allclose(loss.terms['supervision'], supervision)
  np.testing.assert_allclose(loss.total, 2 * supervision)


@pytest.mark.x64
def test_a_missing_annotation_does_not_count():
  logits = _peaks([(10, 7), (20, 20)], [(14, 7), (20, 20)])
  points = [[[13.5, 7.5], [np.nan, np.nan]]]
  np.testing.assert_allclose(
      _loss(logits, points).terms['supervision'], (12**2 + 4**2) / 2
  )
  gradient = jax.grad(lambda x: _loss(x, points).total)(logits)
  assert np.isfinite(gradient).all()
  assert not gradient[..., 1].any()
  none = [[[np.nan, np.nan]] * 2]
  gradient = jax.grad(lambda x: _loss(x, none).total)(logits)
  np.testing.assert_array_equal(gradient, 0.0)


def test_images_and_points_are_read_together():
  images = np.arange(4 * 3, dtype=np.uint8).reshape(4, 1, 1, 3)
  points = np.arange(8.0).reshape(4, 1, 2)
  batch = next(loader.batches(
      loader.LabelledImages(images, points), batch_size=4, seed=0, start=0
  ))
  order = batch['images'][:, 0, 0, 0] // 3
  assert sorted(order) == [0, 1, 2, 3]
  np.testing.assert_array_equal(batch['points'], points[order])


def _config(variant='tiny,supervised'):
  config = signer.get_config(variant)
  config.dataset.num_train = config.dataset.num_test = 8
  config.dataset.num_validation = 24
  config.evaluation.sheet_images = config.evaluation.repeats = 2
  for stage in (config.pretrain, config.discover):
    stage.num_epochs = 1
  return config


def test_there_must_be_a_landmark_for_each_point(tmp_path):
  config = _config()
  config.num_landmarks = 5
  with pytest.raises(errors.UserError) as caught:
    modes.run(config, tmp_path / 'w', 'train')
  assert 'config.num_landmarks is 5, expected 7' in str(caught.value)
  assert not (tmp_path / 'w').exists()


def test_labels_that_trained_may_not_change(tmp_path, monkeypatch):
  workdir = Workdir(tmp_path)
  workdir.write('run.json', {'data': {'images': 'same', 'labels': 'before'}})
  now = types.SimpleNamespace(images='same', labels='after')
  check = lambda variant: workdir_checks.check_images(
      workdir, signer.get_config(variant), now
  )
  monkeypatch.setattr(workdir_checks, 'begun', lambda _: ['pretrain'])
  check('tiny,supervised')  # stage 1 knows no labels
  monkeypatch.setattr(
      workdir_checks, 'begun', lambda _: ['pretrain', 'two_stage']
  )
  check('tiny')  # is scored anew
  with pytest.raises(errors.UserError, match='was trained on other labels'):
    check('tiny,supervised')


@pytest.mark.slow
def test_its_stages_can_be_tried_out(tmp_path):
  modes.run(_config(), tmp_path / 'w', 'prepare')


@pytest.mark.slow
def test_it_trains_on_the_labelled_images(tmp_path):
  config = _config()
  # On eight devices, and in two parts each: labels are parted as images are.
  config.batch_size = config.dataset.num_train = 16
  config.accumulate = 2
  modes.run(config, tmp_path / 'w', 'train')
  workdir = Workdir(tmp_path / 'w')
  assert workdir.stage('pretrain').summary()['images'] == 16
  assert workdir.stage('two_stage').summary()['images'] == 24
  record = workdir.records('two_stage')[0]
  assert record.protocol['stage_split'] == 'validation'
  assert record.protocol['objective']['discover'] == 'supervision + variance'
