"""Properties that hold for any input, searched by Hypothesis.

Derandomized: the same examples each time.
"""

import functools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from eqlandmarks import errors
from eqlandmarks import heatmaps
from eqlandmarks import losses
from eqlandmarks import regression
from eqlandmarks import warps

_SIDE = 64
_SETTINGS = hypothesis.settings(
    max_examples=25, deadline=None, derandomize=True, database=None
)
_UNIT = st.floats(0, 1, width=32)


# Warps. Compiled once for each grid: strengths are arguments.


@functools.partial(jax.jit, static_argnames=('grid',))
def _round_trip(seed, strengths, grid):
  """Largest error of g^-1(g(p)), and smallest Jacobian, over the image."""
  warp = warps.random_warp(
      jax.random.key(seed),
      (_SIDE, _SIDE),
      rotation=strengths[0],
      translation=strengths[1],
      elastic=strengths[2],
      grid=grid,
  )
  line = jnp.linspace(0.0, _SIDE, 33)
  points = jnp.stack(jnp.meshgrid(line, line, indexing='ij'), -1)
  points = points.reshape(-1, 2)
  back = warp.inverse()(warp(points))
  jacobians = jax.vmap(jax.jacfwd(warp))(points)
  errors_px = jnp.linalg.norm(back - points, axis=-1)
  return errors_px.max(), jnp.linalg.det(jacobians).min()


@_SETTINGS
@hypothesis.given(
    seed=st.integers(0, 2**31 - 1),
    grid=st.sampled_from([4, 5, 9]),
    rotation=st.floats(0, 180, width=32),
    translation=_UNIT,
    share=_UNIT,
)
def test_warps_fold_nothing_and_can_be_undone(
    seed, grid, rotation, translation, share
):
  elastic = share * warps.MAX_STEEPNESS / (grid - 3)
  strengths = jnp.array([rotation, translation, elastic], jnp.float32)
  error, jacobian = _round_trip(seed, strengths, grid)
  # 0.1 px at 128 is what warps.py documents.
  assert float(error) <= 0.05
  assert float(jacobian) > 0


