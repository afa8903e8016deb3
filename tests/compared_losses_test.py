"""Losses of other methods: values by hand, and gradients where they end."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import compared_losses
from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import warps


def _one_hot(side, *pixels):
  """`[S, S, K]` heatmaps, each shared evenly by the pixels of its list."""
  maps = np.zeros((side, side, len(pixels)), np.float32)
  for k, each in enumerate(pixels):
    for row, column in each:
      maps[row, column, k] = 1 / len(each)
  return jnp.asarray(maps)


def _random_maps(side=9, count=3, seed=0, dtype=np.float64):
  logits = np.random.default_rng(seed).normal(0, 3, (side, side, count))
  return heatmaps.spatial_softmax(jnp.asarray(logits.astype(dtype)))


def _alignment(first, other, g=lambda points: points, **options):
  centres = geometry.pixel_centres(first.shape[:2])
  return compared_losses.alignment(first, other, g(centres), **options)


def test_alignment_of_single_pixels_is_their_squared_distance():
  first, other = _one_hot(8, [(1, 2)]), _one_hot(8, [(4, 6)])
  assert float(_alignment(first, other)) == 25.0  # (3, 4) apart
  # g moves by (3, 4).
  move = lambda points: points + jnp.array([3.0, 4.0]).reshape(1, 1, 2)
  assert float(_alignment(first, other, move)) == 0.0


def test_alignment_holds_the_spread_of_both():
  # Half at row 2, half at row 4: distances 0, 0, 2, 2, of which the squares'
  # mean is 2, and the means are equal.
  half = _one_hot(8, [(2, 3), (4, 3)])
  assert float(_alignment(half, half)) == 2.0
  mean = heatmaps.expectation(half)
  assert float(losses.equivariance(mean, mean)) == 0.0


@pytest.mark.x64
def test_alignment_under_an_affine_map_is_equivariance_and_both_spreads():
  first, other = _random_maps(seed=1), _random_maps(seed=2)
  matrix = np.array([[0.9, -0.3], [0.4, 1.2]])
  g = lambda points: points @ matrix.T + np.full(points.shape, [1.5, -2.0])
  mean = heatmaps.expectation(first)
  # Cov[A u] = A Cov[u] A^T, by sums over pixels.
  centres = np.asarray(geometry.pixel_centres((9, 9)))
  spreads = []
  for k in range(3):
    offsets = (centres - np.asarray(mean)[k]).reshape(-1, 2)
    weights = np.asarray(first)[..., k].reshape(-1, 1)
    covariance = offsets.T @ (weights * offsets)
    spreads.append(np.trace(matrix @ covariance @ matrix.T))
  expected = (
      losses.equivariance(heatmaps.expectation(other), g(mean))
      + np.mean(spreads)
      + losses.variance(heatmaps.spread(other))
  )
  np.testing.assert_allclose(_alignment(first, other, g), expected, rtol=1e-5)


@pytest.mark.x64
def test_alignment_under_a_bend_is_the_double_sum():
  first, other = _random_maps(seed=1), _random_maps(seed=2)
  centres = geometry.pixel_centres((9, 9))
  with jax.numpy_rank_promotion('allow'):
    g = warps.random_warp(
        jax.random.key(0), (9, 9), rotation=20.0, elastic=0.1, grid=5
    )
    warped = g(centres)
  u, v = np.reshape(warped, (-1, 2)), np.reshape(centres, (-1, 2))
  square = ((u[:, None] - v[None]) ** 2).sum(-1)
  p, q = (np.asarray(maps).reshape(81, -1) for maps in (first, other))
  expected = np.mean([p[:, k] @ square @ q[:, k] for k in range(3)])
  found = compared_losses.alignment(first, other, warped)
  np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_alignment_counts_valid_landmarks_alone():
  first = _one_hot(8, [(1, 2)], [(0, 0)])
  other = _one_hot(8, [(4, 6)], [(7, 7)])
  valid = jnp.array([True, False])
  assert float(_alignment(first, other, valid=valid)) == 25.0
  assert float(_alignment(first, other, valid=valid & False)) == 0.0


def _sliding_diversity_by_loops(p, patch):
  """K less the largest average of every window that touches the image."""
  height, width, count = p.shape
  largest = 0.0
  for top in range(1 - patch, height):
    for left in range(1 - patch, width):
      cell = p[max(top, 0) : top + patch, max(left, 0) : left + patch]
      largest += cell.sum((0, 1)).max() / patch**2
  return count - largest


@pytest.mark.x64
@pytest.mark.parametrize('patch', [1, 2, 3, 20])
def test_sliding_diversity_by_loops(patch):
  p = _random_maps()
  np.testing.assert_allclose(
      compared_losses.sliding_diversity(p, patch=patch),
      _sliding_diversity_by_loops(np.asarray(p), patch),
      rtol=1e-9,
  )


def test_sliding_diversity_of_single_pixels_by_hand():
  sliding = functools.partial(compared_losses.sliding_diversity, patch=4)
  # Equal, also at the edge: K - 1. In a row, one and three pixels apart: 3 / 4
  # and 1 / 4 of the windows hold both.
  for pixel in ((0, 0), (4, 4)):
    assert float(sliding(_one_hot(9, *3 * [[pixel]]))) == 2.0
  for distance, expected in ((1, 0.75), (3, 0.25), (4, 0.0)):
    maps = _one_hot(9, [(4, 2)], [(4, 2 + distance)])
    np.testing.assert_allclose(sliding(maps), expected, atol=1e-6)


def test_separation_by_hand():
  b = 3.0
  pair = jnp.array([[1.0, 1.0], [1.0, 4.0]])
  # 2 exp(-1/2) = 1.2131.
  np.testing.assert_allclose(
      compared_losses.separation(pair, b), 1.2130613, rtol=1e-6
  )
  same = jnp.ones((5, 2))
  value, gradient = jax.value_and_grad(compared_losses.separation)(same, b)
  assert float(value) == 5 * 4
  np.testing.assert_array_equal(gradient, 0.0)
  assert float(compared_losses.separation(same[:1], b)) == 0.0


@pytest.mark.x64
def test_concentration_by_hand():
  # 2 pi e 0.1^2 = .17079; of deviations .1 and .3, 2 pi e 0.2^2, 4 times it.
  variances = jnp.array([[[0.01, 0.01]], [[0.01, 0.09]]])
  np.testing.assert_allclose(
      compared_losses.concentration(variances),
      np.array([1.0, 4.0]) * 0.1707946845,
      rtol=1e-9,
  )
  # A sum over landmarks: where axes are equal, 17.08 / 2 of the spread.
  variances = jnp.array([[2.0, 2.0], [3.0, 3.0]])
  np.testing.assert_allclose(
      compared_losses.concentration(variances),
      math.pi * math.e * (4.0 + 6.0),
      rtol=1e-9,
  )


_LN_3 = math.log(3.0)


def _match(features, other, through=None, *, s=_LN_3, power=1.0, **options):
  """Two places at (0.5, 0.5) and (0.5, 1.5), under the identity."""
  places = geometry.pixel_centres((1, 2)).reshape(2, 2)
  return compared_losses.matching(
      features, other, places, places.astype(features.dtype), through=through,
      temperature=1 / s, power=power, **options,
  )  # fmt: skip


def test_matching_by_hand():
  # p = 3 / 4 at the right place, 1 / 4 at the other, one pixel away.
  np.testing.assert_allclose(_match(jnp.eye(2), jnp.eye(2)), 0.25, rtol=1e-6)


def test_matching_through_a_third_image_by_hand():
  # It finds (3/4, 1/4), whose similarities differ by half of ln 3: the right
  # place has sqrt(3) / (1 + sqrt(3)).
  expected = 1 / (1 + math.sqrt(3))  # .3660
  eye = jnp.eye(2)
  np.testing.assert_allclose(_match(eye, eye, eye), expected, rtol=1e-6)
  np.testing.assert_allclose(_match(eye, eye, eye[::-1]), expected, rtol=1e-6)


def _random_matching(dtype=np.float64):
  rng = np.random.default_rng(0)
  features, other = rng.normal(size=(2, 6, 4)).astype(dtype)
  targets, places = rng.uniform(0, 9, (2, 6, 2)).astype(dtype)
  through = rng.normal(size=(5, 4)).astype(dtype)
  return tuple(map(jnp.asarray, (features, other, targets, places, through)))


@pytest.mark.x64
@pytest.mark.parametrize('exchanged', [False, True])
def test_matching_by_loops(exchanged):
  features, other, targets, places, through = _random_matching()
  unit = lambda x: np.asarray(x) / np.linalg.norm(x, axis=-1, keepdims=True)
  softmax = lambda x: np.exp(x) / np.exp(x).sum()
  f, o, t = map(unit, (features, other, through))
  total = 0.0
  for m in range(6):
    query = softmax(t @ f[m] / 0.2) @ t if exchanged else f[m]
    p = softmax(o @ query / 0.2)
    offsets = np.asarray(places) - np.asarray(targets)[m]
    distance = np.linalg.norm(offsets, axis=1)
    total += (p * np.sqrt(distance)).sum() / 6
  np.testing.assert_allclose(
      compared_losses.matching(
          features, other, targets, places, temperature=0.2,
          through=through if exchanged else None,
      ),
      total,
      rtol=1e-9,
  )  # fmt: skip


@pytest.mark.x64
def test_the_order_of_the_third_images_places_is_nothing():
  features, other, targets, places, through = _random_matching()
  match = functools.partial(
      compared_losses.matching, features, other, targets, places
  )
  np.testing.assert_allclose(
      match(through=through[::-1]), match(through=through), rtol=1e-12
  )


@pytest.mark.x64
def test_a_flat_third_image_leaves_every_place_alike():
  # All of it is at a right angle to all features: p is uniform.
  features, other, targets, places, _ = _random_matching()
  wide = lambda x: jnp.pad(x, ((0, 0), (0, 1)))
  flat = jnp.zeros((7, 5)).at[:, 4].set(2.0)
  distances = np.linalg.norm(
      np.asarray(targets)[:, None] - np.asarray(places)[None], axis=-1
  )
  np.testing.assert_allclose(
      compared_losses.matching(
          wide(features), wide(other), targets, places, through=flat
      ),
      np.mean(np.sqrt(distances)),
      rtol=1e-9,
  )
  # Where it is the same everywhere but not at a right angle, all features come
  # out as one.
  same = jnp.broadcast_to(features[:1], (7, 4))
  match = functools.partial(compared_losses.matching, through=same)
  np.testing.assert_allclose(
      match(features, other, targets, places),
      match(features[::-1], other, targets, places),
      rtol=1e-9,
  )


@pytest.mark.parametrize('exchanged', [False, True])
def test_sharp_matching_of_distinct_features_costs_nothing(exchanged):
  eye = jnp.eye(2)
  loss = _match(eye, eye, eye if exchanged else None, s=1e3, power=0.5)
  np.testing.assert_allclose(loss, 0.0, atol=1e-6)


# Each function of arrays of floats, and its arguments.
_MAPS = [_random_maps(dtype=np.float32, seed=seed) for seed in (1, 2)]
_MATCHED = _random_matching(np.float32)
_DEGENERATE = {
    'alignment': (
        _alignment, [_one_hot(8, *2 * [[(3, 3)]]), _one_hot(8, *2 * [[(3, 3)]])]
    ),
    'sliding_diversity': (
        functools.partial(compared_losses.sliding_diversity, patch=3),
        [_one_hot(8, *3 * [[(3, 3)]])],
    ),
    'separation': (
        lambda points: compared_losses.separation(points, 2.0),
        [jnp.ones((4, 2))],
    ),
    'concentration': (
        lambda maps: compared_losses.concentration(heatmaps.variances(maps)),
        [_one_hot(8, [(3, 3)], [(0, 7)])],
    ),
    'matching': (
        lambda f, other: _match(f, other, f, power=0.5),
        [jnp.zeros((2, 3)), jnp.ones((2, 3))],
    ),
    'matching of equal features': (
        lambda f, other: _match(f, other, f, power=0.5),
        [jnp.ones((2, 3)), jnp.ones((2, 3))],
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', _DEGENERATE)
def test_gradients_are_finite_where_all_is_in_one_place(name):
  function, arrays = _DEGENERATE[name]
  value, gradients = jax.value_and_grad(
      function, argnums=tuple(range(len(arrays)))
  )(*arrays)
  assert np.isfinite(value)
  assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.x64
@pytest.mark.parametrize(
    ('function', 'arrays'),
    [
        (_alignment, _MAPS),
        (functools.partial(compared_losses.sliding_diversity, patch=2),
         _MAPS[:1]),
        (lambda x: compared_losses.separation(x, 2.0), _MATCHED[2:3]),
        (lambda x: compared_losses.concentration(heatmaps.variances(x)),
         _MAPS[:1]),
        (lambda f, o, t, p, a: compared_losses.matching(f, o, t, p, through=a),
         _MATCHED),
    ],
    ids=['alignment', 'sliding', 'separation', 'concentration', 'matching'],
)  # fmt: skip
def test_jit_of_vmap_is_the_loss_of_each_and_its_gradient(function, arrays):
  arrays = [np.asarray(a, np.float64) for a in arrays]
  grad = jax.value_and_grad(function)
  # `places` of matching are the same for all; they may be given for each, too.
  together = jax.jit(jax.vmap(grad))(
      *(jnp.stack([a, 0.5 * a[::-1] + 0.1]) for a in arrays)
  )
  for index in (0, 1):
    alone = grad(
        *(jnp.asarray((a, 0.5 * a[::-1] + 0.1)[index]) for a in arrays)
    )
    jax.tree.map(
        lambda a, b, index=index: np.testing.assert_allclose(
            a[index], b, rtol=1e-9, atol=1e-9
        ),
        together,
        alone,
    )


def test_leading_axes_are_a_batch():
  maps = jnp.stack(_MAPS)
  centres = jnp.stack(2 * [geometry.pixel_centres((9, 9))])
  np.testing.assert_allclose(
      compared_losses.alignment(maps, maps[::-1], centres),
      [_alignment(*_MAPS), _alignment(*_MAPS[::-1])],
      rtol=1e-5,
  )
  np.testing.assert_allclose(
      compared_losses.sliding_diversity(maps, patch=2),
      [compared_losses.sliding_diversity(p, patch=2) for p in _MAPS],
      rtol=1e-5,
  )
  f, o, t, places, a = _MATCHED
  both = lambda x: jnp.stack([x, x[::-1]])
  np.testing.assert_allclose(
      compared_losses.matching(
          both(f), both(o), both(t), places, through=both(a)
      )[1],
      compared_losses.matching(
          f[::-1], o[::-1], t[::-1], places, through=a[::-1]
      ),
      rtol=1e-5,
  )


_M, _F, _T = jnp.ones((4, 4, 2)), jnp.ones((3, 2)), jnp.ones((3, 2))


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda: compared_losses.alignment(_M, _M, _M[:2]), r'\(2, 4, 2\)'),
        (lambda: compared_losses.alignment(_M, _M, _M, valid=jnp.ones(3, bool)),
         r'shape \(2,\), got \(3,\)'),
        (lambda: compared_losses.alignment(_M, _M > 0, _M), 'got bool'),
        (lambda: compared_losses.sliding_diversity(_F), r'got \(3, 2\)'),
        (lambda: compared_losses.sliding_diversity(_M, patch=0), 'got 0'),
        (lambda: compared_losses.separation(_F[0], 1.0), r'got \(2,\)'),
        (lambda: compared_losses.separation(_F, 0.0),
         'bandwidth must be above 0, got 0.0'),
        (lambda: compared_losses.concentration(_M[..., :1]),
         r'got \(4, 4, 1\)'),
        (lambda: compared_losses.matching(_F, _F[:, :1], _T, _T),
         r'other_features \(3, 1\)'),
        (lambda: compared_losses.matching(_F, _F, _T, _T, through=_F[0]),
         r'through \(2,\)'),
        (lambda: compared_losses.matching(_F[0], _F, _T, _T),
         r'features \(2,\)'),
        (lambda: compared_losses.matching(_F, _F, _T, _T, temperature=0.0),
         'temperature must be above 0, got 0.0'),
        (lambda: compared_losses.matching(_F, _F, _T, _T, power=-1),
         'power must be above 0, got -1'),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call, said):
  with pytest.raises(ValueError, match=said):
    call()
