"""Conditional image generation: what the drawn image depends on, and learns."""

import double
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.datasets import signer as signer_images
from eqlandmarks.runs import config_checks
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import imm
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

AXIS = 'i'


def make_config(**fields):
  config = signer.get_config('tiny')
  base.use(config.discover, 'imm')
  config.discover.update(imm.section())
  config.discover.weights.update(fields.pop('weights', {}))
  config.discover.update(fields)
  return config


def _variables(config):
  names = ['features', 'landmarks', 'renderer', 'random_features']
  variables = models.make_nets(config).init(jax.random.key(0), names)
  variables['first_features'] = variables['features']
  # A renderer of real size: the first one draws grey.
  pixels = variables['renderer']['params']['pixels']
  pixels['kernel'] = 30.0 * pixels['kernel']
  return variables


def _nets(config, trained=('landmarks', 'renderer')):
  nets = models.make_nets(config, axis_name=AXIS)
  names = ('features', 'landmarks', 'renderer', 'first_features',
           'random_features')
  return base.StageNets({n: nets.module(n) for n in names}, trained, AXIS)


def _views(config, count=2, seed=0):
  rng = np.random.default_rng(seed)
  images = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
  images = images.repeat(4, 1).repeat(4, 2)
  keys = jax.random.split(jax.random.key(1), count)
  return pairs.load('warped').make_views(images, keys, config.discover)


def _loss(config, variables, views, objective=imm):
  """The loss on one device."""
  nets, section = _nets(config), config.discover

  def of_device(variables, views):
    return objective.loss(variables, views, None, section, nets)

  def of_all(variables):
    mapped = jax.vmap(of_device, (None, 0), axis_name=AXIS)
    one = jax.tree.map(lambda x: x[None], views)
    loss = jax.tree.map(lambda x: x[0], _as_tuple(mapped(variables, one)))
    return loss[0], loss

  return of_all(variables)


def _as_tuple(loss):
  return loss.total, loss.terms, loss.batch_stats


@pytest.fixture(autouse=True, scope='module')
def _loss_is_a_tree():
  """For vmap, which takes trees."""
  jax.tree_util.register_pytree_node(
      base.Loss,
      lambda x: ((*_as_tuple(x), x.points_used), None),
      lambda _, leaves: base.Loss(*leaves),
  )


def test_sigma_is_the_authors():
  assert imm.section().sigma * 128 == pytest.approx(4.525, abs=0.01)


def test_what_is_drawn_depends_on_the_target_through_its_landmarks_alone():
  config = make_config()
  variables, views = _variables(config), _views(config)
  nets, section = models.make_nets(config), config.discover
  points = jnp.array([[[7.2, 9.0]] * 10] * 2)
  draw = jax.jit(
      lambda target, points: (
          imm.render(variables, views.x, points, section, nets),
          target,
      )
  )
  first, _ = draw(views.other, points)
  second, _ = draw(1.0 - views.other, points)
  np.testing.assert_array_equal(first, second)
  assert np.abs(draw(views.other, points + 9.0)[0] - first).max() > 1e-3


@pytest.mark.parametrize(
    'pyramid',
    [
        'pixels',
        pytest.param('features', marks=pytest.mark.slow),
        pytest.param('random', marks=pytest.mark.slow),
    ],
)
def test_gradients_reach_the_landmark_net_through_the_landmarks_alone(
    pyramid, monkeypatch
):
  config = make_config(pyramid=pyramid)
  variables, views = _variables(config), _views(config)
  gradient = jax.jit(jax.grad(lambda v: _loss(config, v, views)[0]))
  largest = lambda tree: double.apart(tree, jax.tree.map(jnp.zeros_like, tree))
  found = gradient(variables)
  assert largest(found['landmarks']) > 0 and largest(found['renderer']) > 0
  assert largest(found['features']) == 0  # not trained
  held = jax.lax.stop_gradient
  expectation = imm.heatmaps.expectation
  monkeypatch.setattr(
      imm.heatmaps, 'expectation', lambda p: held(expectation(p))
  )
  # The source, the target and the weights of 0 lead to no parameter of T.
  found = jax.jit(jax.grad(lambda v: _loss(config, v, views)[0]))(variables)
  assert largest(found['landmarks']) == 0 and largest(found['renderer']) > 0


def test_the_landmark_net_sees_the_target_alone():
  config = make_config()
  variables, views = _variables(config), _views(config)
  others = views.replace(x=views.x[::-1])
  loss = jax.jit(lambda views: _loss(config, variables, views)[1])
  (_, terms, _), (_, changed, _) = loss(views), loss(others)
  assert terms.keys() == {'reconstruction', 'diversity', 'variance'}
  for name in ('diversity', 'variance'):
    np.testing.assert_array_equal(terms[name], changed[name])
  assert terms['reconstruction'] != changed['reconstruction']


