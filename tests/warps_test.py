import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate
from scipy import interpolate

from eqlandmarks import geometry
from eqlandmarks import warps

# In float64; tests/properties_test.py has what float32 leaves of it.
pytestmark = pytest.mark.x64

SHAPE = (64, 48)


def _random(seed, shape=SHAPE, **strengths):
  default = {
      'rotation': 30.0, 'zoom': 0.3, 'aspect': 0.2, 'translation': 0.1,
      'elastic': 0.05,
  }
  return warps.random_warp(jax.random.key(seed), shape, **default | strengths)


def _blob(point, shape):
  """A smooth bump whose centre of mass is the point."""
  offset = geometry.pixel_centres(shape) - point
  return jnp.exp(-jnp.sum(offset**2, -1) / (2 * 2.0**2))[..., None]


def _centre_of_mass(image):
  weights = image[..., 0] / image.sum()
  centres = geometry.pixel_centres(image.shape[:2])
  return jnp.einsum('hw,hwc->c', weights, centres)


def test_identity_returns_image_and_points():
  image = jnp.asarray(np.random.default_rng(0).random((8, 9, 3)), float)
  for warp in (
      warps.identity(),
      warps.affine((8, 9)),
      warps.elastic(jnp.zeros((5, 5, 2)), (8, 9)),
      warps.random_warp(jax.random.key(0), (8, 9)),
  ):
    np.testing.assert_allclose(
        warps.warp_image(warp, image), image, atol=1e-9
    )
    np.testing.assert_allclose(
        warp(jnp.array([[3.0, 4.0]])), [[3.0, 4.0]], atol=1e-9
    )


def test_one_pixel_shift_moves_points_and_pixels_alike():
  image = jnp.asarray(np.random.default_rng(0).random((6, 6, 1)), float)
  warp = warps.affine((6, 6), translation=(1.0, 0.0))
  np.testing.assert_allclose(warp(jnp.array([2.5, 2.5])), [3.5, 2.5])
  moved = warps.warp_image(warp, image, border='zeros')
  np.testing.assert_allclose(moved[1:], image[:-1], atol=1e-9)
  np.testing.assert_allclose(moved[0], 0.0, atol=1e-9)


def test_quarter_turn_is_clockwise_on_screen():
  image = jnp.asarray(np.random.default_rng(0).random((5, 5, 1)), float)
  warp = warps.affine((5, 5), rotation=90.0)
  # The right edge's middle goes to the bottom edge's middle.
  np.testing.assert_allclose(
      warp(jnp.array([2.5, 4.5])), [4.5, 2.5], atol=1e-9
  )
  # NumPy's rot90 turns counter-clockwise for positive k.
  np.testing.assert_allclose(
      warps.warp_image(warp, image), np.rot90(image, k=-1), atol=1e-9
  )


def test_scale_two_doubles_distances_from_the_centre():
  warp = warps.affine((10, 20), scale=2.0)
  np.testing.assert_allclose(warp(jnp.array([6.0, 7.0])), [7.0, 4.0])


@pytest.mark.parametrize('seed', range(5))
def test_points_move_with_the_image(seed):
  warp = _random(seed, zoom=0.1, translation=0.05, elastic=0.03)
  point = jnp.array([30.0, 22.0])
  moved = warps.warp_image(warp, _blob(point, SHAPE), border='zeros')
  # A bent blob's centre is not exactly its peak's: half a pixel is allowed.
  np.testing.assert_allclose(_centre_of_mass(moved), warp(point), atol=0.5)


@pytest.mark.parametrize('seed', range(5))
def test_inverse_undoes_the_warp(seed):
  warp = _random(seed, shape=(128, 128))
  points = jnp.asarray(
      np.random.default_rng(seed).uniform(0, 128, (2000, 2)), float
  )
  there_and_back = warp.inverse()(warp(points))
  errors = jnp.linalg.norm(there_and_back - points, axis=-1)
  assert float(errors.max()) < 0.05
  back_and_there = warp(warp.inverse()(points))
  assert float(jnp.linalg.norm(back_and_there - points, axis=-1).max()) < 0.05


def test_inverse_of_affine_agrees_with_numpy():
  part = warps.affine(
      SHAPE, rotation=25.0, scale=1.3, aspect=1.2, translation=(3.0, -4.0)
  ).parts[0]
  full = np.eye(3)
  full[:2, :2], full[:2, 2] = part.matrix, part.offset
  inverse = np.linalg.inv(full)
  np.testing.assert_allclose(part.inverse().matrix, inverse[:2, :2], atol=1e-9)
  np.testing.assert_allclose(part.inverse().offset, inverse[:2, 2], atol=1e-9)


