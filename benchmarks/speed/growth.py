"""How step time grows with one thing after another, and by which power.

    python benchmarks/speed/growth.py --size=64 --repeats=3

Whole steps; all but what grows stay as the config has it. The exponent is the
slope of a line through the logarithms. CPU devices are counted by processes of
their own: their number cannot change within one.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import jax
import numpy as np
from absl import app
from absl import flags

from eqlandmarks.system import huge_pages
from shared import step_parts
from shared import tables
from shared import timing
from shared import workload

flags.adopt_module_key_flags(workload)
_REPEATS = flags.DEFINE_integer('repeats', 7, 'Calls; the median counts.')

# Fields of the config, in which stages, and the values they take.
_BOTH = ('stage1', 'stage2')
_GROWN = {
    'image_size': (_BOTH, (32, 48, 64, 96, 128)),
    'batch_size': (_BOTH, (4, 8, 16, 32)),
    'pretrain.num_locations': (('stage1',), (32, 64, 128, 256, 512)),
    'num_landmarks': (('stage2',), (10, 20, 40, 80)),
}
_DEVICES = (1, 2, 4, 8)
_WHAT = flags.DEFINE_multi_enum(
    'what', [*_GROWN, 'devices'], [*_GROWN, 'devices'], 'What grows.'
)


def _milliseconds(config: Any, field: str, value: int, name: str) -> float:
  changed = config.copy_and_resolve_references()
  changed.update_from_flattened_dict({field: value})
  stage = workload.make_stage(changed, name)
  batch = workload.spread(workload.images(changed))
  call = step_parts.whole(stage, batch).call
  return 1e3 * timing.seconds(call, _REPEATS.value)


def _of_devices(count: int) -> dict[str, float]:
  """Milliseconds of both stages, by `step.py` on so many CPU devices."""
  done = subprocess.run(
      [
          sys.executable, str(pathlib.Path(__file__).with_name('step.py')),
          *(a for a in sys.argv[1:] if 'json' not in a and 'what' not in a),
          f'--devices={count}', '--whole', '--json',
      ],
      capture_output=True, text=True, check=True,
      env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  )  # fmt: skip
  figures = json.loads(done.stdout.splitlines()[-1])
  return {name: figures[name]['parts']['whole']['ms'] for name in _BOTH}


def _show(what: str, times: dict[str, dict[int, float]]) -> None:
  """A row a stage, a column a value."""
  values = [str(value) for value in next(iter(times.values()))]
  rows = []
  for name, by_value in times.items():
    logs = np.log([*by_value.items()])
    slope = np.polyfit(*logs.T, 1)[0] if len(logs) > 1 else np.nan
    rows.append(
        (name, *(f'{ms:.0f}' for ms in by_value.values()), f'{slope:.2f}')
    )
  tables.show((f'ms per step, by {what}', *values, 'exponent'), rows)


def main(_: list[str]) -> None:
  """Prints the tables."""
  config = workload.start()
  result = workload.about(config)
  num_devices = jax.local_device_count()
  for field in (f for f in _GROWN if f in _WHAT.value):
    names, values = _GROWN[field]
    if field == 'batch_size':
      values = [value for value in values if value % num_devices == 0]
    result[field] = {
        name: {v: _milliseconds(config, field, v, name) for v in values}
        for name in names
    }
    _show(field, result[field])
  if 'devices' in _WHAT.value:
    counts = [n for n in _DEVICES if config.batch_size % n == 0]
    figures = {count: _of_devices(count) for count in counts}
    result['devices'] = {
        name: {n: figures[n][name] for n in counts} for name in _BOTH
    }
    _show('devices', result['devices'])
  tables.finish(result)


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
