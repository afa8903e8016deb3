"""Where numbers stop being finite is found, in the layer and by the images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import nonfinite
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages
from eqlandmarks.training import step as step_lib
from eqlandmarks.training.objectives import base as objectives

DEVICES = 2


def _config(objective='landmarks'):
  config = signer.get_config('tiny')
  config.batch_size = 4
  objectives.use(config.discover, objective)
  return config


def _nets(config):
  """The nets of stage 2, by name, and the names of those that it trains."""
  objective = objectives.load(config.discover.objective)
  names = objective.trains + objective.reads
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  return {name: nets.module(name) for name in names}, objective.trains


def _state(config, net, layer, leaf, value):
  """A state with one parameter that is not finite, or too large."""
  modules, trained = _nets(config)
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  variables = nets.init(jax.random.key(0), [*modules])
  variables = jax.tree.map(np.array, variables)
  if net:
    variables[net]['params'][layer[0]][layer[1]][leaf].flat[0] = value
  optimizer = step_lib.make_optimizer(
      config.discover, num_images=8, batch_size=4,
      rates=dict.fromkeys(trained, 1.0),
  )
  return step_lib.create_state(variables, trained, optimizer)


def _find(config, state, *, accumulate=1, change=lambda loss: loss):
  modules, trained = _nets(config)
  plain = objectives.make_loss(
      objectives.load(config.discover.objective),
      config.discover,
      objectives.StageNets(modules, trained, devices_lib.AXIS),
  )

  def loss(*args):
    loss, rest = plain(*args)
    return change(loss), rest

  devices = jax.devices()[:DEVICES]
  images = np.random.default_rng(0).integers(
      0, 256, (DEVICES, 2, 32, 32, 3), np.uint8
  )
  probe = nonfinite.Probe(loss, devices, accumulate)
  key = devices_lib.replicate(jax.random.key(0), devices)
  state = devices_lib.replicate(state, devices)
  return probe.find(state, devices_lib.share(images, devices), key)


@pytest.mark.parametrize('accumulate', [1, 2])
@pytest.mark.parametrize(
    ('net', 'layer'),
    [
        ('features', ('encoder2', 'conv1')),
        ('landmarks', ('layer4_0', 'conv2')),
    ],
)
def test_the_first_layer_is_named(net, layer, accumulate):
  state = _state(_config(), net, layer, 'kernel', np.nan)
  found = _find(_config(), state, accumulate=accumulate)
  assert found == f'first in the output of layer {net}/{"/".join(layer)}'


def test_the_first_layer_of_a_renderer_is_named():
  config = _config('imm')
  state = _state(config, 'renderer', ('decoder2', 'conv2'), 'kernel', np.nan)
  found = _find(config, state)
  assert found == 'first in the output of layer renderer/decoder2/conv2'


def test_the_loss_alone():
  state = _state(_config(), None, None, None, None)
  found = _find(_config(), state, change=lambda loss: loss / 0.0)
  assert found == 'first in the loss itself'


def test_the_gradient_alone():
  # sqrt has an infinite gradient at 0, which 0 times the loss is; times 0 of
  # the loss's own gradient, that is not a number in all layers that lead there.
  state = _state(_config(), None, None, None, None)
  found = _find(
      _config(), state, change=lambda loss: loss + jnp.sqrt(0.0 * loss)
  )
  assert found.startswith('first in the gradient of landmarks/heatmaps/')


def test_nothing():
  state = _state(_config(), None, None, None, None)
  assert _find(_config(), state) == nonfinite.NOWHERE


def test_names_of_images():
  assert nonfinite.named(['a', 'b']) == 'a, b'
  assert nonfinite.named(list('abcdef')) == 'a, b, c, d and 2 more'


@pytest.fixture
def few_devices(monkeypatch):
  devices = jax.devices()[:DEVICES]
  monkeypatch.setattr(devices_lib, 'local_devices', lambda: devices)
  monkeypatch.setattr(devices_lib, 'all_devices', lambda: devices)


def test_a_stage_names_layer_and_images_and_keeps_the_state_before(
    tmp_path, few_devices
):
  config = _config()
  config.remat = True
  images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
  folder = stage_folder.StageFolder(tmp_path / 'pretrain')
  # Adam's steps are the learning rate: 1e15 is beyond float32 after three
  # convolutions without a norm in between, in the first step after it.
  config.model.norm = 'none'
  config.pretrain.learning_rate = 1e15
  run = functools.partial(
      stages.train, config, images, folder, num_epochs=8,
      names=lambda rows: [f'photo {row}' for row in rows],
  )  # fmt: skip
  said = []
  for _ in range(2):
    with pytest.raises(errors.UserError) as caught:
      run()
    said.append(str(caught.value))
  assert 'pretrain: loss is nan at step 2, first in the output of' in said[0]
  assert 'layer features/encoder2/conv1' in said[0]
  assert 'with the images photo ' in said[0] and '\n' not in said[0]
  assert 'The state before, 1, is kept' in said[0]
  assert said[0] == said[1]
  kept = [path.name for path in (folder.path / 'checkpoints').iterdir()]
  assert kept == ['1']


def test_an_update_that_is_too_large_is_told_from_a_gradient(
    tmp_path, few_devices
):
  config = _config()
  config.pretrain.learning_rate = 1e30  # its square is beyond float32
  images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
  folder = stage_folder.StageFolder(tmp_path / 'pretrain')
  with pytest.raises(errors.UserError) as caught:
    stages.train(config, images, folder, num_epochs=8)
  said = str(caught.value)
  assert 'update_norm is inf at step 1' in said
  assert "in the optimiser's update of finite gradients" in said
  assert 'The state before is the initial one.' in said
