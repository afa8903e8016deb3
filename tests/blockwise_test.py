"""The contrastive loss in blocks of rows, against the whole matrix.

In float64, but for features at the ends of what float32 holds.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from eqlandmarks import _blockwise
from eqlandmarks import losses

pytestmark = pytest.mark.x64


def _pairs(count, depth=16, seed=0):
  rng = np.random.default_rng(seed)
  f, g = rng.normal(size=(2, count, depth))
  return jnp.asarray(f), jnp.asarray(g), jnp.asarray(rng.random(count) > 0.2)


def _loss(block_size, f, g, valid, **kwargs):
  return losses.contrastive(
      f, g, valid=valid, block_size=block_size, **kwargs
  )


def _value_and_grad(block_size):
  return jax.value_and_grad(
      functools.partial(_loss, block_size), argnums=(0, 1)
  )


# Of 2 x 50 rows: one at a time, blocks that divide them, that do not, that are
# one more than they are.
@pytest.mark.parametrize('block_size', [1, 20, 32, 101])
@pytest.mark.parametrize('jitted', [False, True])
def test_blocks_change_neither_the_loss_nor_its_gradient(block_size, jitted):
  arrays = _pairs(50)
  wrap = jax.jit if jitted else lambda f: f
  value, gradients = wrap(_value_and_grad(block_size))(*arrays)
  expected, expected_gradients = _value_and_grad(0)(*arrays)
  np.testing.assert_allclose(value, expected, rtol=1e-9)
  for found, right in zip(gradients, expected_gradients, strict=True):
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-11)


def test_log_sum_exp_is_scipys():
  rng = np.random.default_rng(3)
  rows, columns = rng.normal(size=(7, 4)), rng.normal(size=(9, 4))
  usable = np.arange(9) != 2
  skip = np.array([0, 1, 2, 3, 8, 9, -1])  # the last two skip none
  logits = rows @ columns.T / 0.5
  logits[:, ~usable] = -np.inf
  logits[np.arange(5), skip[:5]] = -np.inf
  found = _blockwise.logsumexp_similarities(
      jnp.asarray(rows),
      jnp.asarray(columns),
      temperature=0.5,
      usable=jnp.asarray(usable),
      skip=jnp.asarray(skip),
      block_size=3,
  )
  np.testing.assert_allclose(
      found, scipy.special.logsumexp(logits, axis=1), rtol=1e-9
  )


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [('float64', 1e-9), ('float32', 1e-3)]
)
@pytest.mark.parametrize(
    'change',
    [
        lambda f, g, v: (f, g, jnp.zeros_like(v)),  # no pair is valid
        lambda f, g, v: (f, g, v.at[1:].set(False)),  # one is: no negative
        lambda f, g, v: (0.0 * f, g, v),
        lambda f, g, v: (jnp.ones_like(f), jnp.ones_like(g), v),
        lambda f, g, v: (1e30 * f, 1e-30 * g, v),
    ],
)
def test_degenerate_features_are_as_in_the_whole_matrix(
    change, dtype, tolerance
):
  f, g, valid = _pairs(12)
  arrays = change(f.astype(dtype), g.astype(dtype), valid)
  value, gradients = _value_and_grad(5)(*arrays)
  expected, expected_gradients = _value_and_grad(0)(*arrays)
  np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
  for found, right in zip(gradients, expected_gradients, strict=True):
    assert found.dtype == dtype
    assert np.isfinite(found).all()
    # Of terms near 1 that take each other away, rounding is left.
    scale = max(float(jnp.abs(right).max()), 1.0)
    np.testing.assert_allclose(
        found / scale, right / scale, atol=tolerance
    )


def test_mapped_over_devices_and_masked_the_blocks_are_the_whole():
  f, g, valid = _pairs(64)
  expected, (of_f, of_g) = _value_and_grad(0)(f, g, valid)

  def share(*arrays):
    loss = functools.partial(_loss, 3, axis_name='i')
    value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(*arrays)
    return jax.lax.psum(value, 'i'), gradients

  split = lambda a: a.reshape(8, 8, *a.shape[1:])
  value, gradients = jax.pmap(share, axis_name='i')(
      split(f), split(g), split(valid)
  )
  np.testing.assert_allclose(value, np.full(8, expected), rtol=1e-9)
  np.testing.assert_allclose(gradients[0].reshape(64, -1), of_f, atol=1e-9)
  np.testing.assert_allclose(gradients[1].reshape(64, -1), of_g, atol=1e-9)


def test_vmap_is_a_loop():
  f, g, valid = _pairs(30)
  batch = [a.reshape(3, 10, *a.shape[1:]) for a in (f, g, valid)]
  value, gradients = jax.vmap(_value_and_grad(4))(*batch)
  for index in range(3):
    one, one_gradients = _value_and_grad(4)(*(a[index] for a in batch))
    np.testing.assert_allclose(value[index], one, rtol=1e-9)
    np.testing.assert_allclose(
        gradients[1][index], one_gradients[1], atol=1e-9
    )


def test_many_pairs_are_taken_in_blocks_without_being_asked():
  # The compiler says what it will hold; the similarities would be 1 TiB.
  count = 2**18
  shapes = [
      jax.ShapeDtypeStruct((count, 8), jnp.float32),
      jax.ShapeDtypeStruct((count, 8), jnp.float32),
      jax.ShapeDtypeStruct((count,), jnp.bool_),
  ]
  compiled = jax.jit(_value_and_grad(None)).lower(*shapes).compile()
  held = compiled.memory_analysis().temp_size_in_bytes
  assert held < 512 * 2**20


def test_few_pairs_have_a_second_derivative():
  f, g, valid = _pairs(4, depth=3)
  hessian = jax.hessian(functools.partial(_loss, None))(f, g, valid)
  assert np.isfinite(hessian).all()


def test_a_negative_block_size_is_named():
  with pytest.raises(ValueError, match='block_size must be 0 or more'):
    _loss(-1, *_pairs(4))


@pytest.mark.parametrize(
    ('backend', 'rows', 'columns', 'size'),
    [
        ('cpu', 1024, 1024, 0),  # all similarities are held
        ('gpu', 1024, 1024, 0),
        ('cpu', 4096, 4096, 512),
        ('gpu', 4096, 4096, 4096),  # 2^24 similarities: one block
        ('cpu', 65_536, 65_536, 128),
        ('gpu', 65_536, 65_536, 256),
    ],
)
def test_the_blocks_size_by_hand(monkeypatch, backend, rows, columns, size):
  monkeypatch.setattr(jax, 'default_backend', lambda: backend)
  assert _blockwise._choose(rows, columns) == size


def test_without_a_column_there_is_no_gradient():
  rows, columns = jax.random.normal(jax.random.key(0), (2, 4, 3))

  def total(rows, columns, block_size):
    return jnp.sum(
        _blockwise.logsumexp_similarities(
            rows, columns, temperature=0.1, usable=jnp.zeros(4, bool),
            skip=jnp.arange(4), block_size=block_size,
        )
    )  # fmt: skip

  for block_size in (0, 2):
    gradients = jax.grad(total, argnums=(0, 1))(rows, columns, block_size)
    np.testing.assert_array_equal(gradients, np.zeros((2, 4, 3)))
