"""Each form of a convolution against sums written out in NumPy."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import _convolutions

# The forms are the same in float64, where the order of a sum does not show.
pytestmark = pytest.mark.x64

# N, H, W, C, D and the kernel's side. On a CPU: 2 and 4 columns at once, as
# many as divide the width, plain ones, and matrix products.
SHAPES = {
    'two columns': (2, 6, 8, 16, 16, 3),
    'four columns': (2, 6, 8, 3, 16, 3),
    'eight to eight': (2, 4, 12, 8, 8, 3),
    'a width of two': (2, 5, 6, 8, 8, 3),
    'an odd width': (3, 7, 5, 3, 8, 3),
    'wide kernel': (2, 8, 8, 4, 6, 5),
    'many channels': (2, 4, 6, 33, 9, 3),
    'each pixel alone': (2, 6, 4, 7, 5, 1),
}


def _arrays(shape):
  images, height, width, channels, outputs, side = shape
  rng = np.random.default_rng(0)
  x = rng.normal(size=(images, height, width, channels))
  kernel = rng.normal(size=(side, side, channels, outputs))
  upper = rng.normal(size=(images, height, width, outputs))
  return x, kernel, upper


def _by_hand(x, kernel, upper):
  """Output, and gradients of (output * upper).sum(), tap by tap."""
  side = len(kernel)
  edge = side // 2
  height, width = x.shape[1:3]
  around = ((0, 0), (edge, edge), (edge, edge), (0, 0))
  padded = np.pad(x, around)
  y, of_x = np.zeros(upper.shape), np.zeros(padded.shape)
  of_kernel = np.zeros(kernel.shape)
  for i in range(side):
    for j in range(side):
      seen = np.s_[:, i : i + height, j : j + width]
      y += np.einsum('nhwc,cd->nhwd', padded[seen], kernel[i, j])
      of_x[seen] += np.einsum('nhwd,cd->nhwc', upper, kernel[i, j])
      of_kernel[i, j] = np.einsum('nhwc,nhwd->cd', padded[seen], upper)
  inside = np.s_[:, edge : edge + height, edge : edge + width]
  return y, of_x[inside], of_kernel


def _ours(x, kernel, upper):
  y, backward = jax.vjp(_convolutions.convolve, x, kernel)
  return y, *backward(upper)


@pytest.mark.parametrize('name', SHAPES)
@pytest.mark.parametrize('jit', [False, True])
def test_output_and_gradients_are_the_sums(name, jit):
  arrays = _arrays(SHAPES[name])
  ours = jax.jit(_ours) if jit else _ours
  found = ours(*map(jnp.asarray, arrays))
  for array, expected in zip(found, _by_hand(*arrays), strict=True):
    np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', SHAPES)
def test_in_float32_they_are_the_sums_but_for_rounding(name):
  arrays = _arrays(SHAPES[name])
  found = _ours(*(jnp.asarray(array, jnp.float32) for array in arrays))
  for array, expected in zip(found, _by_hand(*arrays), strict=True):
    assert array.dtype == jnp.float32
    np.testing.assert_allclose(array, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize('side', [3, 5])
@pytest.mark.parametrize('strip', [1, 100, 700])
def test_the_kernels_gradient_is_the_sum_of_strips(monkeypatch, side, strip):
  """Of one row each, of uneven ones, and of few."""
  monkeypatch.setattr(_convolutions, '_STRIP', strip)
  arrays = _arrays((2, 11, 8, 5, 4, side))
  found = jax.jit(_ours)(*map(jnp.asarray, arrays))
  np.testing.assert_allclose(
      found[2], _by_hand(*arrays)[2], rtol=1e-9, atol=1e-9
  )


def test_rows_of_more_pixels_than_are_taken_at_once(monkeypatch):
  monkeypatch.setattr(_convolutions, '_PIXELS', 3)
  arrays = _arrays((2, 6, 4, 7, 5, 1))
  found = _ours(*map(jnp.asarray, arrays))
  np.testing.assert_allclose(
      found[2], _by_hand(*arrays)[2], rtol=1e-9, atol=1e-9
  )


def test_no_images_have_no_gradient():
  x, upper = jnp.zeros((0, 4, 4, 2)), jnp.zeros((0, 4, 4, 3))
  for side in (1, 3):
    kernel = jnp.ones((side, side, 2, 3))
    _, of_x, of_kernel = _ours(x, kernel, upper)
    assert of_x.shape == x.shape
    np.testing.assert_array_equal(of_kernel, np.zeros(kernel.shape))


def test_vmap_is_a_loop():
  x, kernel, upper = map(jnp.asarray, _arrays((6, 4, 8, 3, 16, 3)))
  x, upper = x.reshape(3, 2, 4, 8, 3), upper.reshape(3, 2, 4, 8, 16)
  together = jax.vmap(_ours, (0, None, 0))(x, kernel, upper)
  for i in range(3):
    alone = _ours(x[i], kernel, upper[i])
    for one, of_all in zip(alone, together, strict=True):
      np.testing.assert_allclose(of_all[i], one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('shape', [(2, 4, 8, 16, 16, 3), (2, 4, 8, 7, 5, 1)])
def test_half_the_digits_stay_so(shape):
  arrays = [jnp.asarray(a, jnp.bfloat16) for a in _arrays(shape)]
  found = _ours(*arrays)
  assert {array.dtype for array in found} == {jnp.bfloat16.dtype}
  exact = _by_hand(*(np.asarray(array, np.float64) for array in arrays))
  for ours, expected in zip(found, exact, strict=True):
    error = np.abs(np.asarray(ours, np.float64) - expected).max()
    assert error < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
@pytest.mark.parametrize('name', ['two columns', 'each pixel alone'])
def test_accelerators_get_what_jax_would_give_them(platform, name):
  arrays = [jnp.asarray(a, jnp.float32) for a in _arrays(SHAPES[name])]

  def plain(x, kernel, upper):
    y, backward = jax.vjp(
        lambda x, kernel: jax.lax.conv_general_dilated(
            x, kernel, (1, 1), 'SAME',
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        ), x, kernel,
    )  # fmt: skip
    return y, *backward(upper)

  found, expected = (_operations(f, arrays, platform) for f in (_ours, plain))
  assert len(found) >= 4  # three convolutions, and a kernel turned round
  assert found == expected


def test_accelerators_pool_as_jax_would():
  x = jnp.ones((1, 4, 6, 3))
  upper = jnp.ones((1, 2, 3, 3))
  found, expected = (
      _operations(lambda x, u, f=f: jax.vjp(f, x)[1](u), [x, upper], 'cuda')
      for f in (_convolutions.max_pool, _convolutions._pool)
  )
  assert found == expected


def _operations(function, arrays, platform):
  """Kinds and shapes of what a platform's program computes."""
  lowered = jax.jit(function).trace(*arrays).lower(
      lowering_platforms=(platform,)
  )  # fmt: skip
  lines = re.findall(r'stablehlo\.[^\n]*', lowered.as_text())
  frame = ('stablehlo.case', 'stablehlo.constant', 'stablehlo.return')
  return {
      re.sub(r'%\w+(#\d)?', '', line)
      for line in lines
      if not line.startswith(frame)
  }


