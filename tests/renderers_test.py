"""The renderer: what it is made of, and what reaches what it draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import models
from eqlandmarks import renderers

# Convolutions at full size and below, (inputs, outputs) of K = 50 landmarks.
_AT_64 = [
    (3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64),
    (64 + 50, 64), (64, 64), (64, 32), (32, 32), (32, 16),
]  # fmt: skip
_AT_128 = [
    (3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 128),
    (128, 128), (128 + 50, 128), (128, 128), (128, 64), (64, 64), (64, 32),
    (32, 32), (32, 32),
]  # fmt: skip


@pytest.mark.parametrize(
    ('variant', 'layers', 'number'),
    [('', _AT_64, 207_939), ('best128', _AT_128, 1_084_675)],
)
def test_parameter_counts_by_hand(variant, layers, number):
  nets = models.make_nets(signer.get_config(variant))
  variables = jax.eval_shape(
      lambda: nets.init(jax.random.key(0), ['renderer'])['renderer']
  )
  # Normalised, each output has a scale and a bias; the last ones have a bias.
  width = layers[-1][1]
  expected = sum(9 * a * b + 2 * b for a, b in layers) + 9 * width * 3 + 3
  found = sum(leaf.size for leaf in jax.tree.leaves(variables))
  assert found == expected == number


@pytest.mark.parametrize(
    ('size', 'number'),
    [(32, 1), (48, 2), (64, 2), (96, 3), (100, 3), (128, 3), (256, 4)],
)
def test_sizes_are_halved_down_to_about_16_cells(size, number):
  assert renderers.halvings(size) == number


def test_variables_of_the_other_nets_are_what_they_were():
  nets = models.make_nets(signer.get_config('tiny'))
  both = nets.init(jax.random.key(0))
  more = nets.init(jax.random.key(0), ['renderer', 'landmarks', 'features'])
  assert both.keys() == {'features', 'landmarks'}
  for name in both:
    jax.tree.map(np.testing.assert_array_equal, both[name], more[name])


def _renderer(**fields):
  net = renderers.Renderer(width=4, halvings=2, **fields)
  images = jax.random.uniform(jax.random.key(0), (2, 16, 24, 3))
  maps = jax.random.uniform(jax.random.key(1), (2, 4, 6, 5))
  return net, images, maps, jax.jit(net.init)(
      jax.random.key(2), images, maps
  )


@pytest.mark.parametrize('norm', models.NORMS)
def test_it_starts_with_a_grey_image(norm):
  net, images, maps, variables = _renderer(norm=norm)
  drawn = jax.jit(net.apply)(variables, images, maps)
  assert drawn.shape == images.shape
  np.testing.assert_allclose(drawn.mean((1, 2)), 0.5, atol=0.1)


def test_bfloat16_inside_and_float32_outside():
  net, images, maps, variables = _renderer(dtype=jnp.bfloat16)
  assert jax.jit(net.apply)(variables, images, maps).dtype == jnp.float32


def test_batch_statistics_of_training():
  net, images, maps, variables = _renderer(norm='batch')
  _, stats = models.apply_trained(net, variables, images, maps)
  changed = jax.tree.map(
      lambda a, b: np.abs(a - b).max(), stats, variables['batch_stats']
  )
  assert min(jax.tree.leaves(changed)) > 0


def test_what_does_not_halve_or_fit_is_refused():
  net, images, maps, variables = _renderer()
  with pytest.raises(ValueError, match='16 x 22, expected multiples of 4'):
    net.apply(variables, images[:, :, :-2], maps)
  with pytest.raises(ValueError, match=r'expected \(2, 4, 6, .K'):
    net.apply(variables, images, maps[:, :3])
