import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqlandmarks import appearance

STRENGTHS = {
    'brightness': 0.2, 'contrast': 0.3, 'saturation': 0.4, 'hue': 0.1,
    'noise': 0.05,
}


def _image():
  return jax.random.uniform(jax.random.key(7), (16, 16, 3))


def test_no_strength_changes_nothing():
  image = _image()
  same = appearance.random_appearance(jax.random.key(0), image)
  np.testing.assert_array_equal(same, image)


@pytest.mark.parametrize('name', STRENGTHS)
def test_each_change_changes_and_stays_in_range(name):
  image = _image()
  changed = appearance.random_appearance(
      jax.random.key(3), image, **{name: STRENGTHS[name]}
  )
  assert float(jnp.abs(changed - image).max()) > 1e-3
  assert float(changed.min()) >= 0.0
  assert float(changed.max()) <= 1.0


def test_brightness_is_one_shift_within_its_bound():
  image = jnp.full((4, 4, 3), 0.5)
  for seed in range(20):
    shift = appearance.random_appearance(
        jax.random.key(seed), image, brightness=0.2
    ) - image
    assert float(jnp.ptp(shift)) < 1e-6
    assert abs(float(shift[0, 0, 0])) <= 0.2


@pytest.mark.x64
def test_same_key_same_image_and_vmap_equals_loop():
  keys = jax.random.split(jax.random.key(1), 3)
  images = jnp.stack([_image()] * 3)
  change = lambda k, i: appearance.random_appearance(k, i, **STRENGTHS)
  batched = jax.jit(jax.vmap(change))(keys, images)
  loop = jnp.stack([change(k, i) for k, i in zip(keys, images, strict=True)])
  np.testing.assert_allclose(batched, loop, atol=1e-9)
  assert not np.allclose(batched[0], batched[1])


def test_gradient_is_finite_on_grey_and_black_images():
  for value in (0.0, 0.5, 1.0):
    image = jnp.full((4, 4, 3), value)
    gradient = jax.grad(
        lambda i: appearance.random_appearance(
            jax.random.key(0), i, **STRENGTHS
        ).sum()
    )(image)
    assert np.isfinite(gradient).all()
