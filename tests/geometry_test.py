import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from eqlandmarks import geometry


def _image(shape=(5, 7, 3), seed=0):
  return jnp.asarray(np.random.default_rng(seed).random(shape), float)


def test_pixel_centres_by_hand():
  centres = geometry.pixel_centres((2, 3))
  assert centres.shape == (2, 3, 2)
  np.testing.assert_array_equal(centres[0, 0], [0.5, 0.5])
  np.testing.assert_array_equal(centres[1, 2], [1.5, 2.5])


@pytest.mark.parametrize('border', geometry.BORDERS)
def test_sampling_at_centres_returns_the_image(border):
  image = _image()
  centres = geometry.pixel_centres((5, 7))
  sampled = geometry.sample(image, centres, border=border)
  np.testing.assert_allclose(sampled, image, atol=1e-6)


@pytest.mark.x64
@pytest.mark.parametrize(
    ('border', 'mode'), [('edge', 'nearest'), ('zeros', 'constant')]
)
def test_sampling_agrees_with_scipy(border, mode):
  # SciPy's convention: the top-left pixel's centre is 0, hence the 0.5. Its
  # 'constant' mode cuts off at the outermost centres, so only inner points.
  image = _image((6, 6, 2))
  low, high = (-3.0, 9.0) if border == 'edge' else (0.5, 5.5)
  points = np.random.default_rng(1).uniform(low, high, (200, 2))
  expected = [
      ndimage.map_coordinates(
          np.asarray(image[..., c]), points.T - 0.5, order=1, mode=mode
      )
      for c in range(2)
  ]
  sampled = geometry.sample(image, jnp.asarray(points), border=border)
  np.testing.assert_allclose(sampled, np.stack(expected, -1), atol=1e-9)


def test_zeros_border_fades_out_over_one_pixel():
  image = jnp.ones((4, 4, 1))
  points = jnp.array([[2.0, 0.5], [2.0, 0.0], [2.0, -0.5], [2.0, -9.0]])
  sampled = geometry.sample(image, points, border='zeros')[:, 0]
  np.testing.assert_allclose(sampled, [1.0, 0.5, 0.0, 0.0])


@pytest.mark.x64
def test_reflect_border_mirrors_about_the_edge():
  image = _image((4, 4, 1))
  inside = geometry.sample(image, jnp.array([[1.3, 0.8]]))
  for point in ([-1.3, 0.8], [1.3, -0.8], [8 - 1.3, 0.8], [1.3, 8.8]):
    mirrored = geometry.sample(image, jnp.array([point]), border='reflect')
    np.testing.assert_allclose(mirrored, inside, atol=1e-9)


@pytest.mark.x64
def test_gradient_is_right_at_pixel_centres_too():
  # On a linear ramp the slope is 1 per row and 2 per column everywhere.
  centres = geometry.pixel_centres((6, 6))
  ramp = (centres @ jnp.array([1.0, 2.0]))[..., None]
  value = lambda p: geometry.sample(ramp, p)[0]
  for point in ([2.5, 2.5], [2.0, 3.0], [2.2, 3.9]):
    np.testing.assert_allclose(
        jax.grad(value)(jnp.array(point)), [1.0, 2.0], atol=1e-9
    )


@pytest.mark.x64
def test_jit_and_vmap_agree_with_eager_and_loop():
  images = jnp.stack([_image(seed=s) for s in range(3)])
  points = jnp.asarray(np.random.default_rng(2).uniform(0, 5, (3, 4, 2)))
  loop = [geometry.sample(i, p) for i, p in zip(images, points, strict=True)]
  np.testing.assert_allclose(
      jax.jit(jax.vmap(geometry.sample))(images, points),
      jnp.stack(loop),
      atol=1e-9,
  )


def test_inside_counts_the_border_and_not_nan():
  points = jnp.array(
      [[0.0, 0.0], [4.0, 6.0], [-0.1, 2.0], [2.0, 6.1], [jnp.nan, 1.0]]
  )
  np.testing.assert_array_equal(
      geometry.inside(points, (4, 6)), [True, True, False, False, False]
  )
  np.testing.assert_array_equal(
      geometry.inside(points[:1], (4, 6), margin=0.5), [False]
  )


def test_wrong_arguments_are_named():
  with pytest.raises(ValueError, match=r'got shapes \(5, 7\)'):
    geometry.sample(jnp.zeros((5, 7)), jnp.zeros((1, 2)))
  with pytest.raises(ValueError, match="border is 'wrap'"):
    geometry.sample(_image(), jnp.zeros((1, 2)), border='wrap')