@_SETTINGS
@hypothesis.given(
    rotation=st.floats(-720, 720, width=32),
    scale=st.floats(0.125, 8, width=32),
    aspect=st.floats(0.25, 4, width=32),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_affine_maps_can_be_undone(rotation, scale, aspect, shift):
  warp = warps.affine(
      (48, 64), rotation=rotation, scale=scale, aspect=aspect,
      translation=shift,
  )  # fmt: skip
  points = jnp.array([[0.0, 0.0], [48.0, 64.0], [24.0, 32.0], [1.5, 60.0]])
  back = warp.inverse()(warp(points))
  np.testing.assert_allclose(back, points, atol=2e-2)
  determinant = np.linalg.det(warp.parts[0].matrix)
  np.testing.assert_allclose(determinant, scale**2, rtol=1e-3)


# Losses and heatmaps, of inputs at the ends of what nets can give.

_KINDS = ('flat', 'zero', 'one_hot', 'equal', 'huge', 'tiny', 'random')
_DTYPES = st.sampled_from([jnp.float32, jnp.bfloat16])


def _array(kind, shape, seed, dtype):
  """An array [..., C] of a kind."""
  rng = np.random.default_rng(seed)
  values = rng.normal(size=shape)
  if kind in ('flat', 'zero'):
    values = np.full(shape, float(kind == 'flat'))
  elif kind == 'one_hot':
    values = np.zeros(shape)
    values.reshape(-1)[rng.integers(values.size)] = 1.0
  elif kind == 'equal':
    values = np.broadcast_to(values[..., :1], shape)
  elif kind in ('huge', 'tiny'):
    values = values * (1e30 if kind == 'huge' else 1e-30)
  return jnp.asarray(values, dtype)


def _assert_finite(function, *arguments):
  value, gradients = jax.value_and_grad(
      function, argnums=tuple(range(len(arguments)))
  )(*arguments)
  for name, found in (('value', value), ('gradient', gradients)):
    for leaf in jax.tree.leaves(found):
      assert np.isfinite(np.asarray(leaf, np.float64)).all(), name
  return float(value)


@_SETTINGS
@hypothesis.given(
    kinds=st.tuples(st.sampled_from(_KINDS), st.sampled_from(_KINDS)),
    dtype=_DTYPES,
    seed=st.integers(0, 99),
    valid=st.lists(st.booleans(), min_size=6, max_size=6),
    temperature=st.sampled_from([0.01, 0.1, 1.0, 100.0]),
)
def test_contrastive_is_finite(kinds, dtype, seed, valid, temperature):
  first, second = (
      _array(kind, (6, 4), seed + i, dtype) for i, kind in enumerate(kinds)
  )
  loss = functools.partial(
      losses.contrastive, valid=jnp.array(valid), temperature=temperature
  )
  value = _assert_finite(loss, first, second)
  if not any(valid):
    assert value == 0


@_SETTINGS
@hypothesis.given(
    kind=st.sampled_from(_KINDS), dtype=_DTYPES, seed=st.integers(0, 99)
)
def test_what_heatmaps_give_is_finite_and_within_the_image(kind, dtype, seed):
  logits = _array(kind, (8, 10, 3), seed, dtype)
  points = np.asarray(heatmaps.soft_argmax(logits))
  assert points.dtype == np.float32
  assert (points >= 0.5 - 1e-4).all()
  assert (points <= np.array([7.5, 9.5]) + 1e-4).all()
  probabilities = heatmaps.spatial_softmax(logits)
  np.testing.assert_allclose(probabilities.sum((0, 1)), 1, rtol=1e-4)
  spread = np.asarray(heatmaps.spread(probabilities))
  # A share of a half in opposite corners spreads most.
  assert (spread >= -1e-4).all() and (spread <= 3.5**2 + 4.5**2 + 1e-3).all()
  _assert_finite(lambda x: heatmaps.soft_argmax(x).sum(), logits)
  _assert_finite(
      lambda x: heatmaps.spread(heatmaps.spatial_softmax(x)).sum(), logits
  )


@_SETTINGS
@hypothesis.given(
    kind=st.sampled_from(_KINDS),
    dtype=_DTYPES,
    seed=st.integers(0, 99),
    patch=st.integers(1, 12),
)
def test_diversity_is_finite_and_within_its_bounds(kind, dtype, seed, patch):
  logits = _array(kind, (8, 10, 3), seed, dtype)

  def loss(x):
    return losses.diversity(heatmaps.spatial_softmax(x), patch=patch)

  value = _assert_finite(loss, logits)
  assert -1e-4 <= value <= 2 + 1e-4
  if kind == 'equal':
    np.testing.assert_allclose(value, 2, atol=1e-4)


@_SETTINGS
@hypothesis.given(
    # Squares of huge distances would leave float32's range.
    kind=st.sampled_from([kind for kind in _KINDS if kind != 'huge']),
    dtype=_DTYPES,
    seed=st.integers(0, 99),
    valid=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_equivariance_is_finite(kind, dtype, seed, valid):
  first = _array(kind, (5, 2), seed, dtype)
  second = _array('random', (5, 2), seed + 1, dtype)
  mask = jnp.array(valid)
  loss = functools.partial(losses.equivariance, valid=mask)
  value = _assert_finite(loss, first, second)
  # Points that do not count may be anything.
  wild = jnp.where(mask[:, None], first, jnp.asarray(jnp.inf, dtype))
  assert float(loss(wild, second)) == value
  assert _assert_finite(loss, second, second) == 0


@_SETTINGS
@hypothesis.given(
    kind=st.sampled_from(_KINDS), dtype=_DTYPES, seed=st.integers(0, 99)
)
def test_variance_is_finite(kind, dtype, seed):
  _assert_finite(losses.variance, _array(kind, (4,), seed, dtype))


# Regression, of few or degenerate landmarks.


@_SETTINGS
@hypothesis.given(
    count=st.integers(1, 6),
    kind=st.sampled_from(['random', 'equal', 'zero', 'line', 'edge']),
    alpha=st.sampled_from([0.0, 1e-6, 0.1, 1e6]),
    intercept=st.booleans(),
    origin=st.sampled_from(regression.ORIGINS),
    unit=st.sampled_from(regression.UNITS),
    seed=st.integers(0, 99),
)
@pytest.mark.filterwarnings('ignore')  # singular at alpha = 0
def test_regression_of_degenerate_landmarks(
    count, kind, alpha, intercept, origin, unit, seed
):
  rng = np.random.default_rng(seed)
  landmarks = rng.uniform(0, 64, (count, 3, 2))
  if kind == 'equal':
    landmarks[:] = landmarks[:1, :1]
  elif kind in ('zero', 'edge'):
    landmarks[:] = 0.0 if kind == 'zero' else 64.0
  elif kind == 'line':
    landmarks[..., 1] = landmarks[..., 0]
  points = rng.uniform(0, 64, (count, 2, 2))
  points[0, 1] = np.nan
  fitted = functools.partial(
      regression.fit, landmarks, points, image_size=64, alpha=alpha,
      fit_intercept=intercept, origin=origin, unit=unit,
  )  # fmt: skip
  if count == 1:  # no image has the second point
    with pytest.raises(errors.UserError, match='point number 1 is missing'):
      fitted()
  found = fitted(allow_missing=True).predict(landmarks)
  assert found.shape == (count, 2, 2)
  assert np.isfinite(found[:, 0]).all()
  assert np.isfinite(found[:, 1]).all() == (count > 1)
  if count == 1 and intercept:  # the mean of one is the one
    np.testing.assert_allclose(found[0, 0], points[0, 0], atol=1e-6)