def _compiled(config, objective=imm):
  variables, views = _variables(config), _views(config)
  step = jax.value_and_grad(
      lambda v: _loss(config, v, views, objective), has_aux=True
  )
  return jax.jit(step).lower(variables).compile(), variables


def test_a_weight_of_0_costs_and_changes_nothing():
  # The paper's three, with and without a renderer that does not draw.
  weights = {'equivariance': 0.25, 'diversity': 5.0, 'variance': 0.0125}
  without = signer.get_config('tiny')
  within = make_config(weights={'reconstruction': 0.0, **weights})
  ours, variables = _compiled(within)
  theirs, _ = _compiled(without, landmarks)
  (total, (_, terms, _)), gradient = ours(variables)
  (expected, (_, others, _)), plain = theirs(variables)
  assert terms.keys() == others.keys() == set(landmarks.TERMS)
  assert total == expected
  jax.tree.map(
      np.testing.assert_array_equal, gradient['landmarks'], plain['landmarks']
  )
  flops = lambda program: program.cost_analysis()['flops']
  assert flops(ours) == pytest.approx(flops(theirs), rel=1e-3)
  # One view through F and T, and no gradient of what is only logged.
  alone, _ = _compiled(make_config())
  both, _ = _compiled(make_config(weights={'equivariance': 1e-9}))
  assert flops(alone) < 0.9 * flops(both)


def test_beside_equivariance_all_terms_are_there():
  config = make_config(
      weights={'equivariance': 0.5, 'diversity': 2.0, 'variance': 3.0}
  )
  loss = jax.jit(lambda v: _loss(config, v, _views(config))[1])
  total, terms, _ = loss(_variables(config))
  assert terms.keys() == set(imm.TERMS)
  expected = sum(
      weight * terms[name]
      for name, weight in config.discover.weights.items()
  )
  np.testing.assert_allclose(total, expected, rtol=1e-5)
  assert imm.OBJECTIVE.logged(config.discover) == imm.TERMS


@pytest.mark.slow
def test_one_pair_can_be_drawn():
  config = make_config()
  config.model.widths = (16, 16, 16, 16)
  variables = models.make_nets(config).init(
      jax.random.key(0), ['features', 'landmarks', 'renderer']
  )
  image, _ = signer_images.render(0, 'train', 0, 32)
  views = pairs.load('warped').make_views(
      image[None], jax.random.split(jax.random.key(1), 1), config.discover
  )
  trained = {n: variables[n] for n in ('landmarks', 'renderer')}
  optimizer = optax.adam(5e-3)

  @jax.jit
  def step(trained, state):
    gradient, (_, terms, _) = jax.grad(
        lambda t: _loss(config, {**variables, **t}, views), has_aux=True
    )(trained)
    updates, state = optimizer.update(gradient, state)
    return optax.apply_updates(trained, updates), state, terms

  state = optimizer.init(trained)
  for _ in range(300):
    trained, state, terms = step(trained, state)
  assert terms['reconstruction'] < 0.1


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            {'image_size': 50},
            'config.image_size is 50, expected a multiple of 4 with '
            "config.discover.objective 'imm'",
        ),
        (
            {'image_size': 100},
            'config.image_size is 100, expected a multiple of 8 with',
        ),
        (
            {'discover.appearance.hue': 0.1},
            'config.discover.appearance.hue is 0.1, expected 0 with',
        ),
        (
            {'discover.weights.reconstruction': 0.0},
            'config.discover.weights are all 0, expected one above 0',
        ),
        (
            {'discover.weights.reconstruction': -1.0},
            'config.discover.weights.reconstruction is -1.0, expected a number',
        ),
        (
            {'discover.sigma': 0.0},
            'config.discover.sigma is 0.0, expected a number from',
        ),
        (
            {'discover.pyramid': 'vgg'},
            "config.discover.pyramid is 'vgg', expected one of pixels, "
            'features, random',
        ),
        (
            {'checkpoint.best': 'equivariance'},
            "config.checkpoint.best is 'equivariance', expected one of",
        ),
    ],
)
def test_what_the_config_may_be(change, said):
  config = make_config()
  config_checks.check(config)
  config.update_from_flattened_dict(change)
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(config)
  assert str(caught.value).startswith(said)
  assert '\n' not in str(caught.value)


def test_frames_have_no_equivariance(monkeypatch):
  config = make_config()
  pair = pairs.load('warped')
  unknown = pairs.Pair(pair.make_views, pair.section, {}, has_map=False)
  load = lambda name, stage='': pair if stage == 'pretrain' else unknown
  monkeypatch.setattr(pairs, 'load', load)
  config_checks.check(config)
  config.discover.weights.equivariance = 1.0
  with pytest.raises(errors.UserError, match='equivariance is 1'):
    config_checks.check(config)


def test_stage_1_does_not_take_it():
  config = signer.get_config('tiny')
  base.use(config.pretrain, 'imm')
  with pytest.raises(errors.UserError, match='expected one that trains feat'):
    config_checks.check(config)
