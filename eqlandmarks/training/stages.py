"""The stages: pretrain; then discover, after it or from scratch."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from eqlandmarks import models
from eqlandmarks.datasets.base import loader
from eqlandmarks.system import fingerprints
from eqlandmarks.system import journal
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import feeding
from eqlandmarks.training import hosts
from eqlandmarks.training import loop
from eqlandmarks.training import metric_files
from eqlandmarks.training import nonfinite
from eqlandmarks.training import stage_folder
from eqlandmarks.training import step as step_lib
from eqlandmarks.training import unlearnable
from eqlandmarks.training.methods import Method
from eqlandmarks.training.objectives import base as objectives

# The stages, by their sections of the config, and the streams of randomness
# that are folded into the run's seed. All methods draw the same initial nets,
# images and warps, so that what differs in the result is due to the method.
PRETRAIN, DISCOVER = 'pretrain', 'discover'
_STREAMS = {PRETRAIN: 1, DISCOVER: 2}
# The stage by whose stream a net is initialised.
_STAGE_OF_NET = {models.FEATURES: PRETRAIN, models.LANDMARKS: DISCOVER}
# Logged rows, one after the other, that have to show a collapse: a healthy
# training may pass through the loss of a collapsed one on its way.
_ROWS = 3

Names = Callable[[np.ndarray], list[str]]


def train(
    config: Any,
    images: loader.Images,
    folder: stage_folder.StageFolder,
    *,
    method: Method | None = None,
    features: models.Variables | None = None,
    num_epochs: int,
    max_steps: int | None = None,
    names: Names | None = None,
    advise: loop.Advise = loop.in_words,
) -> None:
  """Trains a stage to its end, and marks its folder as done.

  Args:
    config: a config with the fields of configs/common.py.
    images: uint8 `[N, S, S, 3]`, the training images, in memory or on disk.
    folder: where the stage is kept; it is resumed where it holds a part.
    method: that of stage 2, or of the end-to-end training; None for stage 1.
    features: stage 1's variables of F; None starts from those that stage 1
      starts from.
    num_epochs: passes over the images.
    max_steps: stops earlier than that, to try the stage out.
    names: from rows of the images to their names, for a message; their numbers
      by default.
    advise: says in messages how fields can be changed.
  """
  name = DISCOVER if method else PRETRAIN
  num_steps = loader.num_steps(len(images), config.batch_size, num_epochs)
  stage = loop.Stage(
      title=folder.path.name,
      **_make_step(config, name, method, features, len(images)),
      batches=functools.partial(_batches, config, name, images),
      key=_keys(config, name)[1],
      num_steps=min(num_steps, max_steps or num_steps),
      epoch=num_steps / num_epochs,
      devices=devices_lib.local_devices(),
      less_memory=_less_memory(config, name),
      less_steep=[
          ('lower', f'{name}.learning_rate'), ('set', f'{name}.clip_norm')
      ],
      advise=advise,
      names=functools.partial(
          _names_of_batch, config, name, len(images), names
      ),
      sign=_watch(config, name, len(images)),
  )
  end = loop.train(stage, folder=folder, checkpoint=config.checkpoint)
  if not hosts.is_first():
    return
  folder.finish({
      'epochs': num_epochs,
      'steps': int(end.state.step),
      'seconds_per_step': end.seconds_per_step,
      'best': end.best,
      'images': len(images),
      'sha256': fingerprints.of_parameters(end.state.variables()),
  })
  sign = unlearnable.never_fell(name, metric_files.read_metrics(folder.path))
  if sign:
    journal.say(f'warning: {stage.title}: {sign}')


def _make_step(
    config: Any,
    name: str,
    method: Method | None,
    features: models.Variables | None,
    num_images: int,
) -> dict[str, Any]:
  """A stage's step, its initial state, and the probe that inspects a step."""
  section, objective = config[name], _objective(config, name)
  rates = dict.fromkeys(objective.trains, 1.0)
  if method and method.trains_features:
    rates[models.FEATURES] = (
        section.features_rate if method.after_pretrain else 1.0
    )
  variables = {} if features is None else {models.FEATURES: features}
  for net in {*objective.trains, *objective.reads} - {*variables}:
    variables[net] = _initial_variables(config, net)
  optimizer = step_lib.make_optimizer(
      section, num_images=num_images, batch_size=config.batch_size, rates=rates
  )
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  modules = {net: getattr(nets, net) for net in variables}
  # Layers that are computed again could not be looked at.
  plain = {net: module.clone(remat=False) for net, module in modules.items()}

  def make_loss(modules: dict[str, Any]) -> Callable[..., objectives.Output]:
    nets = objectives.StageNets(modules, tuple(rates), devices_lib.AXIS)
    return objectives.make_loss(objective, section, nets)

  step = step_lib.make_step(
      make_loss(modules), optimizer, accumulate=config.accumulate
  )
  devices = devices_lib.all_devices()
  return {
      'step': devices_lib.parallelize(step, devices),
      'state': step_lib.create_state(variables, tuple(rates), optimizer),
      'probe': nonfinite.Probe(
          make_loss(plain), plain, devices, config.accumulate
      ),
  }


