"""What does not count may hold anything, in every function that takes a mask.

The value is that of clean rows, and so is each gradient, which is zero in what
does not count: zero times NaN is NaN, and one such number ends a training.
"""

import functools
import inspect
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import _blockwise
from eqlandmarks import compared_losses
from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import metrics
from eqlandmarks import regression
from eqlandmarks import warps
from eqlandmarks.training.objectives import contrastive

_MODULES = (
    _blockwise, compared_losses, geometry, heatmaps, losses, metrics,
    regression, warps,
)  # fmt: skip
_MASKS = {'valid', 'mask', 'usable', 'where'}
_ROWS = 6
_WILD = (np.nan, np.inf, -np.inf, 1e30)


def _contrastive(valid, *features, **options):
  return losses.contrastive(*features, valid=valid, **options)


def _contrastive_of_devices(valid, *features):
  """Two devices, half of the pairs on each."""
  share = functools.partial(_contrastive, axis_name='i')
  split = lambda x: x.reshape(2, -1, *x.shape[1:])
  return jax.vmap(share, axis_name='i')(*map(split, (valid, *features))).sum()


def _contrastive_of_images(valid, *features, negatives='image'):
  """Two images of a batch, as stage 1 takes them."""
  stage = _Stage(negatives)
  split = lambda x: x.reshape(1, 2, -1, *x.shape[1:])
  loss = lambda f, g, v: contrastive.contrast(f, g, v, stage, 'i')
  f, g, v = map(split, (*features, valid))
  return jax.vmap(loss, axis_name='i')(f, g, v).sum()


class _Stage(typing.NamedTuple):
  negatives: str
  temperature: float = 0.1


def _equivariance_of_images(valid, *points):
  """Two images of three landmarks each."""
  split = lambda x: x.reshape(2, -1, *x.shape[1:])
  points = map(split, points)
  return losses.equivariance(*points, valid=split(valid)).sum()


def _similarities(valid, columns, *, block_size):
  """Wild columns that no row is compared with."""
  rows = jnp.asarray(np.random.default_rng(3).normal(size=(4, 3)))
  return _blockwise.logsumexp_similarities(
      rows.astype(columns.dtype), columns, temperature=0.5, usable=valid,
      skip=jnp.array([0, 1, 2, -1]), block_size=block_size,
  ).sum()  # fmt: skip


def _alignment(valid, *maps):
  """Heatmaps of 3 x 1 pixels, a landmark a row."""
  warped = jnp.array([[[2.0, 1.0]], [[0.0, 5.0]], [[1.0, 1.0]]])
  maps = (x.T[:, None] for x in maps)
  return compared_losses.alignment(*maps, warped, valid=valid)


def _matching(valid, features, targets, *, exchanged=False):
  """Places that are looked for, and found at one of four others."""
  rng = np.random.default_rng(3)
  others, through = jnp.asarray(rng.normal(size=(2, 4, 3)))
  places = jnp.asarray(rng.uniform(0, 9, (4, 2)))
  return compared_losses.matching(
      features, others.astype(features.dtype), targets[:, :2],
      places.astype(features.dtype), valid=valid, temperature=0.5,
      through=through.astype(features.dtype) if exchanged else None,
  )  # fmt: skip


# Name -> the function of a mask [N] and of arrays [N, D], and how many.
_CASES = {
    'contrastive': (_contrastive, 2),
    'contrastive in blocks': (
        functools.partial(_contrastive, block_size=4), 2
    ),
    'contrastive of devices': (_contrastive_of_devices, 2),
    'contrastive of each image': (_contrastive_of_images, 2),
    'contrastive of a batch': (
        functools.partial(_contrastive_of_images, negatives='batch'), 2
    ),
    'equivariance': (
        lambda valid, *points: losses.equivariance(
            *(x[:, :2] for x in points), valid=valid
        ), 2,
    ),
    'equivariance of images': (
        lambda valid, *points: _equivariance_of_images(
            valid, *(x[:, :2] for x in points)
        ), 2,
    ),
    'alignment': (_alignment, 2),
    'matching': (_matching, 2),
    'matching with exchange': (
        functools.partial(_matching, exchanged=True), 2
    ),
    'similarities': (functools.partial(_similarities, block_size=0), 1),
    'similarities in blocks': (
        functools.partial(_similarities, block_size=3), 1
    ),
}  # fmt: skip


