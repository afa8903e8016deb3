"""The net of factorised spatial embeddings: sizes, places, parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import _fse_nets
from eqlandmarks import errors
from eqlandmarks import heatmaps
from eqlandmarks import models
from eqlandmarks.runs import config_checks


def _shapes(side, count=10):
  """Shapes of the variables, and of what T returns."""
  nets = _fse_nets.FSEFeatures(), _fse_nets.FSELandmarks(count)

  def init(images):
    f, first = nets[0].init_with_output(jax.random.key(0), images)
    outputs, second = nets[1].init_with_output(jax.random.key(1), f)
    return outputs, (first, second)

  return jax.eval_shape(init, jnp.zeros((1, side, side, 3)))


def test_the_kernels_have_the_published_number_of_weights():
  _, variables = _shapes(128)
  kernels = [
      leaf.size
      for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
      if 'kernel' in jax.tree_util.keystr(path)
  ]
  # 25 * (3 * 20 + 20 * 48 + 48 * 64 + 64 * 80 + 80 * 256 + 256 * 10).
  assert len(kernels) == 6 and sum(kernels) == 806_300


@pytest.mark.parametrize('side', [48, 64, 77, 128])
def test_everything_has_the_images_size(side):
  outputs, _ = _shapes(side)
  channels = {
      'layer1': 64, 'layer2': 80, 'layer3': 256, 'layer4': 10, 'heatmaps': 10
  }
  assert {name: x.shape for name, x in outputs.items()} == {
      name: (1, side, side, depth) for name, depth in channels.items()
  }
  assert {*models.LAYERS} < {*outputs}


def _nets(**options):
  f, t = _fse_nets.FSEFeatures(**options), _fse_nets.FSELandmarks(3, **options)
  images = jax.random.uniform(jax.random.key(0), (1, 64, 64, 3))
  features, f_variables = f.init_with_output(jax.random.key(1), images)
  outputs, t_variables = t.init_with_output(jax.random.key(2), features)
  return f, t, f_variables, t_variables, images, outputs


def test_no_landmark_lies_on_the_rim():
  *_, outputs = _nets()
  probabilities = np.asarray(heatmaps.spatial_softmax(outputs['heatmaps']))
  # 64 pixels: 60 after the first convolution, 30 cells, 10 after the last.
  inner = probabilities[:, 22:42, 22:42]
  np.testing.assert_allclose(inner.sum((1, 2)), 1.0, rtol=1e-4)
  assert probabilities[:, :22].max() == probabilities[:, :, 42:].max() == 0.0
  # Cells of 2 x 2 pixels.
  np.testing.assert_array_equal(inner[:, ::2, ::2], inner[:, 1::2, 1::2])


def test_each_layer_sees_what_lies_around_its_cell():
  # Without a normalisation, a pixel reaches as far as the convolutions do; the
  # middle of what it reaches is the pixel: no layer is shifted.
  f, t, f_variables, t_variables, images, before = _nets(norm='none')

  def run(images):
    return t.apply(t_variables, f.apply(f_variables, images))

  after = run(images.at[0, 32:34, 30:32].add(0.5))
  for layer, rim in (('layer1', 10), ('layer2', 14)):
    changed = np.abs(after[layer] - before[layer]).max((0, 3)) > 1e-6
    changed[:rim], changed[-rim:] = False, False  # copies of what is within
    changed[:, :rim], changed[:, -rim:] = False, False
    rows, columns = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
    # The pixels' common corner is at (33, 31).
    assert (rows[0] + rows[-1] + 1) / 2 == 33, layer
    assert (columns[0] + columns[-1] + 1) / 2 == 31, layer


def test_the_layers_are_the_convolutions_of_the_whole_net():
  _, _, f_variables, t_variables, images, outputs = _nets(norm='none')
  parameters = {**f_variables['params'], **t_variables['params']}
  x = images
  for number in range(1, 7):
    layer = parameters[f'conv{number}']
    x = jax.lax.conv_general_dilated(
        x, layer['kernel'], (1, 1), 'VALID',
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    ) + layer['bias']  # fmt: skip
    x = np.maximum(x, 0.0)
    if number == 1:
      x = x.reshape(1, 30, 2, 30, 2, 20).max((2, 4))
  assert x.shape == (1, 10, 10, 3)
  np.testing.assert_allclose(
      outputs['heatmaps'][:, 22:42:2, 22:42:2], x, atol=1e-4
  )


def test_training_updates_batch_statistics_and_has_a_gradient():
  f, t, f_variables, t_variables, images, _ = _nets()

  def loss(parameters):
    features, stats = models.apply_trained(
        f, {**f_variables, 'params': parameters}, images
    )
    outputs, more = models.apply_trained(t, t_variables, features)
    points = heatmaps.soft_argmax(outputs['heatmaps'])
    return jnp.sum(points**2), (stats, more)

  gradient, (stats, more) = jax.grad(loss, has_aux=True)(f_variables['params'])
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
  assert np.abs(gradient['conv1']['kernel']).max() > 0
  assert {*stats} == {'norm1', 'norm2', 'norm3'}
  assert {*more} == {'norm4', 'norm5', 'norm6'}


def test_a_config_chooses_it():
  config = signer.get_config('best128')
  config.model.net = 'fse'
  config_checks.check(config)
  shapes = jax.eval_shape(models.make_nets(config).init, jax.random.key(0))
  assert {*shapes['landmarks']['params']} >= {'conv4', 'conv5', 'conv6'}
  config.image_size = 63
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(config)
  assert str(caught.value) == (
      'config.image_size is 63, expected at least 64 with '
      "config.model.net='fse', which leaves out a rim of 22 pixels."
  )
  config.model.net = 'hourglas'
  with pytest.raises(errors.UserError, match='expected one of hourglass, fse'):
    config_checks.check(config)
