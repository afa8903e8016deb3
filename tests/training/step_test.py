"""The step: one device and eight, compiled once, frozen means frozen."""

import double
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from configs import signer
from eqlandmarks import models
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import step as step_lib
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import imm


def _config(norm='group', negatives='image'):
  config = signer.get_config('tiny')
  config.model.norm = norm
  config.pretrain.negatives = negatives
  return config


def _build(config, name, optimizer=None, **options):
  x64 = jax.config.jax_enable_x64
  config.dtype = 'float64' if x64 else config.dtype
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  if name == 'imm':
    objectives.use(config.discover, 'imm')
    config.discover.update(imm.section(), pyramid='random')
  section = config.pretrain if name == 'pretrain' else config.discover
  objective = objectives.load(section.objective)
  trained = [*objective.trains] + ['features'] * (name == 'end_to_end')
  names = objective.trains + objective.reads + objective.holds(section)
  modules = {net: nets.module(net) for net in names}
  variables = nets.init(jax.random.key(0), names)
  variables = double.of(variables) if x64 else variables
  loss = objectives.make_loss(
      objective,
      section,
      objectives.StageNets(modules, trained, devices_lib.AXIS),
  )
  optimizer = optimizer or step_lib.make_optimizer(
      config.pretrain,
      num_images=80,
      batch_size=8,
      rates=dict.fromkeys(trained, 1.0),
  )
  state = step_lib.create_state(variables, trained, optimizer)
  step = step_lib.make_step(loss, optimizer, **options)
  return step, state


def _images(count=8):
  shape = (count, 32, 32, 3)
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _run(step, state, num_devices, num_steps=2):
  devices = jax.devices()[:num_devices]
  mapped = devices_lib.parallelize(step, devices)
  state = devices_lib.replicate(state, devices)
  key = devices_lib.replicate(jax.random.key(1), devices)
  images = _images()
  images = images.reshape(num_devices, -1, *images.shape[1:])
  for _ in range(num_steps):
    state, metrics = mapped(state, images, key)
  return jax.device_get((state.params, metrics)), state


@pytest.mark.x64
@pytest.mark.parametrize(
    ('name', 'norm', 'negatives', 'count'),
    [
        ('pretrain', 'group', 'image', 8),
        ('discover', 'group', 'image', 8),
        pytest.param('imm', 'batch', 'image', 2, marks=pytest.mark.slow),
        pytest.param('imm', 'group', 'image', 8, marks=pytest.mark.slow),
        ('pretrain', 'batch', 'batch', 2),
        pytest.param('pretrain', 'group', 'batch', 8, marks=pytest.mark.slow),
        pytest.param('pretrain', 'batch', 'image', 8, marks=pytest.mark.slow),
        pytest.param('end_to_end', 'batch', 'image', 8, marks=pytest.mark.slow),
    ],
)
def test_devices_make_the_update_of_one(name, norm, negatives, count):
  # Plain gradient descent: Adam divides by the gradient's own size, and so
  # turns the rounding of gradients that are zero into whole steps.
  step, state = _build(_config(norm, negatives), name, optax.sgd(1.0))
  state = jax.device_get(state)  # a step uses it up
  one, after_one = _run(step, state, 1, num_steps=1)
  many, after_many = _run(step, state, count, num_steps=1)
  _assert_same_update(state.params, one, many)
  assert double.apart(after_one.batch_stats, after_many.batch_stats) <= 1e-9


