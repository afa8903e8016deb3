"""How long a training step takes, whole and in parts, and what limits it.

    python benchmarks/speed/step.py --size=128
    python benchmarks/speed/step.py --config=configs/signer.py --profile=trace

Each part is compiled apart and mapped over the same devices as in training.
Operations are those of all convolutions and matmuls; their share is of the
fastest matmul of the same run. `backward` is the nets' gradient less their
forward pass, and the losses and the update are what is left of the whole step,
which overlaps and fuses the parts.
"""

import collections
import gzip
import json
import pathlib
import re
from typing import Any

import jax
from absl import app
from absl import flags

from eqlandmarks.system import huge_pages
from shared import step_parts
from shared import tables
from shared import timing
from shared import workload

flags.adopt_module_key_flags(workload)
_STAGES = flags.DEFINE_multi_enum(
    'stage', ['stage1', 'stage2'], workload.STAGES, 'What is measured.'
)
_REPEATS = flags.DEFINE_integer('repeats', 7, 'Calls; the median counts.')
_DEVICES = flags.DEFINE_integer(
    'devices', None, 'CPU devices; by default as main.py takes them.'
)
_PROFILE = flags.DEFINE_string('profile', None, 'Folder for a trace.')
_WHOLE = flags.DEFINE_bool('whole', False, 'Leaves out the parts.')


def _measure(config: Any, name: str) -> dict[str, tuple[float, float]]:
  """Seconds and operations of each part, and the step's temporary memory."""
  stage = workload.make_stage(config, name)
  batch = workload.spread(workload.images(config))
  parts = {} if _WHOLE.value else step_parts.parts(stage, batch)
  whole = step_parts.whole(stage, batch)
  costs = {
      name: (timing.seconds(part.call, _REPEATS.value), part.flops)
      for name, part in {**parts, 'whole': whole}.items()
  }
  if _PROFILE.value:
    _show_trace(whole, f'{_PROFILE.value}/{name}')
  memory = whole.compiled.memory_analysis().temp_size_in_bytes / 2**20
  print(f'{memory:.0f} MiB of temporary memory on each device\n')
  if parts:  # the gradient is forward and backward
    gradient, step = costs.pop('gradient'), costs.pop('whole')
    rest = _minus(step, gradient)
    costs['backward'] = _minus(gradient, costs['forward'])
    costs['losses, update'] = _minus(rest, costs['augment'])
    costs['all but the nets'] = rest
    costs['whole'] = step
  return costs


def _minus(
    one: tuple[float, float], other: tuple[float, float]
) -> tuple[float, float]:
  return one[0] - other[0], one[1] - other[1]


def _show(
    name: str, costs: dict[str, tuple[float, float]], peak: float
) -> dict[str, dict[str, float]]:
  """Prints the table; returns its figures."""
  whole = costs['whole'][0]
  figures = {
      part: {
          'ms': 1e3 * seconds,
          'share': seconds / whole,
          'gflop': 1e-9 * flops,
          # The backward pass may take less than the times' noise.
          'share_of_peak': max(1e-9 * flops / seconds / peak, 0.0),
      }
      for part, (seconds, flops) in costs.items()
  }
  heads = (name, 'ms', 'of the step', 'GFLOP', 'of the peak')
  forms = ('.1f', '.0%', '.2f', '.0%')
  tables.show(heads, [
      (part, *map(format, row.values(), forms)) for part, row in figures.items()
  ])  # fmt: skip
  return figures


def _show_trace(whole: step_parts.Part, folder: str) -> None:
  """Keeps a trace for TensorBoard or Perfetto, and adds up operations' times.

  Threads and devices are added up.
  """
  with jax.profiler.trace(folder):
    for _ in range(5):
      jax.block_until_ready(whole.call())
  traces = pathlib.Path(folder).rglob('*.trace.json.gz')
  newest = max(traces, key=lambda path: path.stat().st_mtime)
  with gzip.open(newest) as file:
    events = json.load(file)['traceEvents']
  sources = dict(re.findall(
      r'^ *(?:ROOT )?%?([\w.-]+) = .*op_name="([^"]*)"',
      whole.compiled.as_text(), re.MULTILINE,
  ))  # fmt: skip
  times: collections.Counter[str] = collections.Counter()
  for event in events:
    operation = event.get('args', {}).get('hlo_op')
    if event.get('ph') == 'X' and operation in sources:
      times[operation] += event['dur']
  print('the operations that take longest:\n')
  tables.show(('operation', 'from', 'time'), [
      (name, '/'.join(sources[name].split('/')[-4:]),
       f'{time / times.total():.1%}')
      for name, time in times.most_common(15)
  ])  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the tables."""
  config = workload.start(_DEVICES.value)
  result = workload.about(config)
  peak = timing.matmul_peak(config.dtype)
  print(f'peak of a matmul: {peak:.0f} GFLOP/s\n')
  result['peak_gflop_per_second'] = peak
  for name in _STAGES.value:
    figures = _show(name, _measure(config, name), peak)
    rate = 1e3 * config.batch_size / figures['whole']['ms']
    print(f'{rate:.1f} images/s\n')
    result[name] = {'images_per_second': rate, 'parts': figures}
  tables.finish(result)


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