def test_every_function_that_takes_a_mask_is_here():
  taken = {
      name
      for module in _MODULES
      for name in module.__all__
      if callable(getattr(module, name))
      and _MASKS & {*inspect.signature(getattr(module, name)).parameters}
  }
  assert taken == {
      'alignment', 'contrastive', 'equivariance', 'logsumexp_similarities',
      'matching',
  }  # fmt: skip


def _arrays(count, dtype=np.float32):
  rng = np.random.default_rng(0)
  return [rng.normal(size=(_ROWS, 3)).astype(dtype) for _ in range(count)]


def _wild(arrays, valid):
  """The arrays with something else in each row that does not count."""
  wild = [np.array(array) for array in arrays]
  for number, array in enumerate(wild):
    for row in np.flatnonzero(~valid):
      array[row] = _WILD[(row + number) % len(_WILD)]
  return wild


def _value_and_gradients(name, valid, arrays):
  function, count = _CASES[name]
  return jax.value_and_grad(function, argnums=tuple(range(1, 1 + count)))(
      jnp.asarray(valid), *map(jnp.asarray, arrays)
  )


_VALID = {
    'some': np.array([True, False, True, True, False, False]),
    'one': np.arange(_ROWS) == 2,
    'none': np.zeros(_ROWS, bool),
}


@pytest.mark.parametrize('jitted', [False, True])
@pytest.mark.parametrize('valid', _VALID.values(), ids=_VALID)
@pytest.mark.parametrize('name', _CASES)
def test_wild_rows_are_as_good_as_clean_ones(name, valid, jitted):
  arrays = _arrays(_CASES[name][1])
  clean = [np.where(valid[:, None], array, 0.0) for array in arrays]
  function = functools.partial(_value_and_gradients, name)
  function = jax.jit(function) if jitted else function
  value, gradients = function(valid, _wild(arrays, valid))
  expected, expected_gradients = function(valid, clean)
  assert np.isfinite(value)
  assert value == expected
  for found, right in zip(gradients, expected_gradients, strict=True):
    np.testing.assert_array_equal(found, right)
    np.testing.assert_array_equal(found[~valid], 0.0)
  if not valid.any() and 'similarities' not in name:
    assert value == 0.0


@pytest.mark.x64
@pytest.mark.parametrize('name', _CASES)
def test_jit_is_eager_and_vmap_a_loop(name):
  masks = np.stack([*_VALID.values(), ~_VALID['some']])
  arrays = _arrays(_CASES[name][1], np.float64)
  wild = [
      np.stack(parts)
      for parts in zip(*(_wild(arrays, mask) for mask in masks), strict=True)
  ]
  function = functools.partial(_value_and_gradients, name)
  together = jax.jit(jax.vmap(function))(masks, wild)
  for index, mask in enumerate(masks):
    alone = function(mask, [array[index] for array in wild])
    jax.tree.map(
        lambda a, b, index=index: np.testing.assert_allclose(
            a[index], b, rtol=1e-9, atol=1e-9
        ),
        together,
        alone,
    )


@pytest.mark.parametrize('block_size', [0, 4])
def test_the_temperature_has_the_gradient_of_clean_rows(block_size):
  valid, arrays = _VALID['some'], _arrays(2)

  def of_temperature(arrays, valid):
    return jax.grad(
        lambda temperature: losses.contrastive(
            *map(jnp.asarray, arrays), valid=jnp.asarray(valid),
            temperature=temperature, block_size=block_size,
        )
    )(0.1)  # fmt: skip

  clean = [np.where(valid[:, None], array, 0.0) for array in arrays]
  found = of_temperature(_wild(arrays, valid), valid)
  assert np.isfinite(found)
  assert found == of_temperature(clean, valid)
  nothing = of_temperature(_wild(arrays, _VALID['none']), _VALID['none'])
  assert nothing == 0.0