@pytest.mark.x64
@pytest.mark.parametrize(
    ('name', 'objective', 'count'),
    [
        ('pretrain', 'exchange', 8),
        pytest.param('pretrain', 'exchange', 2, marks=pytest.mark.slow),
        pytest.param('pretrain', 'labelling', 4, marks=pytest.mark.slow),
        pytest.param(
            'pretrain', 'contrastive_exchange', 4, marks=pytest.mark.slow
        ),
        ('discover', 'fse', 4),
        pytest.param('discover', 'lmdis', 4, marks=pytest.mark.slow),
    ],
)
def test_devices_make_the_update_of_one_by_other_objectives(
    name, objective, count
):
  config = _config()
  objectives.use(config[name], objective)
  step, state = _build(config, name, optax.sgd(1.0))
  state = jax.device_get(state)
  one, _ = _run(step, state, 1, num_steps=1)
  many, _ = _run(step, state, count, num_steps=1)
  _assert_same_update(state.params, one, many)


def _assert_same_update(before, one, other):
  """The same update and metrics, as far as float64 can tell."""
  (params, metrics), (other_params, other_metrics) = one, other
  assert {x.dtype for x in jax.tree.leaves((one, other))} == {np.dtype(float)}
  for metric in metrics:
    np.testing.assert_allclose(
        metrics[metric], other_metrics[metric], rtol=1e-9, err_msg=metric
    )
  largest = double.apart(before, params)
  assert largest > 0.0
  assert double.apart(params, other_params) <= 1e-9 * largest


def test_a_step_is_traced_once_and_the_state_is_not_stacked():
  step, state = _build(_config(), 'pretrain')
  traces = []

  def counted(*args):
    traces.append(1)
    return step(*args)

  _, final = _run(counted, state, 8, num_steps=4)
  assert len(traces) == 1
  shapes = lambda tree: [leaf.shape for leaf in jax.tree.leaves(tree)]
  assert shapes(final.params) == shapes(state.params)
  assert int(final.step) == 4


@pytest.mark.parametrize(
    'norm', ['group', pytest.param('batch', marks=pytest.mark.slow)]
)
def test_frozen_features_stay_and_landmarks_move(norm):
  step, state = _build(_config(norm), 'discover')
  before = jax.device_get(state)
  (params, _), final = _run(step, state, 1)
  assert set(params) == {'landmarks'}
  jax.tree.map(
      np.testing.assert_array_equal, before.frozen, jax.device_get(final.frozen)
  )
  moved = jax.tree.map(
      lambda a, b: np.abs(a - b).max(), before.params, params
  )
  assert max(jax.tree.leaves(moved)) > 0.0


@pytest.mark.x64
def test_frozen_features_run_in_evaluation_mode():
  # With batch statistics of the batch, an image's features would depend on the
  # other images.
  config = _config('batch')
  config.dtype = 'float64'
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  variables = nets.init(jax.random.key(0))
  images = jnp.asarray(_images(4) / 255.0)
  stage_nets = objectives.StageNets(
      {'features': nets.features}, ('landmarks',), devices_lib.AXIS
  )
  together, _ = stage_nets.apply('features', variables, images)
  alone, stats = stage_nets.apply('features', variables, images[:1])
  np.testing.assert_allclose(together[:1], alone, atol=1e-9)
  assert stats == {}


@pytest.mark.slow
def test_pretraining_lowers_its_loss():
  config = _config()
  config.pretrain.learning_rate = 3e-3
  step, state = _build(config, 'pretrain')
  (_, first), _ = _run(step, state, 1, num_steps=1)
  (_, last), _ = _run(step, state, 1, num_steps=40)
  assert last['loss'] < first['loss'] - 1.0


def _stage(**fields):
  return ConfigDict({'l2': 0.0, 'clip_norm': 0.0, **fields})


def test_l2_alone_shrinks_parameters():
  stage = _stage(learning_rate=1e-2, decay=0.9, l2=5e-4)
  optimizer = step_lib.make_optimizer(
      stage, num_images=10, batch_size=2, rates={'w': 1.0}
  )
  params = {'w': jnp.array([2.0, -3.0])}
  updates, _ = optimizer.update(
      {'w': jnp.zeros(2)}, optimizer.init(params), params
  )
  assert np.all(np.sign(updates['w']) == -np.sign(params['w']))


