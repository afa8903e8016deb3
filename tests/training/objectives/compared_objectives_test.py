"""Stage 2 by other methods' terms: units, both views, and weights of 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import compared_losses
from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import protocols
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import fse
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.objectives import lmdis
from eqlandmarks.training.pairs import base as pairs

_MODULES = {'fse': fse, 'landmarks': landmarks, 'lmdis': lmdis}


class _Nets:
  """Nets whose heatmaps are given, of both views together."""

  def __init__(self, logits):
    self._logits = logits

  def apply(self, name, variables, inputs):
    del variables
    if name == models.FEATURES:
      return inputs, {}
    return {'heatmaps': self._logits}, {}

  def share(self, num_images):
    return 1.0 / num_images


def _loss(name, logits, section=None, g=None):
  """The loss of logits `[2, S, S, K]`; by default, g is the identity."""
  module, side = _MODULES[name], logits.shape[1]
  x = jnp.zeros((1, side, side, 3))
  views = pairs.Views(x, x, jax.vmap(lambda _: g or warps.identity())(x[:, 0]))
  section = section or module.section()
  return module.loss({}, views, None, section, _Nets(logits))


def _logits(side=16, count=5):
  return np.random.default_rng(0).normal(0, 4, (2, side, side, count))


def _peaks(side, *pixels):
  """Logits of single pixels, one `(row, column)` a landmark and view."""
  logits = np.full((2, side, side, len(pixels[0])), -1e4)
  for view, each in enumerate(pixels):
    for k, (row, column) in enumerate(each):
      logits[view, row, column, k] = 0.0
  return jnp.asarray(logits)


@pytest.mark.x64
def test_alignment_is_in_squared_pixels_of_128():
  # (3, 4) apart at 32 pixels: 25 * 4^2.
  terms = _loss('fse', _peaks(32, [(10, 7)], [(13, 11)])).terms
  np.testing.assert_allclose(terms['alignment'], 25 * 16, rtol=1e-9)
  np.testing.assert_allclose(terms['variance'], 0.0, atol=1e-9)


@pytest.mark.x64
def test_alignment_moves_all_pixels_with_the_view():
  # A shift of (3, 4) pixels, which the other view's heatmap has followed.
  g = warps.affine((32, 32), translation=(3.0, 4.0))
  terms = _loss('fse', _peaks(32, [(10, 7)], [(13, 11)]), g=g).terms
  np.testing.assert_allclose(terms['alignment'], 0.0, atol=1e-9)


@pytest.mark.x64
def test_diversity_of_fse_is_the_mean_of_both_views():
  # One view's two landmarks coincide (1), the other's are far apart (0).
  logits = _peaks(32, [(10, 7), (10, 7)], [(10, 7), (28, 28)])
  np.testing.assert_allclose(_loss('fse', logits).terms['diversity'], 0.5)
  # Patches are 2 of 32 pixels: one apart, half of a line's windows hold both.
  logits = _peaks(32, *2 * [[(10, 7), (10, 8)]])
  np.testing.assert_allclose(_loss('fse', logits).terms['diversity'], 0.5)


@pytest.mark.x64
def test_lmdis_terms_by_hand():
  # b = 0.04 of 100 pixels is 4: a pair 4 apart in one view, far in the other;
  # K = 2 landmarks, and the mean of both views: exp(-1/2) / 2.
  logits = _peaks(100, [(10, 7), (10, 11)], [(10, 7), (80, 80)])
  terms = _loss('lmdis', logits).terms
  np.testing.assert_allclose(terms['separation'], np.exp(-0.5) / 2, rtol=1e-9)
  np.testing.assert_allclose(terms['concentration'], 0.0, atol=1e-9)


@pytest.mark.x64
@pytest.mark.parametrize('name', ['fse', 'lmdis'])
def test_terms_do_not_depend_on_the_size_of_the_image(name):
  small = _loss(name, jnp.asarray(_logits())).terms
  large = _logits().repeat(2, 1).repeat(2, 2)
  large = _loss(name, jnp.asarray(large)).terms
  for term in ('equivariance', 'separation', 'diversity'):
    if term in small and (name, term) != ('fse', 'diversity'):
      np.testing.assert_allclose(large[term], small[term], rtol=1e-9)
  # Within a former pixel, 2 * 0.5^2 squared pixels of 32, for each heatmap.
  if name == 'fse':
    added = large['alignment'] - small['alignment']
    np.testing.assert_allclose(added, 2 * 2 * 0.5**2 * 4**2, rtol=1e-9)


@pytest.mark.x64
def test_concentration_is_of_both_views_in_squared_pixels_of_128():
  logits = jnp.asarray(_logits())
  variances = heatmaps.variances(heatmaps.spatial_softmax(logits))
  deviations = np.sqrt(np.asarray(variances)).mean(-1)  # [2, K]
  expected = 2 * np.pi * np.e * np.mean(deviations**2) * (128 / 16) ** 2
  found = _loss('lmdis', logits).terms['concentration']
  np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.x64
@pytest.mark.parametrize('name', ['fse', 'landmarks', 'lmdis'])
def test_a_weight_of_0_is_the_loss_without_the_term(name):
  terms, logits = _MODULES[name].TERMS, jnp.asarray(_logits())

  def value_and_gradient(weights):
    section = _MODULES[name].section()
    section.weights = weights
    return jax.value_and_grad(
        lambda x: _loss(name, x, section).total
    )(logits)

  of_term = {
      term: jax.grad(lambda x, t=term: _loss(name, x).terms[t])(logits)
      for term in terms
  }
  values = _loss(name, logits).terms
  for left_out in terms:
    weights = {term: 2.0 + (term == 'variance') for term in terms}
    weights[left_out] = 0.0
    value, gradient = value_and_gradient(weights)
    np.testing.assert_allclose(
        value, sum(w * values[t] for t, w in weights.items()), rtol=1e-9
    )
    np.testing.assert_allclose(
        gradient, sum(w * of_term[t] for t, w in weights.items() if w),
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip
  value, gradient = value_and_gradient(dict.fromkeys(terms, 0.0))
  assert value == 0.0
  np.testing.assert_array_equal(gradient, 0.0)


def test_a_term_of_weight_0_takes_no_part_even_where_it_is_not_finite():
  weights = {'good': 2.0, 'bad': 0.0}
  terms = lambda x: {'good': x**2, 'bad': jnp.sqrt(x - 3.0)}
  total = lambda x: objectives.weighted_sum(terms(x), weights)
  value, gradient = jax.value_and_grad(total)(3.0)  # the root's slope: inf
  assert (value, gradient) == (18.0, 12.0)
  assert total(0.0) == 0.0  # the root of -3: NaN


@pytest.mark.parametrize('name', ['fse', 'lmdis'])
def test_gradients_are_finite_where_all_is_in_one_pixel(name):
  for logits in (
      _peaks(16, *2 * [3 * [(4, 4)]]).astype(jnp.float32),
      jnp.zeros((2, 16, 16, 3)),
  ):
    loss, gradient = jax.value_and_grad(
        lambda x: _loss(name, x).total
    )(logits)  # fmt: skip
    assert np.isfinite(loss) and np.isfinite(gradient).all()


@pytest.mark.parametrize('name', ['fse', 'lmdis'])
def test_fields_rules_and_signs(name):
  config = signer.get_config('tiny')
  objectives.use(config.discover, name)
  config_checks.check(config)
  # Defaults of the objective before stay behind.
  own = _MODULES[name].section()
  assert config.discover.weights.to_dict() == own.weights.to_dict()
  collapsed = objectives.load(name).collapsed
  assert collapsed(config, config.discover, {'diversity': 8.9})
  config.discover.weights.diversity = -1.0
  with pytest.raises(errors.UserError, match=r'diversity is -1.0, expe'):
    config_checks.check(config)


def test_a_changed_weight_stays():
  config = signer.get_config('tiny')
  config.discover.weights.diversity = 7.0
  objectives.use(config.discover, 'fse')
  assert config.discover.weights.to_dict() == {
      'alignment': 1.0, 'diversity': 7.0, 'variance': 0.0
  }
  objectives.use(config.discover, 'landmarks')
  assert config.discover.weights.to_dict() == {
      **landmarks.section().weights, 'diversity': 7.0
  }


def test_the_protocol_names_what_was_minimised():
  section = {'objective': 'lmdis', 'weights': lmdis.section().weights}
  assert protocols._objective(section) == (
      'equivariance + separation + concentration'
  )


def test_the_published_weights_are_kept():
  # 1 for squared cells and 500 for the sum of both images' diversity, all of it
  # by 4. At 64 pixels, a pixel is a cell.
  first, other = (
      heatmaps.spatial_softmax(jnp.asarray(x, jnp.float32))
      for x in _logits(64, 3)
  )
  in_cells = compared_losses.alignment(
      first, other, geometry.pixel_centres((64, 64))
  )
  pooled = [
      compared_losses.sliding_diversity(p, patch=4) for p in (first, other)
  ]
  published = in_cells + 500 * sum(pooled)
  ours = _loss('fse', jnp.asarray(_logits(64, 3), jnp.float32)).total
  np.testing.assert_allclose(ours, 4 * published, rtol=1e-4)
