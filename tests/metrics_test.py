import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import warps


def test_mean_merges_and_leaves_nan_out():
  first = metrics.Mean.of(jnp.array([1.0, jnp.nan, 3.0]))
  second = metrics.Mean.of(jnp.array([8.0]))
  assert first.value == 2.0
  assert first.merge(second).value == 4.0
  assert first.merge(second).count == 3
  assert np.isnan(metrics.Mean.of(jnp.array([jnp.nan])).value)


def test_distances_and_share_within_by_hand():
  predicted = jnp.array([[[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]]])
  true = jnp.array([[[0.0, 0.0], [0.0, 6.0], [jnp.nan, 1.0]]])
  errors = metrics.distances(predicted, true)
  np.testing.assert_allclose(errors, [[5.0, 6.0, jnp.nan]])
  assert metrics.share_within(errors, 5.0).value == 0.5
  assert metrics.share_within(errors, 6.0).value == 1.0  # d itself counts
  assert metrics.share_within(errors, 6.0).count == 2


def test_inter_ocular_by_hand_leaves_coinciding_eyes_out():
  points = jnp.array([
      [[0.0, 0.0], [0.0, 10.0], [5.0, 5.0]],
      [[2.0, 2.0], [2.0, 2.0], [5.0, 5.0]],
  ])
  errors = jnp.array([[1.0, 2.0, jnp.nan], [9.0, 9.0, 9.0]])
  mean = metrics.inter_ocular(errors, points, (0, 1))
  np.testing.assert_allclose(mean.value, 0.15)
  assert mean.count == 2


def test_match_agrees_with_a_plain_loop_over_pixels():
  rng = np.random.default_rng(0)
  features, queries = rng.normal(size=(5, 4, 3)), rng.normal(size=(6, 3))
  expected = []
  for query in queries:
    best, where = -np.inf, None
    for i in range(5):
      for j in range(4):
        f = features[i, j]
        sim = f @ query / np.linalg.norm(f) / np.linalg.norm(query)
        if sim > best:
          best, where = sim, (i + 0.5, j + 0.5)
    expected.append(where)
  found = metrics.match(jnp.asarray(features), jnp.asarray(queries))
  np.testing.assert_array_equal(found, expected)


def test_features_carried_by_the_warp_are_found_within_a_pixel():
  # Coordinates as features, on a sphere so that cosine tells them apart.
  shape = (32, 32)
  warp = warps.random_warp(
      jax.random.key(0), shape, rotation=20.0, elastic=0.03
  )
  def code(points):
    angle = points / 32.0
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], -1)

  centres = geometry.pixel_centres(shape)
  points = jnp.asarray(
      np.random.default_rng(1).uniform(8, 24, (10, 2)), jnp.float32
  )
  found = metrics.match(code(warp.inverse()(centres)), code(points))
  errors = metrics.distances(found, warp(points))
  assert metrics.share_within(errors, 1.0).value == 1.0


def test_a_pixel_without_features_is_never_the_best():
  features = jnp.zeros((2, 2, 3)).at[1, 1].set(jnp.array([-1.0, 0.0, 0.0]))
  found = metrics.match(features, jnp.array([[1.0, 0.0, 0.0]]))
  np.testing.assert_array_equal(found, [[1.5, 1.5]])


def test_wrong_shapes_are_named():
  with pytest.raises(ValueError, match=r'\(3, 2\) and \(2, 2\)'):
    metrics.distances(jnp.zeros((3, 2)), jnp.zeros((2, 2)))
