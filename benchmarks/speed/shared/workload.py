"""The steps that are measured: which config, which images, which state.

The flags defined here are those of every script that measures a step.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import flags
from absl import logging
from ml_collections import ConfigDict
from ml_collections import config_flags

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.configs import common
from eqlandmarks.runs import config_checks
from eqlandmarks.training import devices
from eqlandmarks.training import step as step_lib
from eqlandmarks.training.objectives import base as objectives
from shared import tables

STAGES = ('stage1', 'stage2', 'end_to_end')

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'A file of configs/; without it, --size says what is run.'
)
_SIZE = flags.DEFINE_integer(
    'size', 64,
    'Without --config: 128 is the paper\'s settings, anything else those of '
    'small images, at this side.',
)  # fmt: skip
_BATCH = flags.DEFINE_integer('batch_size', None, 'Images per step.')
_DTYPE = flags.DEFINE_enum(
    'dtype', None, ['float32', 'bfloat16'], 'What convolutions compute in.'
)


def start(num_devices: int | None = None) -> ConfigDict:
  """The config that the flags ask for, on that many CPU devices.

  To be called before any other use of JAX. Where something is wrong, it prints
  one line and exits.

  Args:
    num_devices: by default as many as main.py takes.
  """
  logging.set_verbosity(logging.ERROR)
  try:
    config = _read_config()
    if num_devices is None:
      devices.use_all_cores(config.batch_size)
    elif num_devices < 1 or config.batch_size % num_devices:
      tables.fail(
          f'--devices is {num_devices}, expected a divisor of the batch size, '
          f'{config.batch_size}.'
      )
    else:
      jax.config.update('jax_num_cpu_devices', num_devices)
  except errors.UserError as error:
    tables.fail(str(error))
  count = jax.local_device_count()  # of GPUs, it may be another number
  if config.batch_size % count:
    tables.fail(
        f'the batch size is {config.batch_size}, expected a multiple of '
        f'{count}, the number of devices.'
    )
  return config


def _read_config() -> ConfigDict:
  config = _CONFIG.value
  if config is None:
    config = common.get_config()
    if _SIZE.value != 128:
      common.best(config)
      common.small(config)
      config.image_size, config.num_landmarks = _SIZE.value, 30
    config.batch_size = 16
  if _BATCH.value is not None:
    config.batch_size = _BATCH.value
  if _DTYPE.value:
    config.dtype = _DTYPE.value
  config_checks.check(config)
  return config


def about(config: ConfigDict) -> dict[str, Any]:
  """Prints and returns what no figure means anything without."""
  settings = {
      'size': config.image_size,
      'batch_size': config.batch_size,
      'widths': list(config.model.widths),
      'dtype': config.dtype,
      'device': jax.local_devices()[0].device_kind,
      'num_devices': jax.local_device_count(),
  }
  print(', '.join(f'{k} {v}' for k, v in settings.items()) + '\n')
  return settings


def images(config: ConfigDict, count: int | None = None) -> np.ndarray:
  """Coarse random patterns, uint8 `[count, S, S, 3]`; a batch by default.

  Not noise: a warp of noise leaves nothing that would correspond.
  """
  count = count or config.batch_size
  coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
  resized = jax.jit(
      jax.image.resize, static_argnums=(1, 2)
  )(coarse.astype(np.float32), (count, *2 * [config.image_size], 3), 'cubic')
  return np.asarray(resized).clip(0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage's step, as training builds it.

  Attributes:
    settings: the stage's part of the config.
    nets: F and T.
    optimizer: of the trained nets.
    trained: names of the trained nets.
    mapped: the step over all devices; it uses its state up.
  """

  settings: ConfigDict
  nets: models.Nets
  optimizer: Any
  trained: tuple[str, ...]
  mapped: Callable[..., Any]

  def fresh_state(self) -> step_lib.TrainState:
    """A new state, the same each time, on all devices."""
    variables = self.nets.init(jax.random.key(0))
    if models.LANDMARKS not in self.trained:
      del variables[models.LANDMARKS]
    state = step_lib.create_state(variables, self.trained, self.optimizer)
    return devices.replicate(state, jax.local_devices())


def make_stage(config: ConfigDict, name: str) -> Stage:
  """Builds one of `STAGES` over all local devices."""
  nets = models.make_nets(config, axis_name=devices.AXIS)
  settings, trained = config.pretrain, (models.FEATURES,)
  if name != 'stage1':
    settings, trained = config.discover, (models.LANDMARKS,)
  if name == 'end_to_end':
    trained = (models.LANDMARKS, models.FEATURES)
  optimizer = step_lib.make_optimizer(
      settings, num_images=1000, batch_size=config.batch_size,
      rates=dict.fromkeys(trained, 1.0),
  )  # fmt: skip
  modules = {
      models.FEATURES: nets.features, models.LANDMARKS: nets.landmarks
  }  # fmt: skip
  loss = objectives.make_loss(
      objectives.load(settings.objective),
      settings,
      objectives.StageNets(modules, trained, devices.AXIS),
  )
  mapped = devices.parallelize(
      step_lib.make_step(loss, optimizer, accumulate=config.accumulate),
      jax.local_devices(),
  )
  return Stage(settings, nets, optimizer, trained, mapped)


def key() -> jax.Array:
  """The key of the steps, on all devices."""
  return devices.replicate(jax.random.key(1), jax.local_devices())


def spread(batch: np.ndarray) -> np.ndarray:
  """A batch as the mapped step takes it, `[devices, B / devices, ...]`."""
  return batch.reshape(jax.local_device_count(), -1, *batch.shape[1:])
