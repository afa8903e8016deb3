import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

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


def test_numpy_arrays_keep_their_precision():
  # 1e-9 is lost in float32.
  points = np.array([[3.0 + 1e-9, 4.0], [0.0, 6.0]])
  errors = metrics.distances(points, np.zeros((2, 2)))
  assert (type(errors), errors.dtype) == (np.ndarray, np.float64)
  np.testing.assert_allclose(errors - [5.0, 6.0], [6e-10, 0.0], atol=1e-12)
  np.testing.assert_array_equal(metrics.within(errors, 5.0), [0.0, 0.0])
  assert metrics.share_within(errors, 6.0) == metrics.Mean(2.0, 2)
  points = np.array([[[0.0, 0.0], [0.0, 4.0]]])
  found = metrics.inter_ocular_errors(np.array([[1e-9 + 1.0]]), points, (0, 1))
  np.testing.assert_allclose(found - 0.25, [[2.5e-10]], atol=1e-15)
  single = np.array([1.0, 2.0], np.float32)
  assert metrics.within(single, 1.5).dtype == np.float32
  # Sums of many float32 values, though, in float64.
  many = np.full(10**7, 0.1, np.float32)
  assert metrics.Mean.of(many).value == float(np.float32(0.1))


@pytest.mark.parametrize('xp', [np, jnp])
def test_a_distance_of_exactly_d_counts_at_d(xp):
  # As float32, 0.1 is a little more than 0.1.
  errors = xp.asarray([0.1, 19.2], xp.float32)
  for limit in (0.1, np.float64(0.1), np.float32(0.1)):
    assert metrics.share_within(errors, limit).value == 0.5
  assert metrics.share_within(errors, np.float64(19.2)).value == 1.0


def test_whole_pixels_count_at_what_they_are_of_128():
  # 128 / 100 is rounded, and 15 of it are more than 19.2.
  for size in (80, 96, 100, 112, 200):
    whole = np.arange(1.0, size)
    for errors in (whole, whole.astype(np.float32)):
      found = metrics.to_128(errors, size)
      for k, error in enumerate(found, 1):
        limit = 128 * k / size
        assert metrics.share_within(np.array([error]), limit).value == 1.0


def test_inside_of_transformations_there_is_jax():
  both = jnp.array([[3.0, 4.0]]), jnp.zeros((1, 2))
  mean = jax.jit(
      lambda a, b: metrics.share_within(metrics.distances(a, b), 5.0)
  )(*both)
  assert isinstance(mean.total, jax.Array)
  assert mean.value == 1.0


def test_inter_ocular_by_hand_leaves_coinciding_eyes_out():
  points = jnp.array([
      [[0.0, 0.0], [0.0, 10.0], [5.0, 5.0]],
      [[2.0, 2.0], [2.0, 2.0], [5.0, 5.0]],
  ])
  errors = jnp.array([[1.0, 2.0, jnp.nan], [9.0, 9.0, 9.0]])
  mean = metrics.inter_ocular(errors, points, (0, 1))
  np.testing.assert_allclose(mean.value, 0.15, rtol=1e-5)
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


def test_accuracy_curve_counts_a_distance_at_its_own_limit():
  errors = np.array([[0.0, 2.0], [3.0, np.nan]], np.float32)
  curve = metrics.accuracy_curve(errors, np.array([0.0, 1.9, 2.0, 3.0, 9.0]))
  np.testing.assert_allclose(curve, [1 / 3, 1 / 3, 2 / 3, 1.0, 1.0])
  assert np.isnan(metrics.accuracy_curve(np.array([np.nan]), [1.0])).all()


def test_standard_error_counts_images():
  values = np.random.default_rng(0).normal(size=(40, 3))
  # Every image as often as the others: that of the images' means.
  expected = values.mean(axis=1).std(ddof=1) / np.sqrt(40)
  np.testing.assert_allclose(metrics.standard_error(values), expected)
  # The same value thrice says no more than once.
  repeated = np.repeat(values[:, :1], 3, axis=1)
  np.testing.assert_allclose(
      metrics.standard_error(repeated), metrics.standard_error(values[:, :1])
  )
  values[3:, 1] = np.nan
  assert 0 < metrics.standard_error(values) < 1
  assert np.isnan(metrics.standard_error(values[:1]))


