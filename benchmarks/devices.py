"""One device against several, on the same global batches.

    python benchmarks/devices.py --size=64

The CPU is split into 1, 2, 4 and 8 devices, each in a process of its own. After
a few steps of each stage in float32: how far the losses of all steps lie apart,
relative to the loss; how far the first gradient does, relative to its norm; how
far the parameters do, relative to the largest change of any; and how much
longer a step takes. Adam makes full steps of gradients that are nothing but
rounding: a parameter without any other (`dead_parameters`) would be compared
apart from the `live` ones. The points that leave the image are masked; `used`
is the share of those that count. More devices than cores only share the cores:
what they cost is overhead.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import jax
import numpy as np
import tabulate
from absl import app
from absl import flags

from eqlandmarks import errors
from eqlandmarks.system import huge_pages
from parts import timing
from parts import workload

flags.adopt_module_key_flags(workload)
_STEPS = flags.DEFINE_integer(
    'steps', 10, 'Steps that are compared; the median counts as time.'
)
_COUNTS = flags.DEFINE_list('counts', ['1', '2', '4', '8'], 'Devices.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')
_ONE = flags.DEFINE_integer('one', None, 'For its own use: so many devices.')
_OUTPUT = flags.DEFINE_string('output', None, 'For its own use: a .npz file.')

# Below such a share of the largest gradient, nothing but rounding is left.
_ROUNDING = 1e-5

# Name of the case: the stage, and what is changed in the config.
_CASES = {
    'stage1, negatives of the batch': ('stage1', 'batch'),
    'stage1, negatives of the image': ('stage1', 'image'),
    'stage2': ('stage2', 'batch'),
}


def _run_all(config: Any) -> dict[str, np.ndarray]:
  """All cases on this process's devices."""
  found = {}
  for case, (name, negatives) in _CASES.items():
    config.pretrain.negatives = negatives
    for what, value in _run(config, name).items():
      found[f'{case}/{what}'] = value
  return found


def _run(config: Any, name: str) -> dict[str, np.ndarray]:
  """Losses, parameters before and after, and the time of a step."""
  stage, key = workload.make_stage(config, name), workload.key()
  batches = workload.images(config, _STEPS.value * config.batch_size)
  batches = batches.reshape(_STEPS.value, -1, *batches.shape[1:])
  state = stage.fresh_state()
  before, rows, times, gradient = _flat(state.params), [], [], None
  for batch in batches:
    begin = time.perf_counter()
    state, metrics = stage.mapped(state, workload.spread(batch), key)
    rows.append(jax.device_get(metrics))
    times.append(time.perf_counter() - begin)
    if gradient is None:  # Adam's first moment, up to a factor
      gradient = _flat(_moment(state.opt_state, 'mu'))
  return {
      'losses': np.array([row['loss'] for row in rows], np.float64),
      'used': np.mean([row['points_used'] for row in rows]),
      'before': before,
      'after': _flat(state.params),
      'gradient': gradient,
      'live': _live(_moment(state.opt_state, 'nu')),
      'ms': 1e3 * np.median(times[1:]),  # the first one compiles
  }


def _moment(opt_state: Any, name: str) -> list[np.ndarray]:
  """Adam's first (mu) or second (nu) moments, in the parameters' order."""
  return [
      np.asarray(leaf)
      for path, leaf in jax.tree.leaves_with_path(opt_state)
      if f'.{name}[' in jax.tree_util.keystr(path)
  ]


def _live(squares: list[np.ndarray]) -> np.ndarray:
  """Which parameters have a gradient above the rounding of the largest one."""
  sizes = [np.sqrt(leaf.mean()) for leaf in squares]
  return np.concatenate([
      np.full(leaf.size, size > _ROUNDING * max(sizes))
      for leaf, size in zip(squares, sizes, strict=True)
  ])


def _flat(params: Any) -> np.ndarray:
  return np.concatenate(
      [np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(params))]
  ).astype(np.float64)


def _alone(count: int, folder: pathlib.Path) -> dict[str, np.ndarray]:
  """The same in a process with so many devices."""
  path = folder / f'{count}.npz'
  run = [sys.executable, *sys.argv, f'--one={count}', f'--output={path}']
  done = subprocess.run(run, env={**os.environ, 'JAX_PLATFORMS': 'cpu'})
  if done.returncode:
    timing.fail(f'the process with {count} devices ended before its end.')
  with np.load(path, allow_pickle=False) as stored:
    return dict(stored)


def _compare(
    found: dict[str, np.ndarray], one: dict[str, np.ndarray], case: str
) -> dict[str, float]:
  """Differences from one device, and how much longer a step takes."""
  this, that = (
      {
          key.split('/')[1]: value
          for key, value in arrays.items()
          if key.startswith(f'{case}/')
      }
      for arrays in (found, one)
  )
  losses = np.abs(this['losses'] - that['losses']) / np.abs(that['losses'])
  change = np.abs(that['after'] - that['before']).max()
  apart = np.abs(this['after'] - that['after']) / change
  turned = np.linalg.norm(this['gradient'] - that['gradient'])
  return {
      'loss_difference': float(losses.max()),
      'gradient_difference': float(
          turned / np.linalg.norm(that['gradient'])
      ),
      'parameter_difference': float(apart.max()),
      'live_parameter_difference': float(apart[that['live']].max()),
      'dead_parameters': int((~that['live']).sum()),
      'points_used': float(this['used']),
      'ms': float(this['ms']),
      'time_ratio': float(this['ms'] / that['ms']),
  }


def _print(figures: dict[str, dict[str, dict[str, float]]]) -> None:
  for case, by_count in figures.items():
    rows = [
        (
            count, f'{f["loss_difference"]:.1e}',
            f'{f["gradient_difference"]:.1e}',
            f'{f["parameter_difference"]:.1e}',
            f'{f["live_parameter_difference"]:.1e}',
            f'{100 * f["points_used"]:.0f} %', f'{f["ms"]:.0f}',
            f'{f["time_ratio"]:.2f}',
        )
        for count, f in by_count.items()
    ]  # fmt: skip
    heads = (
        f'devices ({case})', 'loss differs by', 'gradient by', 'parameters by',
        'live by', 'used', 'ms per step', 'to one device',
    )  # fmt: skip
    print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True) + '\n')


def main(_: list[str]) -> None:
  """Prints the tables."""
  try:
    config = workload.read_config()
    counts = [int(count) for count in _COUNTS.value]
    if _ONE.value:
      workload.use_devices(config, _ONE.value)
      np.savez(_OUTPUT.value, **_run_all(config))
      return
    for count in counts:
      if count < 1 or config.batch_size % count:
        raise errors.UserError(
            f'--counts has {count}, expected divisors of the batch size, '
            f'{config.batch_size}.'
        )
  except ValueError as error:
    timing.fail(str(error))
  with tempfile.TemporaryDirectory() as folder:
    found = {count: _alone(count, pathlib.Path(folder)) for count in counts}
  one = found[counts[0]]
  figures = {
      case: {str(n): _compare(found[n], one, case) for n in counts}
      for case in _CASES
  }
  _print(figures)
  if _JSON.value:
    print(json.dumps({
        'size': config.image_size, 'batch_size': config.batch_size,
        'steps': _STEPS.value, 'cases': figures,
    }))  # fmt: skip


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
