"""Trains many recipes in one program, to choose among them. For a GPU.

    python benchmarks/recipes/trials.py --config=configs/folder.py \
        --config.dataset.root=IMAGES --config.dataset.labels=LABELS \
        --data=DATA --trials=trials.json

trials.json is a list such as [{}, {"discover.warp.elastic": 0.08}]: fields of
the config that a trial changes. Numbers (rates, weights, strengths of warps and
colours) are arguments of the compiled programs, so that trials which differ in
these alone are compiled once; 30 of them took six minutes on an H200. The loop
is a plain one: no checkpoints, one device, order and keys of its own, so that
figures are not those of main.py to the bit. Stage 1 is trained once for trials
that agree in it. Fit and score are by the config's splits: give it labels whose
`test` rows are validation images, not those of a result.

Prints a line of JSON a trial: fields, share within 6 px, mean error, seconds.
"""

import dataclasses
import functools
import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app
from absl import flags
from jax.sharding import PartitionSpec
from ml_collections import ConfigDict
from ml_collections import config_flags

from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks import regression
from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import observe
from eqlandmarks.runs import config_fields
from eqlandmarks.training import devices
from eqlandmarks.training.objectives import base as objectives

_CONFIG = config_flags.DEFINE_config_file('config', None, 'Of configs/.')
_DATA = flags.DEFINE_string('data', None, 'Where prepared data are kept.')
_TRIALS = flags.DEFINE_string('trials', None, 'A JSON file.')
# Steps that are compiled as one loop.
_STEPS = 60

_Flat = dict[str, Any]


class _Section(dict):
  """A section of a config whose numbers are arguments of a program."""

  __getattr__ = dict.__getitem__


def _is_argument(name: str, value: Any) -> bool:
  """Whether a field of a stage is an argument of its compiled program."""
  static = ('zoom', 'aspect')  # of which a warp takes the logarithm
  return type(value) is float and value != 0 and not name.endswith(static)


def _section(static: _Flat, numbers: _Flat) -> _Section:
  nested = _Section()
  for name, value in {**static, **numbers}.items():
    *folders, last = name.split('.')
    place = nested
    for folder in folders:
      place = place.setdefault(folder, _Section())
    place[last] = value
  return nested


@dataclasses.dataclass(frozen=True)
class _Program:
  """A stage, compiled for all trials that share what is not a number."""

  trained: tuple[str, ...]
  init: Any
  chunk: Any


@functools.cache
def _program(stage: str, text: str) -> _Program:
  """The program of a stage for static fields, as JSON."""
  plain = json.loads(text)
  config = ConfigDict(plain['model'])
  static = plain['stage']
  objective = objectives.load(static['objective'], stage)
  trained = tuple(plain['trained'])
  nets = models.make_nets(config, axis_name=devices.AXIS)
  used = {*objective.trains, *objective.reads}
  stage_nets = objectives.StageNets(
      {net: getattr(nets, net) for net in used}, trained, devices.AXIS
  )
  adam = optax.scale_by_adam()

  def chunk(params, frozen, opt, images, rows, key, numbers, rates):
    loss = objectives.make_loss(
        objective, _section(static, numbers), stage_nets
    )

    def step(carry, inputs):
      params, opt = carry
      rows, key = inputs

      def total(params):
        variables = frozen | {n: {'params': p} for n, p in params.items()}
        return loss(variables, images[rows], jax.random.split(key, len(rows)))

      grads = jax.grad(total, has_aux=True)(params)[0]
      grads = jax.tree.map(
          lambda g, p: g + numbers['l2'] * p, grads, params
      )
      updates, opt = adam.update(grads, opt)
      params = {
          net: jax.tree.map(
              lambda p, u, rate=rates[net]: p - rate * u, params[net],
              updates[net],
          )
          for net in params
      }  # fmt: skip
      return (params, opt), None

    keys = jax.random.split(key, len(rows))
    return jax.lax.scan(step, (params, opt), (rows, keys))[0]

  mesh = jax.make_mesh((1,), (devices.AXIS,))
  mapped = jax.shard_map(
      chunk, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec(),
      check_vma=False,
  )  # fmt: skip
  return _Program(
      trained,
      jax.jit(lambda key: nets.init(key, sorted(used))),
      jax.jit(mapped, donate_argnums=(0, 2)),
  )


