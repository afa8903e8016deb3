"""Points followed from frame to frame by features, and what covers change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import matching


def _frames(shift=(2, 3), side=16, depth=8):
  """Features of a frame, all different, and the same moved."""
  rng = np.random.default_rng(0)
  first = rng.normal(size=(side, side, depth))
  return jnp.asarray(first), jnp.asarray(np.roll(first, shift, (0, 1)))


@pytest.mark.x64
def test_a_point_is_followed_and_comes_back():
  first, second = _frames()
  points = jnp.array([[5.5, 6.5], [8.5, 4.5]])
  there, error = matching.follow(
      first, second, points, window=4.0, temperature=0.01
  )
  np.testing.assert_allclose(there, points + jnp.array([2.0, 3.0]), atol=1e-6)
  np.testing.assert_allclose(error, 0.0, atol=1e-6)
  jitted = jax.jit(matching.follow, static_argnames=('window', 'temperature'))
  again, _ = jitted(first, second, points, window=4.0, temperature=0.01)
  np.testing.assert_allclose(again, there, atol=1e-9)


@pytest.mark.x64
def test_beyond_the_window_nothing_is_found():
  first, second = _frames(shift=(0, 6))
  point = jnp.array([[5.5, 6.5]])
  there, _ = matching.follow(
      first, second, point, window=3.0, temperature=0.01
  )
  assert jnp.abs(there - point).max() <= 3.0


@pytest.mark.x64
def test_a_point_far_outside_and_equal_features_give_numbers():
  first = jnp.ones((8, 8, 3))
  points = jnp.array([[-40.0, 3.0], [4.0, 4.0]])

  def total(features):
    there, error = matching.follow(
        features, first, points, window=2.0, temperature=0.1
    )
    return jnp.sum(there[1]) + error[1]

  assert jnp.isfinite(total(first))
  assert jnp.isfinite(jax.grad(total)(first)).all()


@pytest.mark.x64
def test_change_by_hand():
  first = jnp.zeros((4, 4, 2)).at[..., 0].set(1.0)
  second = first.at[0, 1].set(jnp.array([0.0, 3.0]))  # a right angle: 2
  expected = np.zeros((2, 2))
  expected[0, 0] = 2 / 4  # one of four pixels
  np.testing.assert_allclose(
      matching.change(first, second, cells=2), expected, atol=1e-12
  )
  np.testing.assert_array_equal(matching.change(first, first, cells=2), 0.0)


@pytest.mark.x64
def test_coverage_by_hand():
  change = jnp.zeros((4, 4)).at[1, 2].set(5.0)
  # Cells of 8 pixels: the centre of that one is at (12, 20).
  on_it = jnp.array([[12.0, 20.0], [30.0, 2.0]])
  share = lambda points: matching.coverage(change, points, side=32, sigma=3.0)
  np.testing.assert_allclose(share(on_it), 0.0, atol=1e-12)
  # One sigma away in each of two frames: neither covers it.
  apart = jnp.array([[15.0, 20.0], [12.0, 17.0]])
  np.testing.assert_allclose(
      share(apart), (1 - np.exp(-0.5)) ** 2 * 5.0 / 5.001
  )
  # It draws towards what changes: up, and to the right.
  gradient = jax.grad(share)(apart)
  assert gradient[0, 0] > 0 and gradient[1, 1] < 0


@pytest.mark.x64
def test_equal_frames_have_nothing_to_cover():
  change = jnp.zeros((4, 4))
  share = lambda points: matching.coverage(change, points, side=32, sigma=3.0)
  value, gradient = jax.value_and_grad(share)(jnp.full((3, 2), 7.0))
  assert value == 0.0
  np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.x64
def test_a_patch_that_moves_draws_one_landmark_to_it():
  # Ten landmarks anywhere, and one cell of sixteen by sixteen that changes.
  change = jnp.zeros((16, 16)).at[11, 4].set(1.0)
  start = jax.random.uniform(jax.random.key(0), (10, 2), maxval=64.0)
  share = lambda p: matching.coverage(change, p, side=64, sigma=6.0)
  points = start
  for _ in range(400):
    points = points - 20.0 * jax.grad(share)(points)
  place = jnp.array([46.0, 18.0])
  distances = jnp.sort(jnp.linalg.norm(points - place, axis=-1))
  assert distances[0] < 1.0 and distances[1] > 6.0
