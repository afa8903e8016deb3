"""An image and its warped copy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import warps
from eqlandmarks.training.pairs import warped


@pytest.mark.x64
def test_views_are_the_image_and_its_warp():
  config = signer.get_config('tiny')
  images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
  keys = jax.random.split(jax.random.key(0), 4)
  views = warped.make_views(jnp.asarray(images), keys, config.discover)
  np.testing.assert_allclose(views.x, images / 255.0, rtol=1e-9)
  again = jax.vmap(warps.warp_image)(views.g, views.x)
  np.testing.assert_allclose(views.other, again, atol=1e-9)
  assert float(jnp.abs(views.other - views.x).mean()) > 0.05


@pytest.mark.x64
def test_views_by_the_identity_warp_are_equal():
  config = signer.get_config('tiny')
  config.discover.warp.update(warped.warp_section())
  images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
  views = warped.make_views(
      jnp.asarray(images), jax.random.split(jax.random.key(0), 2),
      config.discover,
  )  # fmt: skip
  np.testing.assert_allclose(views.x, views.other, atol=1e-9)
