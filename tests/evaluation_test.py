import jax
import numpy as np
import pytest

from configs import signer
from eqlandmarks import evaluation
from eqlandmarks import models
from eqlandmarks import nets as nets_lib
from eqlandmarks.datasets import examples
from eqlandmarks.datasets import loader

DESCRIPTION = examples.Description(
    point_names=('a', 'b', 'c'),
    groups={'ab': ['a', 'b']},
    eyes=('a', 'b'),
    stage_split='train',
    fit_split='validation',
    test_split='test',
)


def _split(count, seed):
  rng = np.random.default_rng(seed)
  return loader.Split(
      images=rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
      points=rng.uniform(4, 28, (count, 3, 2)).astype(np.float32),
      ids=tuple(str(i) for i in range(count)),
  )


def _config():
  config = signer.get_config('tiny')
  config.evaluation.batch_size = 4
  return config


def _model(config):
  variables = nets_lib.make_nets(config).init(jax.random.key(0))
  return evaluation.Model(config, variables)


def test_results_do_not_depend_on_how_images_are_batched():
  split, found = _split(7, 0), []
  for batch_size in (1, 4, 7):
    config = _config()
    config.evaluation.batch_size = batch_size
    model = _model(config)
    found.append((*model.landmarks(split.images), model.match_errors(split)))
  for other in found[1:]:
    for a, b in zip(found[0], other, strict=True):
      np.testing.assert_allclose(a, b, atol=1e-3)
  assert found[0][0].shape == (7, 10, 2)
  assert found[0][2].shape == (7, len(models.LAYERS), 3)


def test_without_a_warp_every_point_is_found_where_it_was():
  config = _config()
  config.evaluation.warp.rotation = config.evaluation.warp.elastic = 0.0
  split = _split(4, 1)
  # Points at pixel centres: the feature looked up is that of the pixel.
  split.points[:] = np.floor(split.points) + 0.5
  split.points[1, 2] = np.nan
  errors = _model(config).match_errors(split)
  assert np.isnan(errors[1, :, 2]).all()
  errors[1, :, 2] = 0.0
  np.testing.assert_allclose(errors[:, 0], 0.0, atol=1e-3)


def test_points_that_leave_the_image_are_masked():
  config = _config()
  config.evaluation.warp.rotation = 90.0
  split = _split(8, 2)
  split.points[:, 0] = [0.5, 0.5]  # a corner turns out of most images
  errors = _model(config).match_errors(split)
  masked = np.isnan(errors[:, 0])
  assert masked[:, 0].sum() > 0
  assert not masked[:, 1].all()


@pytest.fixture(scope='module')
def outcome():
  config = _config()
  return evaluation.evaluate(
      'two_stage',
      _model(config),
      config,
      fit_split=_split(20, 3),
      test_split=_split(6, 4),
      description=DESCRIPTION,
  )


def _value(records, **wanted):
  (record,) = [
      r for r in records if all(r[key] == v for key, v in wanted.items())
  ]
  return record['value']


def test_mean_shape_by_hand(outcome):
  mean = _split(20, 3).points.mean(axis=0)
  # In pixels of a 128-pixel image: four times those of 32.
  errors = 4 * np.linalg.norm(_split(6, 4).points - mean, axis=-1)
  find = lambda metric, point: _value(
      outcome.records, method='mean_shape', metric=metric, point=point
  )
  np.testing.assert_allclose(find('error_px', 'b'), errors[:, 1].mean(), 1e-5)
  np.testing.assert_allclose(find('error_px', 'all'), errors.mean(), 1e-5)
  np.testing.assert_allclose(
      find('pck', 'ab'), (errors[:, :2] <= 6).mean(), 1e-5
  )
  eyes = _split(6, 4).points
  between = 4 * np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1)
  np.testing.assert_allclose(
      find('error_iod', 'all'), 100 * (errors / between[:, None]).mean(), 1e-5
  )


def test_predictions_and_records_agree(outcome):
  errors = 4 * np.linalg.norm(outcome.predicted - outcome.points, axis=-1)
  found = _value(
      outcome.records, method='two_stage', metric='error_px', point='all'
  )
  np.testing.assert_allclose(found, errors.mean(), rtol=1e-4)


def test_without_labels_there_are_landmarks_only():
  config = _config()
  found = evaluation.evaluate(
      'two_stage', _model(config), config, fit_split=None,
      test_split=_split(5, 5), description=DESCRIPTION,
  )
  assert found.records == []
  assert found.landmarks.shape == (5, 10, 2)
  assert found.predicted.shape == (5, 0, 2)