def _objective(config: Any, name: str) -> objectives.Objective:
  return objectives.load(config[name].objective, name)


def _initial_variables(config: Any, net: str) -> models.Variables:
  """What all training of a net starts from."""
  key, _ = _keys(config, _STAGE_OF_NET[net])
  return models.make_nets(config).init(key, [net])[net]


def _less_memory(config: Any, name: str) -> loop.Changes:
  """Changes by which a step needs less memory, the best one first."""
  fields = [
      f'{name}.{field}' if field in config[name] else field
      for field in _objective(config, name).less_memory
  ]
  fields = ['batch_size', *fields, 'image_size', 'model.widths']
  return [*(('lower', field) for field in fields), ('raise', 'accumulate')]


def _batches(
    config: Any, name: str, images: loader.Images, start: int
) -> Iterator[Any]:
  """Batches from a step on, as the mapped step takes them."""
  devices = devices_lib.local_devices()
  # A CPU's own memory is where an array is already.
  in_memory = isinstance(images, np.ndarray) and devices[0].platform != 'cpu'
  feed = feeding.from_devices if in_memory else feeding.from_host
  return feed(
      images,
      devices,
      batch_size=config.batch_size,
      seed=_order_seed(config.seed, name),
      start=start,
      shard=(jax.process_index(), jax.process_count()),
  )


def _names_of_batch(
    config: Any, name: str, num_images: int, names: Names | None, number: int
) -> list[str]:
  """The images of a batch, of all processes together."""
  rows = loader.rows_of_batches(
      num_images,
      batch_size=config.batch_size,
      seed=_order_seed(config.seed, name),
  )[number]
  return names(rows) if names else [str(row) for row in rows]


def _watch(
    config: Any, name: str, num_images: int
) -> Callable[[dict[str, float]], str | None]:
  """What logged rows tell: of warps, and past the first epoch of a collapse.

  Each is told once.
  """
  objective = _objective(config, name)
  lasted, told_points = 0, False

  def sign(row: dict[str, float]) -> str | None:
    nonlocal lasted, told_points
    few_points = None if told_points else unlearnable.of_row(name, row)
    told_points = told_points or bool(few_points)
    collapsed = None
    if lasted < _ROWS and row['step'] * config.batch_size > num_images:
      collapsed = objective.collapsed(config, config[name], row)
      lasted = lasted + 1 if collapsed else 0
    believed = collapsed if lasted == _ROWS else None
    return '; '.join(filter(None, (few_points, believed))) or None

  return sign


def _order_seed(seed: int, name: str) -> int:
  # Grain adds the epoch's number to the seed: neighbouring seeds would share
  # their orders, so they are spread over 31 bits.
  mixed = np.random.SeedSequence([seed, _STREAMS[name]]).generate_state(1)
  return int(mixed[0] >> 1)


def _keys(config: Any, name: str) -> tuple[jax.Array, jax.Array]:
  """The keys of a stage: for the initial parameters, and for the steps."""
  key = jax.random.fold_in(jax.random.key(config.seed), _STREAMS[name])
  first, second = jax.random.split(key)
  return first, second
