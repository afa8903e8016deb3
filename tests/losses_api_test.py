"""The losses in other people's programs: transformations, dtypes, mistakes.

That a transformation changes nothing is tested in float64.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec

from eqlandmarks import losses

_BATCH = 4
_NAMES = ('contrastive', 'equivariance', 'diversity', 'variance')


def _inputs(dtype=jnp.float64):
  """Loss name -> (the loss of a batch's element, arguments `[B, ...]`)."""
  rng = np.random.default_rng(0)
  probabilities = rng.random((_BATCH, 8, 8, 3))
  probabilities /= probabilities.sum((1, 2), keepdims=True)
  given = {
      'contrastive': (losses.contrastive, rng.normal(size=(2, _BATCH, 6, 5))),
      'equivariance': (
          losses.equivariance, 8 * rng.random((2, _BATCH, 3, 2))
      ),
      'diversity': (
          functools.partial(losses.diversity, patch=2), [probabilities]
      ),
      'variance': (losses.variance, [rng.random((_BATCH, 3))]),
  }
  return {
      name: (loss, [jnp.asarray(a, dtype) for a in arrays])
      for name, (loss, arrays) in given.items()
  }


def _values_and_gradient(loss, *arrays):
  """Of each of the batch, and of their sum by the first argument."""

  def total(*arrays):
    values = jax.vmap(loss)(*arrays)
    return values.sum(), values

  gradient, values = jax.grad(total, has_aux=True)(*arrays)
  return values, gradient


def _one_by_one(name, dtype=jnp.float64):
  """The same in float64 with neither vmap nor jit around."""
  loss, arrays = _inputs(dtype)[name]
  arrays = [a.astype(jnp.float64) for a in arrays]
  pairs = [
      jax.value_and_grad(loss)(*(a[n] for a in arrays)) for n in range(_BATCH)
  ]
  return [np.array(part) for part in zip(*pairs, strict=True)]


def _mesh():
  return Mesh(np.array(jax.devices()[:2]), ('i',))


def _assert_same(name, values, gradient):
  expected = _one_by_one(name)
  assert values.dtype == gradient.dtype == jnp.float64
  np.testing.assert_allclose(values, expected[0], rtol=1e-9)
  np.testing.assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-9)


@pytest.mark.x64
@pytest.mark.parametrize('name', _NAMES)
def test_jit_of_vmap_is_the_loss_of_each_and_its_gradient(name):
  loss, arrays = _inputs()[name]
  step = jax.jit(functools.partial(_values_and_gradient, loss))
  _assert_same(name, *step(*arrays))


@pytest.mark.x64
@pytest.mark.parametrize('name', _NAMES)
def test_pmap_is_the_loss_of_each_and_its_gradient(name):
  loss, arrays = _inputs()[name]
  split = [a.reshape(2, _BATCH // 2, *a.shape[1:]) for a in arrays]
  values, gradient = jax.pmap(
      functools.partial(_values_and_gradient, loss), devices=jax.devices()[:2]
  )(*split)
  _assert_same(name, values.reshape(-1), gradient.reshape(arrays[0].shape))


@pytest.mark.x64
@pytest.mark.parametrize('name', _NAMES)
def test_shard_map_is_the_loss_of_each_and_its_gradient(name):
  loss, arrays = _inputs()[name]
  share = PartitionSpec('i')
  step = jax.shard_map(
      functools.partial(_values_and_gradient, loss),
      mesh=_mesh(), in_specs=share, out_specs=share,
  )  # fmt: skip
  _assert_same(name, *jax.jit(step)(*arrays))


@pytest.mark.x64
def test_contrastive_under_shard_map_takes_the_negatives_of_all_devices():
  f, g = (a.reshape(-1, 5) for a in _inputs()['contrastive'][1])

  def share(f, g):
    return losses.contrastive(f, g, axis_name='i')[None]

  shares = jax.shard_map(
      share, mesh=_mesh(), in_specs=PartitionSpec('i'),
      out_specs=PartitionSpec('i'),
  )  # fmt: skip
  value, gradient = jax.jit(
      jax.value_and_grad(lambda f, g: shares(f, g).sum())
  )(f, g)
  whole, expected = jax.value_and_grad(losses.contrastive)(f, g)
  np.testing.assert_allclose(value, whole, rtol=1e-9)
  np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.x64
@pytest.mark.parametrize('name', _NAMES)
def test_bfloat16_is_the_loss_of_the_rounded_arguments(name):
  loss, arrays = _inputs(jnp.bfloat16)[name]
  step = jax.jit(functools.partial(_values_and_gradient, loss))
  values, gradient = step(*arrays)
  expected = _one_by_one(name, jnp.bfloat16)
  assert values.dtype == jnp.float32
  # The difference of two points is taken in their own dtype.
  tolerance = 1e-2 if name == 'equivariance' else 1e-3
  np.testing.assert_allclose(values, expected[0], rtol=tolerance)
  assert gradient.dtype == jnp.bfloat16
  np.testing.assert_allclose(
      gradient.astype(jnp.float32), expected[1], rtol=2e-2, atol=2e-2
  )


_F, _P = jnp.ones((3, 2)), jnp.ones((4, 3, 2))


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda: losses.contrastive(jnp.ones(3), jnp.ones(3)), r'got \(3,\)'),
        (lambda: losses.contrastive(_F.astype(int), _F),
         '^features must be a floating-point array, got int32'),
        (lambda: losses.contrastive(_F, _F > 0),
         'warped_features must be a floating-point array, got bool'),
        (lambda: losses.contrastive([[1.0]], [[1.0]]), 'got list'),
        (lambda: losses.contrastive(_F, _F, valid=jnp.ones(3)),
         'valid must be a boolean array, got float32'),
        (lambda: losses.equivariance(_P[0, 0], _P[0, 0]), r'got \(2,\)'),
        (lambda: losses.equivariance(_P.astype(int), _P), 'got int32'),
        (lambda: losses.equivariance(_P, _P, valid=_P[..., 0]), 'got float32'),
        (lambda: losses.equivariance(_P, _P, valid=_P > 0),
         r'shape \(4, 3\), got \(4, 3, 2\)'),
        (lambda: losses.diversity(_P.astype(int)), 'got int32'),
        (lambda: losses.variance(jnp.float32(1.0)), r'got shape \(\)'),
        (lambda: losses.variance(jnp.ones(3, int)), 'got int32'),
    ],
)
def test_wrong_ranks_and_dtypes_are_named(call, said):
  with pytest.raises(ValueError, match=said):
    call()
