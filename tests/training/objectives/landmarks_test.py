"""The landmark objective: free of the image's size."""

import types

import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs


class _Nets:
  """Nets whose heatmaps are given, of both views together."""

  def __init__(self, heatmaps):
    self._heatmaps = heatmaps

  def apply(self, name, variables, inputs):
    del variables
    if name == models.FEATURES:
      return inputs, {}
    return {'heatmaps': self._heatmaps}, {}

  def share(self, num_images):
    return 1.0 / num_images


def _terms(heatmaps):
  """The loss's terms for logits `[2, S, S, K]` and the identity."""
  side = heatmaps.shape[1]
  x = jnp.zeros((1, side, side, 3))
  g = warps.identity()
  loss = landmarks.loss(
      {models.FEATURES: {}, models.LANDMARKS: {}},
      pairs.Views(x, x, g),
      None,
      types.SimpleNamespace(
          patch=0.125,
          weights={'equivariance': 1.0, 'diversity': 2.0, 'variance': 3.0},
      ),
      _Nets(heatmaps),
  )
  expected = sum(
      weight * loss.terms[name]
      for name, weight in zip(landmarks.TERMS, (1, 2, 3), strict=True)
  )
  np.testing.assert_allclose(loss.total, expected, rtol=1e-6)
  return loss.terms


@pytest.mark.x64
def test_terms_do_not_depend_on_the_size_of_the_image():
  logits = np.random.default_rng(0).normal(0, 4, (2, 16, 16, 5))
  small = _terms(jnp.asarray(logits))
  # Each pixel as 2 x 2 of an image of twice the size.
  large = _terms(jnp.asarray(logits.repeat(2, 1).repeat(2, 2)))
  for name in ('equivariance', 'diversity'):
    np.testing.assert_allclose(large[name], small[name], rtol=1e-9)
  # Within a former pixel, probability is spread over centres 0.5 px from its
  # own along both axes: 2 * 0.5^2 squared pixels of 32, 4 px of 128 each.
  np.testing.assert_allclose(
      large['variance'] - small['variance'], 2 * 0.5**2 * 4**2, rtol=1e-9
  )


@pytest.mark.x64
def test_equivariance_is_in_pixels_of_128():
  # One peak, 3 pixels further down in the other view of 32 x 32: 12 of 128.
  heatmaps = np.full((2, 32, 32, 1), -1e4)
  heatmaps[0, 10, 7] = heatmaps[1, 13, 7] = 0.0
  terms = _terms(jnp.asarray(heatmaps))
  np.testing.assert_allclose(terms['equivariance'], 12.0**2, rtol=1e-9)
  np.testing.assert_allclose(terms['variance'], 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ('share', 'side', 'pixels'),
    [(0.0625, 128, 8), (0.1, 100, 10), (0.0625, 32, 2), (0.0625, 8, 1)],
)
def test_a_patch_is_a_share_of_the_side(share, side, pixels):
  assert landmarks.pixels(share, side) == pixels