def test_velocity_agrees_with_scipy_b_spline():
  values = np.random.default_rng(3).normal(size=(6, 6, 2))
  flow = warps.Flow(jnp.asarray(values, float), (30, 60))
  # SciPy's knots: cells of equal length, one control point beyond each end.
  cells = 3
  knots = np.arange(-3, cells + 4, dtype=float)
  basis = lambda x: interpolate.BSpline.design_matrix(x, knots, 3).toarray()
  points = np.random.default_rng(4).uniform(0, 1, (50, 2))
  rows, columns = basis(points[:, 0] * cells), basis(points[:, 1] * cells)
  expected = np.einsum('ni,nj,ijc->nc', rows, columns, values)
  found = flow.velocity_at(jnp.asarray(points * [30, 60], float))
  np.testing.assert_allclose(found, expected, atol=1e-9)


def test_flow_agrees_with_a_fine_integrator():
  velocity = 6.0 * np.random.default_rng(5).normal(size=(5, 5, 2))
  flow = warps.Flow(jnp.asarray(velocity, float), (128, 128))
  field = jax.jit(flow.velocity_at)
  for point in ([20.0, 90.0], [64.0, 64.0], [3.0, 120.0]):
    path = integrate.solve_ivp(
        lambda _, p: np.asarray(field(jnp.asarray(p, float))),
        (0, 1), point, rtol=1e-6, atol=1e-5,
    )
    np.testing.assert_allclose(flow(jnp.array(point)), path.y[:, -1], atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize('grid', [5, 9])
def test_warps_are_sound_up_to_the_documented_steepness(grid):
  centres = geometry.pixel_centres((16, 16)).reshape(-1, 2) * 8.0
  elastic = warps.MAX_STEEPNESS / (grid - 3)

  def extremes(key):
    warp = warps.random_warp(key, (128, 128), elastic=elastic, grid=grid)
    back = warp.inverse()(warp(centres))
    jacobians = jax.vmap(jax.jacfwd(warp))(centres)
    error = jnp.linalg.norm(back - centres, axis=-1).max()
    return jnp.linalg.det(jacobians).min(), error

  keys = jax.random.split(jax.random.key(0), 1500)
  determinants, errors = jax.lax.map(jax.jit(extremes), keys, batch_size=50)
  assert float(determinants.min()) > 0.1
  assert float(errors.max()) < 0.1


def test_compose_applies_the_first_one_first():
  shift = warps.affine(SHAPE, translation=(5.0, 0.0))
  turn = warps.affine(SHAPE, rotation=90.0)
  point = jnp.array([10.0, 10.0])
  np.testing.assert_allclose(turn.compose(shift)(point), turn(shift(point)))


def test_same_key_same_warp_and_vmap_equals_loop():
  keys = jax.random.split(jax.random.key(1), 3)
  points = jnp.array([[3.0, 4.0], [50.0, 20.0]])
  draw = lambda key: warps.random_warp(
      key, SHAPE, rotation=20.0, zoom=0.2, elastic=0.05
  )(points)
  batched = jax.jit(jax.vmap(draw))(keys)
  np.testing.assert_allclose(
      batched, jnp.stack([draw(key) for key in keys]), atol=1e-9
  )
  assert not np.allclose(batched[0], batched[1])


@pytest.mark.parametrize(
    ('name', 'largest'), [('rotation', 30.0), ('translation', 0.1)]
)
def test_strengths_bound_the_draws(name, largest):
  keys = jax.random.split(jax.random.key(2), 500)
  draw = lambda key: warps.random_warp(key, (100, 100), **{name: largest})
  parts = jax.vmap(draw)(keys).parts
  affine = next(part for part in parts if isinstance(part, warps.Affine))
  if name == 'rotation':
    m = affine.matrix
    found = np.rad2deg(np.arctan2(m[:, 0, 1], m[:, 0, 0]))
    bound = 30.0
  else:
    found, bound = np.asarray(affine.offset), 10.0
  assert np.abs(found).max() <= bound + 1e-3
  assert np.abs(found).max() > 0.9 * bound
  assert np.abs(found.mean()) < 0.15 * bound


def test_wrong_arguments_are_named():
  with pytest.raises(ValueError, match=r'\(5, 4, 2\)'):
    warps.elastic(jnp.zeros((5, 4, 2)), SHAPE)
  with pytest.raises(ValueError, match='G >= 4'):
    warps.elastic(jnp.zeros((3, 3, 2)), SHAPE)
  with pytest.raises(ValueError, match=r'\(4, 3\)'):
    warps.identity()(jnp.zeros((4, 3)))