def test_a_large_gradient_is_scaled_down_over_all_nets():
  # Of norm 5 over both nets, to 2.5; Adam's first moment is 0.1 of it.
  stage = _stage(learning_rate=1e-2, decay=0.9, clip_norm=2.5)
  optimizer = step_lib.make_optimizer(
      stage, num_images=10, batch_size=2, rates={'v': 1.0, 'w': 1.0}
  )
  params = {'v': jnp.zeros(1), 'w': jnp.zeros(1)}
  moments = lambda state: [
      float(leaf[0])
      for path, leaf in jax.tree_util.tree_leaves_with_path(state)
      if '.mu' in jax.tree_util.keystr(path)
  ]
  for scale, expected in ((1.0, [0.15, 0.2]), (0.5, [0.15, 0.2]), (0.1, None)):
    grads = {'v': jnp.full(1, 3.0 * scale), 'w': jnp.full(1, 4.0 * scale)}
    _, state = optimizer.update(grads, optimizer.init(params), params)
    expected = expected or [0.03, 0.04]  # below the bound, as it is
    np.testing.assert_allclose(sorted(moments(state)), expected, rtol=1e-5)


@pytest.mark.parametrize(('images', 'batch'), [(12, 5), (962, 8), (7, 7)])
def test_epochs_that_are_not_whole_numbers_of_batches(images, batch):
  steps = np.arange(4 * images)
  # The first image of batch i is number i * batch of all that are shown.
  np.testing.assert_array_equal(
      step_lib.epoch_of(steps, images, batch), steps * batch // images
  )


def test_epochs_of_a_very_long_training():
  # 3,000,000 x 1024 images are more than 32 bits can count.
  found = step_lib.epoch_of(jnp.int32(3_000_000), 202_599, 1024)
  assert int(found) == 3_000_000 * 1024 // 202_599


def test_learning_rate_falls_once_per_epoch():
  stage = _stage(learning_rate=1.0, decay=0.5)
  optimizer = step_lib.make_optimizer(
      stage, num_images=6, batch_size=2, rates={'w': 1.0, 'v': 0.25}
  )
  params = {'w': jnp.zeros(()), 'v': jnp.zeros(())}
  state, sizes = optimizer.init(params), []
  for _ in range(9):
    # A constant gradient: Adam's update is the learning rate itself.
    ones = {'w': jnp.ones(()), 'v': jnp.ones(())}
    updates, state = optimizer.update(ones, state, params)
    sizes.append(-float(updates['w']))
    # A net with a rate of its own learns by that factor slower.
    np.testing.assert_allclose(updates['v'], 0.25 * updates['w'], rtol=1e-5)
  # Adam's correction takes 0.999 from 1, which leaves float32 four digits.
  np.testing.assert_allclose(
      sizes, [1.0] * 3 + [0.5] * 3 + [0.25] * 3, rtol=1e-2
  )


@pytest.mark.x64
@pytest.mark.parametrize(
    'name', [pytest.param('pretrain', marks=pytest.mark.slow), 'discover']
)
def test_parts_of_a_batch_make_the_update_of_the_whole(name):
  config = _config()
  config.pretrain.negatives = 'image'  # those of a batch are within a part
  updates = []
  for accumulate in (1, 4):
    step, state = _build(config, name, optax.sgd(1.0), accumulate=accumulate)
    before = jax.device_get(state.params)
    updates.append(_run(step, state, 2, num_steps=1)[0])
  _assert_same_update(before, *updates)


@pytest.mark.x64
@pytest.mark.slow
def test_activations_computed_again_make_the_same_update():
  config = _config()
  updates = []
  for config.remat in (False, True):
    step, state = _build(config, 'end_to_end', optax.sgd(1.0))
    before = jax.device_get(state.params)
    updates.append(_run(step, state, 1, num_steps=1)[0])
  _assert_same_update(before, *updates)
