"""Stage 1 by matching: what is looked for where, and through which image."""

import functools

import double
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import compared_losses
from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.runs import config_checks
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.objectives import exchange
from eqlandmarks.training.pairs import base as pairs

_NAMES = ('exchange', 'labelling', 'contrastive_exchange')


def _config(name='exchange', **fields):
  config = signer.get_config('tiny')
  objectives.use(config.pretrain, name)
  config.update_from_flattened_dict(fields)
  return config


class _Features:
  """F whose features are the pixels of its input."""

  def apply(self, variables, x, method):
    del variables
    assert method == 'project'
    return x


class _Nets(objectives.StageNets):
  """A stage's nets, of which F is the identity."""

  def __init__(self, axis_name='i'):
    super().__init__({models.FEATURES: _Features()}, (), axis_name)

  def apply(self, name, variables, inputs, *, method=None):
    del variables
    assert (name, method) == (models.FEATURES, 'trunk')
    return inputs, {}


def _loss(images, other, config, *, exchange_on=True, num_devices=1):
  """The loss of views `[B, S, S, C]` whose map is the identity."""

  def share(x, other, keys):
    # As many maps as views, all of them the identity.
    g = jax.vmap(lambda _: warps.identity())(jnp.arange(len(x)))
    loss = exchange.loss(
        {models.FEATURES: {}}, pairs.Views(x, other, g), keys,
        config.pretrain, _Nets(), exchange=exchange_on,
    )  # fmt: skip
    return jax.lax.psum(loss.total, 'i')

  keys = jax.random.split(jax.random.key(0), len(images))
  split = lambda x: x.reshape(num_devices, -1, *x.shape[1:])
  return jax.vmap(share, axis_name='i')(*map(split, (images, other, keys)))[0]


def _images(count=4, side=64, channels=5):
  rng = np.random.default_rng(0)
  return jnp.asarray(rng.normal(size=(count, side, side, channels)))


@pytest.mark.x64
def test_places_are_the_centres_of_cells_and_distances_in_pixels_of_128():
  # 64 pixels, 32 x 32 cells of 2: the features of a cell are its averages.
  config = _config()
  first, other = _images(), _images()[::-1] + 0.5
  points = jax.vmap(
      lambda key: jax.random.uniform(key, (16, 2), maxval=jnp.full(2, 64.0))
  )(jax.random.split(jax.random.key(0), 4))
  average = lambda x: np.asarray(x).reshape(-1, 32, 2, 32, 2, 5).mean((2, 4))
  places = 4.0 * (np.stack(np.indices((32, 32)), -1).reshape(-1, 2) + 0.5)
  expected = []
  for index in range(4):
    cells = jnp.asarray(average(first)[index])
    through = jnp.asarray(average(first)[(index + 1) % 4]).reshape(-1, 5)
    expected.append(compared_losses.matching(
        geometry.sample(cells, points[index] / 2),
        jnp.asarray(average(other)[index]).reshape(-1, 5),
        2.0 * points[index], jnp.asarray(places), through=through,
    ))  # fmt: skip
  np.testing.assert_allclose(
      _loss(first, other, config), np.mean(expected), rtol=1e-9
  )


