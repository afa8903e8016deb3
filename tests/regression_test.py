import sys
import warnings

import numpy as np
import pytest
from sklearn import linear_model

from eqlandmarks import errors
from eqlandmarks import regression


def _data(count=20, k=3, j=2, seed=0):
  rng = np.random.default_rng(seed)
  return rng.uniform(0, 64, (count, k, 2)), rng.uniform(0, 64, (count, j, 2))


@pytest.mark.parametrize('intercept', [False, True])
def test_agrees_with_scikit_learn_in_pixels_of_128(intercept):
  landmarks, points = _data()
  ridge = linear_model.Ridge(alpha=0.1, fit_intercept=intercept)
  ridge.fit(2 * landmarks.reshape(20, -1), 2 * points.reshape(20, -1))
  expected = ridge.predict(2 * landmarks.reshape(20, -1)).reshape(20, 2, 2) / 2
  fitted = regression.fit(
      landmarks, points, image_size=64, fit_intercept=intercept
  )
  np.testing.assert_allclose(fitted.predict(landmarks), expected, rtol=1e-9)


def test_agrees_with_the_closed_form_about_the_centre():
  landmarks, points = _data()
  x = (landmarks.reshape(20, -1) - 32) / 64
  y = (points.reshape(20, -1) - 32) / 64
  weights = np.linalg.solve(x.T @ x + 0.5 * np.eye(6), x.T @ y)
  fitted = regression.fit(
      landmarks, points, image_size=64, alpha=0.5, origin='centre', unit='unit'
  )
  expected = (x @ weights * 64 + 32).reshape(20, 2, 2)
  np.testing.assert_allclose(fitted.predict(landmarks), expected, rtol=1e-9)


def test_origin_changes_a_fit_without_intercept_only():
  landmarks, points = _data()
  predict = lambda **kw: regression.fit(
      landmarks, points, image_size=64, **kw
  ).predict(landmarks)
  assert not np.allclose(predict(origin='corner'), predict(origin='centre'))
  np.testing.assert_allclose(
      predict(origin='corner', fit_intercept=True),
      predict(origin='centre', fit_intercept=True),
  )


def test_missing_points_are_left_out_point_by_point():
  landmarks, points = _data()
  points[:8, 1] = np.nan
  fitted = regression.fit(landmarks, points, image_size=64)
  alone = regression.fit(landmarks[8:], points[8:, 1:], image_size=64)
  whole = regression.fit(landmarks, points[:, :1], image_size=64)
  predicted = fitted.predict(landmarks)
  np.testing.assert_allclose(predicted[:, 1:], alone.predict(landmarks))
  np.testing.assert_allclose(predicted[:, :1], whole.predict(landmarks))


def test_one_image_is_enough():
  landmarks, points = _data(1)
  fitted = regression.fit(landmarks, points, image_size=64, alpha=1e-6)
  np.testing.assert_allclose(fitted.predict(landmarks), points, rtol=1e-6)


def test_a_point_that_no_image_has_is_named():
  landmarks, points = _data()
  points[:, 1] = np.nan
  with pytest.raises(errors.UserError, match='point number 1'):
    regression.fit(landmarks, points, image_size=64)


def test_a_point_that_no_image_has_may_be_predicted_as_missing():
  landmarks, points = _data()
  points[:, 1] = np.nan
  predicted = regression.fit(
      landmarks, points, image_size=64, allow_missing=True
  ).predict(landmarks)
  assert np.isnan(predicted[:, 1]).all()
  alone = regression.fit(landmarks, points[:, :1], image_size=64)
  np.testing.assert_allclose(predicted[:, :1], alone.predict(landmarks))


def test_an_ill_conditioned_fit_leaves_the_filters_of_warnings(monkeypatch):
  """Which all threads share."""
  landmarks = np.tile(np.arange(12.0).reshape(1, 6, 2), (3, 1, 1))
  changing, change = [], warnings.catch_warnings

  def watched(*args, **kwargs):
    changing.append(sys._getframe(1).f_globals['__name__'])
    return change(*args, **kwargs)

  with monkeypatch.context() as patch:
    patch.setattr(warnings, 'catch_warnings', watched)
    warnings.simplefilter('error')  # pytest restores it
    fitted = regression.fit(
        landmarks, np.ones((3, 1, 2)), image_size=32, alpha=1e-12, unit='px'
    )
  assert regression.__name__ not in changing
  np.testing.assert_allclose(
      fitted.predict(landmarks), np.ones((3, 1, 2)), atol=1e-6
  )
