"""How long a training step takes, whole and in parts, and what limits it.

    python benchmarks/step.py --size=128
    python benchmarks/step.py --config=configs/signer.py --profile=/tmp/trace
    python benchmarks/step.py --sweep --plot=growth.png

Each part is compiled apart and mapped over the same devices as in training.
Operations are the compiler's count on a CPU, less products with zeros that a
widened kernel brings, and those of all convolutions and matmuls elsewhere; the
share is of the fastest matmul of the same run.
`backward` is the nets' gradient less their forward pass. The parts need not add
up to the whole, which overlaps and fuses them.
"""

import json

import tabulate
from absl import app
from absl import flags

from eqlandmarks import errors
from eqlandmarks.system import huge_pages
from parts import pieces
from parts import sweep
from parts import timing
from parts import tracing
from parts import workload

flags.adopt_module_key_flags(workload)
_STAGES = flags.DEFINE_multi_enum(
    'stage', ['stage1', 'stage2'], workload.STAGES, 'What is measured.'
)
_REPEATS = flags.DEFINE_integer('repeats', 7, 'Calls; the median counts.')
_DEVICES = flags.DEFINE_integer(
    'devices', None, 'CPU devices to split the cores into; as main.py else.'
)
_PROFILE = flags.DEFINE_string('profile', None, 'Folder for a trace.')
_SWEEP = flags.DEFINE_bool('sweep', False, 'Step time as the work grows.')
_PLOT = flags.DEFINE_string('plot', None, 'With --sweep: a PNG of it.')
_WHOLE = flags.DEFINE_bool('whole', False, 'Leaves out the parts.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')


def _measure(
    config, name: str, peak: float
) -> tuple[dict[str, dict[str, float]], float]:
  """Time (ms), operations and share of the peak, by part; temporary MiB."""
  stage = workload.make_stage(config, name)
  batch = workload.spread(workload.images(config))
  rows: dict[str, tuple[float, float]] = {}
  if not _WHOLE.value:
    for part, piece in pieces.parts(stage, batch).items():
      rows[part] = timing.seconds(piece.call, _REPEATS.value), piece.flops
  step = pieces.whole(stage, batch)
  rows['whole'] = timing.seconds(step.call, _REPEATS.value), step.flops
  if 'gradient' in rows:
    rows = _with_backward(rows)
  if _PROFILE.value:
    _print_trace(name, tracing.trace(
        step.call, step.compiled, f'{_PROFILE.value}/{name}'
    ))  # fmt: skip
  memory = step.compiled.memory_analysis().temp_size_in_bytes / 2**20
  found = {
      part: {
          'ms': 1e3 * took,
          'gflop': 1e-9 * flops,
          'gflop_per_second': 1e-9 * flops / took if took > 0 else 0.0,
          'share_of_peak': 1e-9 * flops / took / peak if took > 0 else 0.0,
      }
      for part, (took, flops) in rows.items()
  }
  return found, memory


def _with_backward(
    rows: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
  """The backward pass is what the gradient takes beyond the forward pass."""
  both, forward, whole = (rows[n] for n in ('gradient', 'forward', 'whole'))
  backward = tuple(a - b for a, b in zip(both, forward, strict=True))
  rest = tuple(a - b for a, b in zip(whole, both, strict=True))
  return {
      **{n: rows[n] for n in ('augment', 'forward')},
      'backward': backward,
      **{n: rows[n] for n in ('loss', 'update', 'whole')},
      'all but the nets': rest,
  }


def _print_trace(name: str, found: list[tuple[str, str, float]]) -> None:
  print(f'{name}, the operations that take longest:\n')
  rows = [(op, source, f'{100 * s:.1f} %') for op, source, s in found[:15]]
  print(tabulate.tabulate(rows, ('operation', 'from', 'time'), 'pipe') + '\n')


def _print_parts(name: str, found: dict[str, dict[str, float]]) -> None:
  whole = found['whole']['ms']
  rows = [
      (
          part, f'{v["ms"]:.1f}', f'{100 * v["ms"] / whole:.0f} %',
          f'{v["gflop"]:.2f}', f'{v["gflop_per_second"]:.0f}',
          f'{100 * v["share_of_peak"]:.0f} %',
      )
      for part, v in found.items()
  ]  # fmt: skip
  heads = (name, 'ms', 'of the step', 'GFLOP', 'GFLOP/s', 'of the peak')
  print(tabulate.tabulate(
      rows, heads, 'pipe', disable_numparse=True,
      colalign=('left', *5 * ['right']),
  ) + '\n')  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the tables."""
  try:
    config = workload.read_config()
    workload.use_devices(config, _DEVICES.value)
  except errors.UserError as error:
    timing.fail(str(error))
  if _SWEEP.value:
    found = sweep.measure(config, _STAGES.value, _REPEATS.value)
    sweep.show(found, _PLOT.value)
    if _JSON.value:
      print(json.dumps({**workload.about(config), 'sweep': found}))
    return
  peak = timing.matmul_peak(config.dtype)
  about = workload.about(config)
  print(', '.join(f'{k} {v}' for k, v in about.items()))
  print(f'peak of a matmul: {peak:.0f} GFLOP/s\n')
  result = {**about, 'peak_gflop_per_second': peak}
  for name in _STAGES.value:
    found, memory = _measure(config, name, peak)
    _print_parts(name, found)
    images = 1e3 * config.batch_size / found['whole']['ms']
    print(
        f'{images:.1f} images/s, {memory:.0f} MiB of temporary memory on each '
        'device\n'
    )
    result[name] = {
        'images_per_second': images, 'temporary_mib': memory, 'parts': found,
    }  # fmt: skip
    if 'all but the nets' in found:
      rest = found['all but the nets']['ms'] / found['whole']['ms']
      result[name]['share_of_all_but_the_nets'] = rest
  if _JSON.value:
    print(json.dumps(result))


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
