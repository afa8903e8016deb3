import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import _blocks
from eqlandmarks import _convolutions
from eqlandmarks import models


def _count(variables):
  return sum(leaf.size for leaf in jax.tree.leaves(variables['params']))


def _conv(kernel, inputs, outputs):
  return kernel * kernel * inputs * outputs + outputs


def test_parameter_count_of_the_hourglass_by_hand():
  net = models.Hourglass(features=7, widths=(2, 3, 4, 5), norm='none')
  variables = net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
  encoder = (
      _conv(3, 3, 2) + _conv(3, 2, 2) + _conv(3, 2, 3) + _conv(3, 3, 3)
      + _conv(3, 3, 4) + _conv(3, 4, 4) + _conv(3, 4, 5) + _conv(3, 5, 5)
  )
  decoder = (
      _conv(3, 5, 5) + _conv(3, 5, 5) + _conv(3, 4, 4) + _conv(3, 4, 4)
      + _conv(3, 3, 3) + _conv(3, 3, 3) + _conv(3, 2, 2) + _conv(3, 2, 2)
  )
  # The level below is narrowed before it is added; the coarsest is as wide.
  decoder += _conv(1, 5, 4) + _conv(1, 4, 3) + _conv(1, 3, 2)
  assert _count(variables) == encoder + decoder + _conv(1, 2, 7)


def test_parameter_counts_of_the_configs_nets():
  hourglass = models.Hourglass()
  f = jax.eval_shape(
      hourglass.init, jax.random.key(0), jnp.zeros((1, 128, 128, 3))
  )
  landmarks = models.LandmarkNet(50)
  t = jax.eval_shape(
      landmarks.init, jax.random.key(0), jnp.zeros((1, 128, 128, 64))
  )
  assert _count(f) == 2_787_200
  assert _count(t) == 155_392


@pytest.mark.parametrize('size', [32, 33, 50, 100, 128])
def test_any_size_comes_out_as_it_went_in(size):
  net = models.Hourglass(features=4, widths=(2, 2, 2, 2))
  images = jnp.zeros((2, size, size + 3, 3))
  output, _ = net.init_with_output(jax.random.key(0), images)
  assert output.shape == (2, size, size + 3, 4)


def test_landmark_net_names_its_layers():
  net = models.LandmarkNet(5, width=6, blocks=2)
  features = jnp.ones((2, 16, 16, 3))
  outputs, _ = net.init_with_output(jax.random.key(0), features)
  assert set(outputs) == {*models.LAYERS, 'heatmaps'}
  np.testing.assert_array_equal(outputs['layer1'], features)
  for layer in models.LAYERS[1:]:
    assert outputs[layer].shape == (2, 16, 16, 6)
  assert outputs['heatmaps'].shape == (2, 16, 16, 5)


@pytest.mark.x64
def test_heatmap_scale_multiplies_the_logits():
  features = jax.random.normal(jax.random.key(1), (1, 8, 8, 3))
  one = models.LandmarkNet(2, width=4, heatmap_scale=1.0, dtype=float)
  ten = models.LandmarkNet(2, width=4, heatmap_scale=10.0, dtype=float)
  variables = one.init(jax.random.key(0), features)
  np.testing.assert_allclose(
      10.0 * one.apply(variables, features)['heatmaps'],
      ten.apply(variables, features)['heatmaps'],
      rtol=1e-9,
  )


def test_pool_and_upsample_by_hand():
  x = jnp.arange(20.0).reshape(1, 4, 5, 1)
  pooled = _convolutions.max_pool(x)
  np.testing.assert_array_equal(pooled[0, :, :, 0], [[6, 8], [16, 18]])
  grown = _blocks.upsample(pooled, (4, 5))
  np.testing.assert_array_equal(
      grown[0, :, :, 0],
      [[6, 6, 8, 8, 8], [6, 6, 8, 8, 8], [16, 16, 18, 18, 18],
       [16, 16, 18, 18, 18]],
  )


@pytest.mark.x64
@pytest.mark.parametrize('norm', ['group', 'none'])
def test_an_images_features_do_not_depend_on_its_batch(norm):
  net = models.Hourglass(4, (4, 4, 4, 4), norm=norm, dtype=float)
  images = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3))
  variables = net.init(jax.random.key(1), images)
  together = net.apply(variables, images)
  alone = net.apply(variables, images[1:2])
  np.testing.assert_allclose(together[1:2], alone, atol=1e-9)


