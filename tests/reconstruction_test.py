"""Shares of variance that a drawn image leaves unexplained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import reconstruction

pytestmark = pytest.mark.x64


def _images(seed, count=2, height=8, width=12):
  rng = np.random.default_rng(seed)
  return rng.uniform(size=(count, height, width, 3))


def _levels(images):
  """Pixels and their differences at three scales, by NumPy."""
  for _ in range(3):
    yield images, np.diff(images, axis=1), np.diff(images, axis=2)
    images = (
        images[:, ::2, ::2] + images[:, 1::2, ::2]
        + images[:, ::2, 1::2] + images[:, 1::2, 1::2]
    ) / 4  # fmt: skip


def test_agrees_with_numpy():
  drawn, target = _images(0), _images(1)
  flat = np.broadcast_to(target.mean((1, 2), keepdims=True), target.shape)

  def squares(images):
    """`[3, B]`, the squared distance to the target at each scale."""
    return np.array([
        sum(
            np.mean((a - b) ** 2, (1, 2, 3))
            for a, b in zip(*level, strict=True)
        )
        for level in zip(_levels(images), _levels(target), strict=True)
    ])

  found = reconstruction.of_pixels(jnp.asarray(drawn), jnp.asarray(target))
  expected = np.mean(squares(drawn) / squares(flat), axis=0)
  np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_0_of_an_equal_image_and_1_of_its_mean():
  target = jnp.asarray(_images(0))
  mean = jnp.broadcast_to(
      target.mean((1, 2), keepdims=True), target.shape
  )
  of_pixels = reconstruction.of_pixels
  np.testing.assert_array_equal(of_pixels(target, target), [0, 0])
  np.testing.assert_allclose(of_pixels(mean, target), [1, 1], rtol=1e-9)
  levels = [target, 5.0 * target[:, ::2, ::2]]
  means = [mean, 5.0 * target[:, ::2, ::2].mean((1, 2), keepdims=True)]
  means[1] = jnp.broadcast_to(means[1], levels[1].shape)
  of_levels = reconstruction.of_levels
  np.testing.assert_array_equal(of_levels(levels, levels), [0, 0])
  np.testing.assert_allclose(of_levels(means, levels), [1, 1], rtol=1e-9)


def test_brightness_and_contrast_change_nothing():
  drawn, target = jnp.asarray(_images(0)), jnp.asarray(_images(1))
  expected = reconstruction.of_pixels(drawn, target)
  found = reconstruction.of_pixels(0.3 * drawn + 0.5, 0.3 * target + 0.5)
  np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_levels_weigh_the_same_whatever_their_scale():
  drawn, target = jnp.asarray(_images(0)), jnp.asarray(_images(1))
  one = reconstruction.of_levels([drawn], [target])
  # Variance 1/12 of uniform values, and twice as much of a difference.
  np.testing.assert_allclose(one, 2.0, rtol=0.3)
  both = reconstruction.of_levels(
      [drawn, 100.0 * drawn], [target, 100.0 * target]
  )
  np.testing.assert_allclose(both, one, rtol=1e-9)


def test_of_a_flat_image_value_and_gradient_are_finite():
  target = jnp.full((1, 8, 8, 3), 0.4)
  of_pixels = reconstruction.of_pixels
  # 0.1 off, of a variance that is taken for 0.001.
  found = of_pixels(target + 0.1, target)
  np.testing.assert_allclose(found, 10.0, rtol=1e-6)
  gradient = jax.grad(lambda x: of_pixels(x, target)[0])
  np.testing.assert_array_equal(gradient(target), 0)
  assert np.isfinite(gradient(target + 0.1)).all()


def test_shapes_that_do_not_fit():
  x = jnp.zeros((2, 8, 8, 3))
  with pytest.raises(ValueError, match='expected the same'):
    reconstruction.of_pixels(x, x[:1])
  with pytest.raises(ValueError, match='multiples of 4'):
    reconstruction.of_pixels(x[:, :6], x[:, :6])
  with pytest.raises(ValueError, match='expected the same'):
    reconstruction.of_levels([x], [x[..., :1]])
