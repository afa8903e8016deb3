"""Each loss against a plain NumPy loop written from its equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import heatmaps
from eqlandmarks import losses

# What holds of a loss holds in float64 to the last digits, and in float32 but
# for rounding.
_DTYPES = pytest.mark.parametrize(
    ('dtype', 'rtol'), [('float64', 1e-9), ('float32', 1e-3)]
)


def _features(count=6, depth=5, seed=0, dtype=np.float32):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(2, count, depth)).astype(dtype)


def _contrastive_by_the_equation(f, g, tau):
  """Equation (7), term by term, in float64."""
  unit = lambda v: v / np.linalg.norm(v)
  s = lambda a, b: np.exp(np.dot(unit(a), unit(b)) / tau)
  f, g, total = f.astype(float), g.astype(float), 0.0
  for b in range(len(f)):
    others = [n for n in range(len(f)) if n != b]
    everyone = range(len(f))
    p = s(f[b], g[b]) / (
        sum(s(f[b], f[n]) for n in others)
        + sum(s(f[b], g[n]) for n in everyone)
    )
    q = s(f[b], g[b]) / (
        sum(s(g[b], g[n]) for n in others)
        + sum(s(g[b], f[n]) for n in everyone)
    )
    total += np.log(p) + np.log(q)
  return -total / len(f)


@pytest.mark.x64
@_DTYPES
@pytest.mark.parametrize('tau', [0.1, 0.5])
def test_contrastive_is_equation_7(tau, dtype, rtol):
  f, g = _features(dtype=dtype)
  np.testing.assert_allclose(
      losses.contrastive(jnp.asarray(f), jnp.asarray(g), temperature=tau),
      _contrastive_by_the_equation(f, g, tau),
      rtol=rtol,
  )


@pytest.mark.x64
@_DTYPES
def test_contrastive_leaves_invalid_pairs_out_altogether(dtype, rtol):
  f, g = _features(8, dtype=dtype)
  valid = np.array([True, False, True, True, False, True, True, True])
  masked = losses.contrastive(
      jnp.asarray(f), jnp.asarray(g), valid=jnp.asarray(valid)
  )
  np.testing.assert_allclose(
      masked, _contrastive_by_the_equation(f[valid], g[valid], 0.1), rtol=rtol
  )
  gradient = jax.grad(losses.contrastive)(
      jnp.asarray(f), jnp.asarray(g), valid=jnp.asarray(valid)
  )
  np.testing.assert_array_equal(gradient[~valid], 0.0)
  assert np.abs(gradient[valid]).min() > 0.0


def test_contrastive_of_nothing_valid_is_zero():
  f, g = _features()
  none = jnp.zeros(len(f), bool)
  value, gradient = jax.value_and_grad(losses.contrastive)(
      jnp.asarray(f), jnp.asarray(g), valid=none
  )
  assert float(value) == 0.0
  np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.x64
@_DTYPES
def test_contrastive_ignores_order_and_length_of_features(dtype, rtol):
  f, g = map(jnp.asarray, _features(7, dtype=dtype))
  order = np.random.default_rng(1).permutation(7)
  expected = losses.contrastive(f, g)
  np.testing.assert_allclose(
      losses.contrastive(f[order], g[order]), expected, rtol=rtol
  )
  np.testing.assert_allclose(
      losses.contrastive(3.0 * f, 1e20 * g), expected, rtol=rtol
  )


def test_contrastive_of_equal_features_is_the_log_of_their_number():
  # All similarities equal: p = p' = 1 / (2 N - 1).
  ones = jnp.ones((5, 3))
  np.testing.assert_allclose(
      losses.contrastive(ones, ones), 2 * np.log(9), rtol=1e-4
  )


@pytest.mark.parametrize('scale', [0.0, 1e-30, 1e30])
def test_contrastive_gradient_is_finite_at_degenerate_features(scale):
  f, g = map(jnp.asarray, _features())
  f = f.at[0].set(scale * f[0]).at[1].set(f[2])
  for argument in (0, 1):
    gradient = jax.grad(losses.contrastive, argument)(f, g)
    assert np.isfinite(gradient).all()


@pytest.mark.x64
def test_contrastive_gradient_agrees_with_finite_differences():
  f, g = _features(4, 3, dtype=np.float64)
  gradient = jax.grad(losses.contrastive)(jnp.asarray(f), jnp.asarray(g))
  for index in [(0, 0), (2, 1), (3, 2)]:
    step = np.zeros_like(f, dtype=float)
    step[index] = 1e-5
    numeric = (
        _contrastive_by_the_equation(f + step, g, 0.1)
        - _contrastive_by_the_equation(f - step, g, 0.1)
    ) / 2e-5
    np.testing.assert_allclose(gradient[index], numeric, rtol=1e-5, atol=1e-7)


@pytest.mark.x64
def test_contrastive_shares_of_devices_sum_to_the_loss():
  f, g = _features(16, dtype=np.float64)
  valid = np.random.default_rng(2).random(16) > 0.3
  whole, gradient = jax.value_and_grad(losses.contrastive)(
      jnp.asarray(f), jnp.asarray(g), valid=jnp.asarray(valid)
  )

  def share(f, g, valid):
    value, gradient = jax.value_and_grad(losses.contrastive)(
        f, g, valid=valid, axis_name='i'
    )
    return jax.lax.psum(value, 'i'), gradient

  split = lambda a: jnp.asarray(a).reshape(8, 2, *a.shape[1:])
  value, gradients = jax.pmap(share, axis_name='i')(
      split(f), split(g), split(valid)
  )
  np.testing.assert_allclose(value, np.full(8, whole), rtol=1e-9)
  np.testing.assert_allclose(
      gradients.reshape(16, -1), gradient, atol=1e-9
  )


@pytest.mark.x64
@_DTYPES
def test_equivariance_is_equation_2(dtype, rtol):
  a, b = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(dtype)
  expected = [
      sum(np.linalg.norm(a[i, k] - b[i, k]) ** 2 for k in range(4)) / 4
      for i in range(3)
  ]
  np.testing.assert_allclose(
      losses.equivariance(jnp.asarray(a), jnp.asarray(b)), expected, rtol=rtol
  )


def test_equivariance_mask_and_its_gradient():
  a = jnp.array([[0.0, 3.0], [jnp.nan, 1e30]])
  b = jnp.array([[4.0, 0.0], [1.0, 1.0]])
  valid = jnp.array([True, False])
  value, gradient = jax.value_and_grad(losses.equivariance)(a, b, valid=valid)
  assert float(value) == 25.0
  np.testing.assert_array_equal(gradient, [[-8.0, 6.0], [0.0, 0.0]])
  nothing = losses.equivariance(a, b, valid=jnp.array([False, False]))
  assert float(nothing) == 0.0


def test_equivariance_of_an_equivariant_net_is_zero():
  # Heatmaps that the shift carries along: the landmarks move with the image.
  logits = jnp.zeros((16, 16, 2)).at[5, 6, 0].set(1e4).at[9, 3, 1].set(1e4)
  shifted = jnp.roll(logits, 2, axis=0)
  loss = losses.equivariance(
      heatmaps.soft_argmax(shifted),
      heatmaps.soft_argmax(logits) + jnp.array([[2.0, 0.0]]),
  )
  assert float(loss) == 0.0


def _diversity_by_the_equation(p, patch):
  """Equation (3) on sums over patches, with plain loops."""
  height, width, count = p.shape
  total = 0.0
  for top in range(0, height, patch):
    for left in range(0, width, patch):
      cell = p[top : top + patch, left : left + patch]
      sums = [cell[..., k].sum() for k in range(count)]
      total += sum(sums) - max(sums)
  return total


@pytest.mark.x64
@_DTYPES
@pytest.mark.parametrize('patch', [1, 3, 4, 20])
def test_diversity_is_equation_3(patch, dtype, rtol):
  logits = np.random.default_rng(0).normal(size=(10, 8, 5)).astype(dtype)
  p = np.asarray(heatmaps.spatial_softmax(jnp.asarray(logits)))
  np.testing.assert_allclose(
      losses.diversity(jnp.asarray(p), patch=patch),
      _diversity_by_the_equation(p, patch),
      rtol=rtol,
  )


def test_diversity_is_largest_for_collapsed_and_zero_for_spread_landmarks():
  one = heatmaps.spatial_softmax(
      jnp.asarray(np.random.default_rng(0).normal(size=(8, 8, 1)))
  )
  collapsed = jnp.repeat(one, 6, axis=-1)
  np.testing.assert_allclose(losses.diversity(collapsed), 5.0, rtol=1e-4)
  apart = jnp.zeros((8, 8, 3))
  for k, (row, column) in enumerate([(0, 0), (4, 4), (7, 1)]):
    apart = apart.at[row, column, k].set(1.0)
  assert float(losses.diversity(apart, patch=2)) == 0.0
  # In one patch of 8 x 8 they are together.
  assert float(losses.diversity(apart, patch=8)) == 2.0


def test_diversity_gradient_is_finite_where_maps_are_equal():
  p = jnp.full((4, 4, 3), 1 / 16)
  assert np.isfinite(jax.grad(losses.diversity)(p)).all()


def test_variance_is_the_mean_trace_of_covariance():
  p = np.zeros((1, 6, 6, 2), np.float32)
  p[0, 1, 2, 0] = p[0, 5, 2, 0] = 0.5  # rows 4 apart: variance 4
  p[0, 3, 3, 1] = 1.0
  loss = losses.variance(heatmaps.spread(jnp.asarray(p)))
  np.testing.assert_allclose(loss, [2.0])


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_losses_under_jit_and_vmap_are_float32(dtype):
  f, g = (jnp.asarray(x, dtype) for x in _features())
  p = jnp.full((3, 8, 8, 2), 1 / 64, dtype)
  values = (
      jax.jit(losses.contrastive)(f, g),
      jax.jit(jax.vmap(losses.diversity))(p),
  )
  assert all(value.dtype == jnp.float32 for value in values)
  np.testing.assert_allclose(
      values[1], [float(losses.diversity(q)) for q in p], rtol=1e-4
  )


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda: losses.contrastive(jnp.ones((3, 2)), jnp.ones((4, 2))),
         r'\(3, 2\) and \(4, 2\)'),
        (lambda: losses.contrastive(
            jnp.ones((3, 2)), jnp.ones((3, 2)), valid=jnp.ones(2, bool)),
         r'\(3,\), got \(2,\)'),
        (lambda: losses.equivariance(jnp.ones((3, 2)), jnp.ones((3, 3))),
         r'\(3, 2\) and \(3, 3\)'),
        (lambda: losses.diversity(jnp.ones((3, 2))), r'got \(3, 2\)'),
        (lambda: losses.diversity(jnp.ones((3, 2, 1)), patch=0), 'got 0'),
        (lambda: losses.diversity(jnp.ones((3, 2, 1)), patch=1.5), 'got 1.5'),
        (lambda: losses.contrastive(
            jnp.ones((3, 2)), jnp.ones((3, 2)), temperature=0.0),
         'temperature must be above 0, got 0.0'),
        (lambda: losses.contrastive(jnp.ones((0, 2)), jnp.ones((0, 2))),
         r'not empty, got \(0, 2\)'),
    ],
)
def test_wrong_arguments_are_named(call, said):
  with pytest.raises(ValueError, match=said):
    call()
