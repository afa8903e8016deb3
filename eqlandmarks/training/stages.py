"""The stages: pretrain, discover (F frozen or not), end-to-end."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from eqlandmarks import models
from eqlandmarks.datasets.base import loader
from eqlandmarks.runs import config_fields
from eqlandmarks.system import fingerprints
from eqlandmarks.system import journal
from eqlandmarks.training import collapse
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import feeding
from eqlandmarks.training import hosts
from eqlandmarks.training import loop
from eqlandmarks.training import metric_files
from eqlandmarks.training import nonfinite
from eqlandmarks.training import objectives
from eqlandmarks.training import stage_folder
from eqlandmarks.training import step as step_lib
from eqlandmarks.training import unlearnable

Names = Callable[[np.ndarray], list[str]]

# Streams of randomness, folded into the run's seed. Every way of training
# landmarks draws the same initial nets, images and warps, so that what differs
# in the result is due to the method.
_STREAMS = {'pretrain': 1, 'discover': 2}

# Fields by which a step of a stage needs less memory, the best one first.
_MEMORY_FIELDS = {
    'pretrain': (
        'batch_size', 'pretrain.num_locations', 'image_size', 'model.widths',
    ),
    'discover': (
        'batch_size', 'model.landmark_width', 'image_size', 'model.widths',
    ),
}  # fmt: skip


def pretrain(
    config: Any,
    images: loader.Images,
    folder: stage_folder.StageFolder,
    *,
    num_epochs: int,
    max_steps: int | None = None,
    names: Names | None = None,
    advise: loop.Advise = loop.in_words,
) -> None:
  """Stage 1: trains F by the contrastive loss.

  Args:
    config: a config with the fields of configs/common.py.
    images: uint8 `[N, S, S, 3]`, the training images, in memory or on disk.
    folder: where the stage is kept; it is resumed where it holds a part.
    num_epochs: passes over the images.
    max_steps: stops earlier than that, to try the stage out.
    names: from rows of the images to their names, for a message; their numbers
      by default.
    advise: says in messages how fields can be changed.
  """
  objective = functools.partial(
      objectives.pretrain, stage=config.pretrain, axis_name=devices_lib.AXIS
  )
  variables = _initial_variables(config, (models.FEATURES,))
  _run_stage(
      'pretrain',
      config,
      stage=config.pretrain,
      num_epochs=num_epochs,
      max_steps=max_steps,
      names=names,
      advise=advise,
      title='pretrain',
      objective=objective,
      variables=variables,
      rates={models.FEATURES: 1.0},
      images=images,
      folder=folder,
  )


def discover(
    config: Any,
    images: loader.Images,
    folder: stage_folder.StageFolder,
    *,
    title: str,
    features: models.Variables | None,
    train_features: bool,
    num_epochs: int,
    max_steps: int | None = None,
    names: Names | None = None,
    advise: loop.Advise = loop.in_words,
) -> None:
  """Stage 2, or the end-to-end baseline, by the same objective.

  Args:
    config: a config with the fields of configs/common.py.
    images: uint8 `[N, S, S, 3]`, the training images, in memory or on disk.
    folder: where the stage is kept; it is resumed where it holds a part.
    title: what the progress bar calls it.
    features: stage 1's variables of F; None starts from those that stage 1
      starts from.
    train_features: whether F is trained with T; it is frozen else.
    num_epochs: passes over the images.
    max_steps: stops earlier than that, to try the stage out.
    names: from rows of the images to their names, for a message; their numbers
      by default.
    advise: says in messages how fields can be changed.
  """
  fresh = [models.LANDMARKS]
  if features is None:
    fresh.append(models.FEATURES)
  variables = _initial_variables(config, fresh)
  rates = {models.LANDMARKS: 1.0}
  if features is not None:
    variables[models.FEATURES] = features
  if train_features:
    pretrained = features is not None
    rate = config.discover.features_rate if pretrained else 1.0
    rates[models.FEATURES] = rate
  objective = functools.partial(
      objectives.discover,
      stage=config.discover,
      train_features=train_features,
      axis_name=devices_lib.AXIS,
  )
  _run_stage(
      'discover',
      config,
      stage=config.discover,
      num_epochs=num_epochs,
      max_steps=max_steps,
      names=names,
      advise=advise,
      title=title,
      objective=objective,
      variables=variables,
      rates=rates,
      images=images,
      folder=folder,
  )


def _run_stage(
    name: str,
    config: Any,
    *,
    stage: Any,
    num_epochs: int,
    max_steps: int | None,
    names: Names | None,
    advise: loop.Advise,
    title: str,
    objective: Any,
    variables: dict[str, models.Variables],
    rates: dict[str, float],
    images: loader.Images,
    folder: stage_folder.StageFolder,
) -> None:
  """Trains, saves, and marks the folder as done."""
  devices = devices_lib.local_devices()
  num_steps = loader.num_steps(len(images), config.batch_size, num_epochs)
  optimizer = step_lib.make_optimizer(
      stage,
      num_images=len(images),
      batch_size=config.batch_size,
      rates=rates,
  )
  step = step_lib.make_step(
      functools.partial(objective, nets=_nets(config, config.remat)),
      optimizer,
      accumulate=config.accumulate,
  )
  everywhere = devices_lib.all_devices()
  end = loop.train(
      loop.Stage(
          title=title,
          step=devices_lib.parallelize(step, everywhere),
          state=step_lib.create_state(variables, tuple(rates), optimizer),
          batches=functools.partial(_batches, images, config, name, devices),
          key=_keys(config, name)[1],
          num_steps=min(num_steps, max_steps or num_steps),
          devices=devices,
          less_memory=[
              *(('lower', field) for field in _MEMORY_FIELDS[name]),
              ('raise', 'accumulate'),
          ],
          less_steep=[
              ('lower', f'{name}.learning_rate'), ('set', f'{name}.clip_norm')
          ],
          advise=advise,
          probe=nonfinite.Probe(
              functools.partial(objective, nets=_nets(config, False)),
              everywhere,
              config.accumulate,
          ),
          names=functools.partial(
              _names_of_batch, len(images), config, name, names
          ),
          sign=_sign(config, name, len(images)),
          config=config_fields.plain(config),
      ),
      folder=folder,
      checkpoint=config.checkpoint,
  )
  if not hosts.is_first():
    return
  folder.finish({
      'epochs': num_epochs,
      'steps': int(end.state.step),
      'seconds_per_step': end.seconds_per_step,
      'best': end.best,
      'images': len(images),
      'sha256': fingerprints.of_parameters(
          {net: v['params'] for net, v in end.state.variables().items()}
      ),
  })
  said = unlearnable.never_fell(name, metric_files.read_metrics(folder.path))
  if said:
    journal.say(f'warning: {title}: {said}')


def _nets(config: Any, remat: bool) -> models.Nets:
  """The nets of a config, under the axis of the step."""
  nets = models.make_nets(config, axis_name=devices_lib.AXIS)
  return dataclasses.replace(
      nets,
      features=nets.features.clone(remat=remat),
      landmarks=nets.landmarks.clone(remat=remat),
  )


def _initial_variables(
    config: Any, names: Sequence[str]
) -> dict[str, models.Variables]:
  """What all training starts from: F of stage 1's stream, T of stage 2's."""
  nets = models.make_nets(config)
  streams = {models.FEATURES: 'pretrain', models.LANDMARKS: 'discover'}
  variables = {}
  for name in names:
    variables |= nets.init(_keys(config, streams[name])[0], [name])
  return variables


def _batches(
    images: loader.Images,
    config: Any,
    name: str,
    devices: list[jax.Device],
    start: int,
) -> Iterator[Any]:
  """Batches from a step on, as the mapped step takes them."""
  order = {
      'batch_size': config.batch_size,
      'seed': _order_seed(config.seed, name),
      'start': start,
      'shard': (jax.process_index(), jax.process_count()),
  }
  # A CPU's own memory is where an array is already.
  if isinstance(images, np.ndarray) and devices[0].platform != 'cpu':
    return feeding.from_devices(images, devices, **order)
  return feeding.from_host(images, devices, **order)


def _names_of_batch(
    num_images: int, config: Any, name: str, names: Names | None, number: int
) -> list[str]:
  """The images of a batch, of all processes together."""
  rows = loader.rows_of_batches(
      num_images,
      batch_size=config.batch_size,
      seed=_order_seed(config.seed, name),
  )[number]
  return names(rows) if names else [str(row) for row in rows]


def _sign(
    config: Any, name: str, num_images: int
) -> Callable[[dict[str, float]], str | None]:
  """What logged rows tell of warps, and past the first epoch of a collapse.

  Each is told once.
  """
  first = name == 'pretrain'
  lasting = collapse.Lasting(collapse.pretrain if first else collapse.discover)
  without_points: list[str] = []

  def sign(row: dict[str, float]) -> str | None:
    past = row['step'] * config.batch_size > num_images
    collapsed = lasting(config, row) if past else None
    few = None if without_points else unlearnable.of_row(name, row)
    if few:
      without_points.append(few)
    return '; '.join(filter(None, (few, collapsed))) or None

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