def _train(
    config: ConfigDict, stage: str, images: np.ndarray, features: Any
) -> dict[str, models.Variables]:
  """Trains a stage, and returns the variables of its nets."""
  fields = config_fields.flatten(config[stage].to_dict())
  numbers = {n: v for n, v in fields.items() if _is_argument(n, v)}
  trained = {'pretrain': ['features'], 'discover': ['landmarks']}[stage]
  if stage == 'discover' and config.discover.train_features:
    trained.append('features')
  model = {n: config[n] for n in ('num_landmarks', 'image_size', 'dtype')}
  model |= {'remat': False, 'model': config.model.to_dict()}
  static = {
      n: v
      for n, v in fields.items()
      if n not in numbers and n != 'num_epochs'
  }
  program = _program(stage, json.dumps(
      {'model': model, 'stage': static, 'trained': trained}, sort_keys=True
  ))  # fmt: skip
  key, first = jax.random.split(jax.random.key(config.seed))
  variables = dict(program.init(first))
  if features is not None:
    variables['features'] = features
  params = {
      n: jax.tree.map(jnp.array, variables[n]['params'])
      for n in program.trained
  }
  frozen = {n: v for n, v in variables.items() if n not in params}
  opt = optax.scale_by_adam().init(params)
  generator = np.random.default_rng([config.seed, stage == 'discover'])
  size = config.batch_size
  steps = min(_STEPS, len(images) // size)
  images = jax.device_put(images)
  for epoch in range(config[stage].num_epochs):
    rate = numbers['learning_rate'] * numbers['decay'] ** epoch
    rates = dict.fromkeys(params, rate)
    if stage == 'discover' and 'features' in params:
      rates['features'] = rate * config.discover.features_rate
    rows = generator.permutation(len(images)).astype(np.int32)
    rows = rows[: len(rows) // (size * steps) * size * steps]
    for part in rows.reshape(-1, steps, size):
      key, own = jax.random.split(key)
      params, opt = program.chunk(
          params, frozen, opt, images, part, own, numbers, rates
      )
  return frozen | {n: {'params': p} for n, p in params.items()}


def main(_: list[str]) -> None:
  """Prints a line for each trial."""
  base, stages_1 = _CONFIG.value, {}
  builder = by_name.make_builder(
      base.dataset, image_size=base.image_size, data_dir=_DATA.value
  )
  caching.prepare(builder, 'trials')
  about = loader.describe(builder)
  images = loader.open_images(builder, about.stage_split, memory_gib=16)
  fit = loader.load(builder, about.fit_split)
  test = loader.load(builder, about.test_split)
  for changes in json.loads(pathlib.Path(_TRIALS.value).read_text()):
    config, start = base.copy_and_resolve_references(), time.time()
    config.update_from_flattened_dict(changes)
    first = str([config.seed, config.model, config.pretrain])
    if first not in stages_1:
      stages_1[first] = _train(config, 'pretrain', images, None)['features']
    variables = _train(config, 'discover', images, stages_1[first])
    regressor = regression.from_config(
        observe.find_landmarks(config, variables, fit.images), fit.points,
        config,
    )  # fmt: skip
    predicted = regressor.predict(
        observe.find_landmarks(config, variables, test.images)
    )
    errors = metrics.to_128(
        metrics.distances(predicted, test.points), config.image_size
    )
    print(json.dumps({
        **changes,
        'pck': float(metrics.share_within(errors, 6.0).value),
        'error_px': float(metrics.Mean.of(errors).value),
        'seconds': round(time.time() - start, 1),
    }), flush=True)  # fmt: skip


if __name__ == '__main__':
  flags.mark_flags_as_required(['config', 'data', 'trials'])
  app.run(main)
