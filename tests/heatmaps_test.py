import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import heatmaps


def _one_hot(row, column, shape=(6, 8)):
  return jnp.zeros((*shape, 1)).at[row, column, 0].set(1e4)


def test_one_hot_gives_the_pixels_centre():
  points = heatmaps.soft_argmax(_one_hot(2, 5))
  np.testing.assert_allclose(points, [[2.5, 5.5]])


def test_flat_gives_the_images_centre_and_the_uniform_spread():
  flat = jnp.zeros((6, 8, 2))
  np.testing.assert_allclose(
      heatmaps.soft_argmax(flat), [[3.0, 4.0]] * 2, rtol=1e-4
  )
  # Variance of n equally likely pixel centres: (n^2 - 1) / 12.
  spread = heatmaps.spread(heatmaps.spatial_softmax(flat))
  np.testing.assert_allclose(spread, [35 / 12 + 63 / 12] * 2, rtol=1e-4)


def test_spread_of_a_128_pixel_flat_heatmap():
  probabilities = jnp.full((128, 128, 1), 1 / 128**2)
  np.testing.assert_allclose(
      heatmaps.spread(probabilities), [2 * (128**2 - 1) / 12], rtol=1e-4
  )


@pytest.mark.x64
def test_agrees_with_numpy_on_random_heatmaps():
  logits = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
  p = np.exp(logits) / np.exp(logits).sum((1, 2), keepdims=True)
  rows, columns = np.meshgrid(
      np.arange(5) + 0.5, np.arange(7) + 0.5, indexing='ij'
  )
  mean = np.stack(
      [np.einsum('bhwk,hw->bk', p, rows), np.einsum('bhwk,hw->bk', p, columns)],
      -1,
  )
  square = np.einsum('bhwk,hw->bk', p, rows**2 + columns**2)
  jaxed = jnp.asarray(logits)
  np.testing.assert_allclose(heatmaps.soft_argmax(jaxed), mean, rtol=1e-9)
  np.testing.assert_allclose(
      heatmaps.spread(heatmaps.spatial_softmax(jaxed)),
      square - (mean**2).sum(-1),
      rtol=1e-9,
  )


@pytest.mark.x64
def test_maps_are_1_at_a_point_and_fall_off_by_sigma():
  # Cells of 8 pixels, whose centres are at 4, 12, 20, ...
  points = jnp.array([[12.0, 20.0], [16.0, 16.0]])
  maps = heatmaps.gaussian_maps(points, (4, 8), (32, 64), 8.0)
  assert maps.shape == (4, 8, 2)
  np.testing.assert_allclose(maps[1, 2, 0], 1.0)
  np.testing.assert_allclose(maps[2, 2, 0], np.exp(-0.5))
  np.testing.assert_allclose(maps[2, 3, 0], np.exp(-1.0))
  # Halfway between four cells: half a cell away along both axes.
  np.testing.assert_allclose(maps[1:3, 1:3, 1], np.exp(-0.25), rtol=1e-9)


@pytest.mark.x64
def test_moving_a_point_by_a_cell_moves_its_map_by_a_cell():
  points = jnp.array([[[9.3, 21.0]]])
  before = heatmaps.gaussian_maps(points, (16, 16), (128, 128), 4.525)
  after = heatmaps.gaussian_maps(points + 8.0, (16, 16), (128, 128), 4.525)
  np.testing.assert_allclose(
      after[:, 1:, 1:], before[:, :-1, :-1], rtol=1e-9, atol=1e-12
  )


@pytest.mark.parametrize(
    'logits',
    [
        jnp.zeros((4, 4, 1)),
        _one_hot(0, 0, (4, 4)),
        jnp.full((4, 4, 1), 1e30),
    ],
)
def test_gradients_are_finite_at_degenerate_heatmaps(logits):
  def value(x):
    p = heatmaps.spatial_softmax(x)
    return heatmaps.expectation(p).sum() + heatmaps.spread(p).sum()

  assert np.isfinite(jax.grad(value)(logits)).all()


def test_half_precision_logits_give_float32_points():
  logits = jnp.zeros((128, 128, 1), jnp.bfloat16)
  points = heatmaps.soft_argmax(logits)
  assert points.dtype == jnp.float32
  np.testing.assert_allclose(points, [[64.0, 64.0]], rtol=1e-4)


def test_wrong_rank_is_named():
  with pytest.raises(ValueError, match=r'got shape \(4, 4\)'):
    heatmaps.soft_argmax(jnp.zeros((4, 4)))