def test_a_valid_row_that_is_not_finite_is_not_hidden():
  # It is a fault of the net, and the guard of the training must see it.
  f, g = map(jnp.asarray, _arrays(2))
  for valid in (None, jnp.ones(_ROWS, bool)):
    assert np.isnan(losses.contrastive(f.at[1].set(jnp.nan), g, valid=valid))


# Functions without a mask take NaN as what is missing.


def test_features_at_points_that_are_missing_have_no_part_in_the_gradient():
  rng = np.random.default_rng(0)
  image = jnp.asarray(rng.normal(size=(5, 6, 3)))
  points = jnp.asarray(rng.uniform(0, 5, (_ROWS, 2)))
  valid = jnp.asarray(_VALID['some'])[:, None]

  def total(image, points):
    sampled = geometry.sample(image, points)
    return jnp.sum(jnp.where(valid, sampled, 0.0) ** 2)

  grad = jax.value_and_grad(total, argnums=(0, 1))
  value, gradients = grad(image, jnp.where(valid, points, jnp.nan))
  expected, expected_gradients = grad(image, jnp.where(valid, points, 0.0))
  assert value == expected
  jax.tree.map(np.testing.assert_array_equal, gradients, expected_gradients)
  assert np.isnan(geometry.sample(image, jnp.full((1, 2), jnp.nan))).all()


def test_distances_of_missing_and_of_equal_points_have_a_gradient_of_zero():
  predicted = jnp.array([[3.0, 4.0], [1.0, 1.0], [2.0, 2.0], [5.0, 1.0]])
  true = jnp.array([[0.0, 0.0], [1.0, 1.0], [jnp.nan, 2.0], [1.0, jnp.nan]])
  total = lambda a, b: metrics.Mean.of(metrics.distances(a, b)).total
  value, gradients = jax.value_and_grad(total, argnums=(0, 1))(predicted, true)
  assert value == 5.0
  expected = np.array([[0.6, 0.8], [0, 0], [0, 0], [0, 0]])
  np.testing.assert_allclose(gradients[0], expected, rtol=1e-5)
  np.testing.assert_allclose(gradients[1], -expected, rtol=1e-5)


def test_images_without_eyes_have_no_part_in_the_inter_ocular_error():
  points = jnp.array([
      [[0.0, 0.0], [0.0, 10.0]],
      [[2.0, 2.0], [2.0, 2.0]],  # they coincide
      [[jnp.nan, 2.0], [2.0, 2.0]],
  ])
  errors = jnp.array([[1.0, jnp.nan], [9.0, jnp.inf], [jnp.nan, 9.0]])
  total = lambda e, p: metrics.inter_ocular(e, p, (0, 1)).total
  value, (of_errors, of_points) = jax.value_and_grad(total, argnums=(0, 1))(
      errors, points
  )
  np.testing.assert_allclose(value, 0.1)
  np.testing.assert_allclose(of_errors, [[0.1, 0], [0, 0], [0, 0]])
  expected = np.zeros((3, 2, 2))
  expected[0] = [[0, 0.01], [0, -0.01]]  # of 1 / (b - a)
  np.testing.assert_allclose(of_points, expected, rtol=1e-5)


def test_missing_points_may_hold_anything_beside_the_nan():
  rng = np.random.default_rng(0)
  landmarks = rng.uniform(0, 64, (8, 3, 2))
  points = rng.uniform(0, 64, (8, 2, 2))
  points[2, 1] = np.nan
  fit = functools.partial(regression.fit, landmarks, image_size=64)
  expected = fit(points).predict(landmarks)
  for other in (np.inf, 1e300, 0.0):
    points[2, 1, 0] = other
    np.testing.assert_array_equal(fit(points).predict(landmarks), expected)