@pytest.mark.x64
def test_batch_norm_learns_statistics_and_freezes_them():
  net = models.Hourglass(4, (4, 4, 4, 4), norm='batch', dtype=float)
  images = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3))
  variables = net.init(jax.random.key(1), images)
  _, changed = net.apply(
      variables, images, train=True, mutable=['batch_stats']
  )
  before = jax.tree.leaves(variables['batch_stats'])
  after = jax.tree.leaves(changed['batch_stats'])
  assert any(not np.allclose(a, b) for a, b in zip(before, after, strict=True))
  frozen = net.apply(variables, images[:1])
  together = net.apply(variables, images)
  np.testing.assert_allclose(together[:1], frozen, atol=1e-9)


def test_bfloat16_computes_close_to_float32():
  images = jax.random.uniform(jax.random.key(0), (1, 32, 32, 3))
  exact = models.Hourglass(features=4, widths=(4, 4, 4, 4))
  variables = exact.init(jax.random.key(1), images)
  half = models.Hourglass(
      features=4, widths=(4, 4, 4, 4), dtype=jnp.bfloat16
  ).apply(variables, images)
  assert half.dtype == jnp.bfloat16
  assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
  difference = jnp.abs(half - exact.apply(variables, images))
  # Eight bits of mantissa through 18 convolutions: right on the whole, while
  # single values of order 1 may be off in the first digit.
  assert float(difference.mean()) < 0.02
  assert float(difference.max()) < 0.5


def test_unknown_norm_is_named():
  net = models.Hourglass(norm='layer')
  with pytest.raises(ValueError, match="norm is 'layer'"):
    net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


@pytest.mark.x64
def test_group_norm_is_flaxs():
  x = 3.0 + jax.random.normal(jax.random.key(0), (2, 5, 7, 12))
  upper = jax.random.normal(jax.random.key(1), x.shape)
  params = {
      name: jax.random.normal(jax.random.key(number), (12,))
      for number, name in enumerate(('scale', 'bias'))
  }

  def value_and_gradient(layer):
    def total(params, x):
      y = layer.apply({'params': params}, x)
      return jnp.sum(upper * y), y

    return jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(params, x)

  found = value_and_gradient(_blocks.GroupNorm(4, dtype=float))
  expected = value_and_gradient(nn.GroupNorm(num_groups=4))
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9),
      found,
      expected,
  )


@pytest.mark.x64
@pytest.mark.parametrize('dtype', [jnp.float64, jnp.float32])
def test_group_norm_of_equal_pixels_is_its_bias_and_differentiable(dtype):
  x = jnp.full((1, 4, 4, 8), 1000.1, dtype)
  layer = _blocks.GroupNorm(8, dtype)
  variables = {'params': {'scale': jnp.ones(8), 'bias': jnp.arange(8.0)}}
  found = layer.apply(variables, x)
  # The mean of 16 pixels is off by 16 roundings of 1000, over a root of 1e-6.
  room = 16 * float(jnp.finfo(dtype).eps) * 1000.0 / 1e-3
  np.testing.assert_allclose(found[0, 0, 0], np.arange(8.0), atol=room)
  gradient = jax.grad(lambda x: jnp.sum(layer.apply(variables, x) ** 2))(x)
  assert np.isfinite(gradient).all()


@pytest.mark.parametrize('norm', models.NORMS)
def test_a_convolution_before_a_normalisation_has_no_bias(norm):
  net = models.LandmarkNet(2, width=4, norm=norm)
  params = net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))['params']
  assert ('bias' in params['enter']) == (norm == 'none')
  assert ('bias' in params['layer3_0']['conv1']) == (norm == 'none')
  # The softmax over pixels takes the last one's away.
  assert 'bias' not in params['heatmaps']


@pytest.mark.x64
def test_second_derivatives_are_those_of_the_gradient():
  net = models.Hourglass(2, (2, 2), norm='none', dtype=float)
  x = jax.random.uniform(jax.random.key(0), (1, 4, 4, 3))
  variables = net.init(jax.random.key(1), x)
  gradient = jax.grad(lambda x: jnp.sum(net.apply(variables, x) ** 2))
  hessian = jax.jacrev(gradient)(x).reshape(48, 48)
  np.testing.assert_allclose(hessian, hessian.T, atol=1e-9)
  step = 1e-5 * jnp.zeros(48).at[5].set(1.0).reshape(x.shape)
  difference = (gradient(x + step) - gradient(x - step)) / 2e-5
  np.testing.assert_allclose(difference.ravel(), hessian[5], atol=1e-6)