@pytest.mark.parametrize(
    ('side', 'cells'), [(32, 32), (64, 32), (128, 32), (100, 33), (33, 33)]
)
def test_about_32_cells_along_a_side(side, cells):
  maps = jnp.ones((1, side, side, 2))
  assert exchange._averages(maps, max(side // 32, 1)).shape == (
      1, cells, cells, 2
  )
  assert np.isfinite(_loss(*2 * [_images(2, side)], _config()))


@pytest.mark.x64
@pytest.mark.parametrize('count', [1, 2, 4])
def test_the_next_image_is_that_of_the_whole_batch(count):
  images = jnp.arange(4.0).reshape(count, -1, 1)
  following = jax.vmap(
      functools.partial(exchange._next_images, axis_name='i'), axis_name='i'
  )(images)
  np.testing.assert_array_equal(following.reshape(-1), [1, 2, 3, 0])
  first, other = _images(), _images()[::-1]
  np.testing.assert_allclose(
      _loss(first, other, _config(), num_devices=count),
      _loss(first, other, _config()),
      rtol=1e-9,
  )


@pytest.mark.x64
def test_labelling_finds_each_image_by_itself():
  config = _config('labelling', **{'pretrain.matching.temperature': 0.001})
  loss = functools.partial(_loss, config=config, exchange_on=False)
  # Features turn with the row and the column, by half a circle each.
  angles = np.pi * np.moveaxis(np.indices((64, 64)), 0, -1) / 64
  of_place = np.concatenate([np.cos(angles), np.sin(angles)], -1)
  images = jnp.asarray(np.stack([of_place, of_place.swapaxes(0, 1)]))
  assert float(loss(images, images)) < 2.5  # all is found where it is
  assert float(loss(images, images[:, ::-1])) > 6.0
  # The other image may be anything.
  alone = loss(images[:1], images[:1])
  assert np.isfinite(alone)
  first = lambda other: jax.grad(
      lambda x: loss(jnp.concatenate([x, other]), jnp.concatenate([x, other]))
  )(images[:1])
  np.testing.assert_allclose(
      first(images[1:]), first(images[1:] + 0.5), rtol=1e-9, atol=1e-12
  )


@pytest.mark.parametrize('name', _NAMES)
def test_fields_and_rules(name):
  config = _config(name)
  config_checks.check(config)
  assert config.pretrain.matching.temperature == 0.05
  # Small sizes stay; a default of the objective before does not.
  assert config.pretrain.num_locations == 16
  assert signer.get_config('').pretrain.num_locations == 64
  config.pretrain.matching.power = -1.0
  with pytest.raises(errors.UserError, match=r'matching.power is -1.0, expec'):
    config_checks.check(config)
  config = _config(name, **{'pretrain.num_locations': 1025})
  with pytest.raises(errors.UserError, match='expected at most 1024'):
    config_checks.check(config)


@pytest.mark.parametrize('fields', [
    {'batch_size': 1}, {'batch_size': 8, 'accumulate': 8}
])  # fmt: skip
def test_one_image_a_step_cannot_exchange(fields):
  config = _config('labelling', **fields)
  config_checks.check(config)
  for name in ('exchange', 'contrastive_exchange'):
    config = _config(name, **fields)
    with pytest.raises(errors.UserError) as caught:
      config_checks.check(config)
    size, parts = config.batch_size, config.accumulate
    assert str(caught.value) == (
        f'config.batch_size / config.accumulate is {size} / {parts}, expected '
        f"2 images or more at a time: config.pretrain.objective '{name}' "
        'looks for the features of each in the next one.'
    )


@pytest.mark.x64
@pytest.mark.slow
@pytest.mark.parametrize('left_out', ['contrastive', 'exchange'])
def test_a_weight_of_0_is_the_other_loss_alone(left_out):
  config = _config('contrastive_exchange')
  config.dtype = 'float64'
  config.pretrain.weights[left_out] = 0.0
  net = models.make_nets(config).features
  variables = double.of(net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
  nets = objectives.StageNets({models.FEATURES: net}, (models.FEATURES,), 'i')
  images = jnp.asarray(
      np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)), jnp.uint8
  )
  keys = jax.random.split(jax.random.key(1), 2)

  def value_and_gradient(config):
    loss = objectives.make_loss(
        objectives.load(config.pretrain.objective), config.pretrain, nets
    )
    mapped = jax.vmap(
        jax.grad(
            lambda v, x, k: loss({models.FEATURES: v}, x, k), has_aux=True
        ),
        in_axes=(None, 0, 0), axis_name='i',
    )  # fmt: skip
    gradient, (metrics, _) = mapped(variables, images[None], keys[None])
    return metrics['loss'], gradient

  alone = {'contrastive': 'exchange', 'exchange': 'contrastive'}[left_out]
  other = _config(alone)
  other.dtype = 'float64'
  found, expected = value_and_gradient(config), value_and_gradient(other)
  assert double.apart(found, expected) <= 1e-12
  zeros = jax.tree.map(jnp.zeros_like, expected[1])
  assert double.apart(expected[1], zeros) > 0


def test_flat_features_are_told_beside_the_exchange():
  # 2 ln 23 = 6.271, of 12 pairs of an image (see collapse_test).
  config = _config('contrastive_exchange')
  row = {'loss': 15.0, 'contrastive': 6.271, 'points_used': 0.75}
  collapsed = objectives.load('contrastive_exchange').collapsed
  assert 'point the same way' in collapsed(config, config.pretrain, row)
  row['contrastive'] = 5.0
  assert collapsed(config, config.pretrain, row) is None
  assert contrastive.OBJECTIVE.terms == ()