def test_pixels_that_share_the_maximum_share_its_gradient():
  x = jnp.asarray([
      [1.0, 1.0, 5.0, 4.0, 9.0],
      [0.0, 1.0, 2.0, 3.0, 9.0],
      [9.0, 9.0, 9.0, 9.0, 9.0],
  ])[None, :, :, None]
  pooled, backward = jax.vjp(_convolutions.max_pool, x)
  np.testing.assert_array_equal(pooled[0, :, :, 0], [[1, 5]])
  # Rows first, then the pixels of a row; the odd row and column are left out.
  (gradient,) = backward(jnp.asarray([4.0, 2.0]).reshape(1, 1, 2, 1))
  np.testing.assert_array_equal(
      gradient[0, :, :, 0],
      [[1, 1, 2, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0]],
  )
  by_jax = jax.vjp(_convolutions._pool, x)[1](
      jnp.asarray([4.0, 2.0]).reshape(1, 1, 2, 1)
  )
  np.testing.assert_array_equal(gradient, by_jax[0])


def test_max_pool_of_any_leading_axes():
  x = jax.random.normal(jax.random.key(0), (2, 3, 4, 6, 5))
  expected = x.reshape(2, 3, 2, 2, 3, 2, 5).max((3, 5))
  np.testing.assert_array_equal(_convolutions.max_pool(x), expected)
  gradient = jax.grad(lambda x: _convolutions.max_pool(x).sum())(x)
  assert float(gradient.sum()) == expected.size
  np.testing.assert_array_equal(
      gradient != 0, np.isin(np.asarray(x), np.asarray(expected))
  )
