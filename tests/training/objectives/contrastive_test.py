"""What stage 1 computes beyond the loss's own tests."""

import functools

import double
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import signer
from eqlandmarks import geometry
from eqlandmarks import losses
from eqlandmarks import models
from eqlandmarks.training.objectives import contrastive


def _on_one_device(function, *arrays):
  """Runs a function under a mapped axis of one device."""
  mapped = jax.vmap(functools.partial(function, axis_name='i'), axis_name='i')
  return jax.tree.map(
      lambda leaf: leaf[0], mapped(*(array[None] for array in arrays))
  )


def _pairs(images=3, points=5, depth=4):
  rng = np.random.default_rng(0)
  f, g = rng.normal(size=(2, images, points, depth))
  valid = rng.random((images, points)) > 0.3
  return jnp.asarray(f), jnp.asarray(g), jnp.asarray(valid)


@pytest.mark.x64
@pytest.mark.parametrize('negatives', ['batch', 'image'])
def test_negatives_come_from_the_batch_or_the_image(negatives):
  f, g, valid = _pairs()
  stage = ConfigDict({'temperature': 0.1, 'negatives': negatives})
  loss = lambda f, g, v, axis_name: contrastive.contrast(
      f, g, v, stage, axis_name
  )
  found = _on_one_device(loss, f, g, valid)
  if negatives == 'batch':
    flat = lambda a: a.reshape(-1, 4)
    expected = losses.contrastive(flat(f), flat(g), valid=valid.reshape(-1))
  else:
    expected = np.mean([
        losses.contrastive(*pair, valid=v)
        for *pair, v in zip(f, g, valid, strict=True)
    ])
  np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.x64
def test_sampling_the_trunk_equals_sampling_the_features():
  config = signer.get_config('tiny')
  config.dtype = 'float64'
  nets = models.make_nets(config)
  variables = double.of(nets.init(jax.random.key(0))['features'])
  images = jax.random.uniform(jax.random.key(1), (1, 32, 32, 3))
  points = jnp.array([[[3.2, 4.7], [16.0, 30.9]]])
  sample = jax.vmap(geometry.sample)
  trunk = nets.features.apply(variables, images, method='trunk')
  late = nets.features.apply(
      variables, sample(trunk, points), method='project'
  )
  early = sample(nets.features.apply(variables, images), points)
  np.testing.assert_allclose(late, early, atol=1e-9)