def test_uniform_curve_by_hand():
  shape, limits = (10, 20), np.array([0.0, 3.0, 30.0])
  middle, corner = np.array([[5.0, 10.0]]), np.array([[0.0, 0.0]])
  disc = np.pi * 9 / 200
  np.testing.assert_allclose(
      metrics.uniform_curve(middle, shape, limits), [0.0, disc, 1.0]
  )
  np.testing.assert_allclose(
      metrics.uniform_curve(corner, shape, limits), [0.0, disc / 4, 1.0]
  )
  both = np.concatenate([middle, corner, [[np.nan, 1.0]]])
  np.testing.assert_allclose(
      metrics.uniform_curve(both, shape, limits), [0.0, disc * 5 / 8, 1.0]
  )


def test_random_features_follow_the_uniform_curve():
  rng = np.random.default_rng(1)
  shape, limits = (24, 24), np.array([2.0, 5.0, 10.0, 20.0])
  points = rng.uniform(0, 24, (60, 20, 2))
  match = jax.jit(metrics.match)
  errors = []
  for these in points:
    features = rng.normal(size=(*shape, 4)).astype(np.float32)
    queries = rng.normal(size=(20, 4)).astype(np.float32)
    errors.append(np.linalg.norm(match(features, queries) - these, axis=-1))
  curve = metrics.accuracy_curve(np.array(errors), limits)
  expected = metrics.uniform_curve(points, shape, limits)
  # Four standard errors of 1200 draws.
  room = 4 * np.sqrt(expected * (1 - expected) / 1200)
  np.testing.assert_array_less(np.abs(curve - expected), room)


def test_equation_6_agrees_with_a_plain_loop():
  rng = np.random.default_rng(2)
  features = rng.normal(size=(3, 6, 5, 4)).astype(np.float32)
  queries = rng.normal(size=(3, 2, 4)).astype(np.float32)
  truth = rng.uniform(0, 5, (3, 2, 2)).astype(np.float32)
  hits = 0
  for i in range(3):
    for j in range(2):
      similarity = [
          (f @ queries[i, j] / np.linalg.norm(f), (r + 0.5, c + 0.5))
          for r, row in enumerate(features[i]) for c, f in enumerate(row)
      ]
      row, column = max(similarity)[1]
      hits += np.hypot(row - truth[i, j, 0], column - truth[i, j, 1]) <= 2.0
  found = jax.vmap(metrics.match)(features, queries)
  errors = metrics.distances(found, jnp.asarray(truth))
  assert metrics.share_within(errors, 2.0).value == pytest.approx(hits / 6)


def test_explained_is_scikit_learns_r2_of_both_coordinates():
  rng = np.random.default_rng(0)
  points = rng.normal(size=(20, 3, 2)) * [1, 5]
  predicted = points + rng.normal(size=points.shape) * [[1], [2], [9]]
  # Weighted by variance, the two coordinates' R^2 is that of the distances.
  expected = [
      sklearn_metrics.r2_score(
          points[:, k], predicted[:, k], multioutput='variance_weighted'
      )
      for k in range(3)
  ]
  found = metrics.explained(predicted, points)
  np.testing.assert_allclose(found, expected, rtol=1e-12)
  with jax.enable_x64(True):
    of_jax = metrics.explained(jnp.asarray(predicted), jnp.asarray(points))
  np.testing.assert_allclose(of_jax, expected, rtol=1e-6)


def test_a_point_that_does_not_move_has_nothing_to_explain():
  points = np.zeros((4, 2, 2))
  points[:, 1, 0] = [0, 1, 2, 3]
  explained = metrics.explained(np.zeros_like(points), points)
  assert np.isnan(explained[0])
  # Deviations 1.5, .5, .5, 1.5 from the mean, 0 to 3 from the prediction.
  np.testing.assert_allclose(explained[1], 1 - 14 / 5)
