"""The same steps here and in PyTorch, with kornia's colours, in turns.

    pip install torch kornia
    python benchmarks/speed/against_torch.py --size=128

Whole steps, from uint8 images in the host's memory to updated parameters, with
warps, changes of appearance, nets of the same widths, losses, and Adam. Each
side is a process of its own with all cores; one works at a time, a block of
steps each, and each block gives a ratio with the one beside it. Where there is
a GPU, both use it, and PyTorch compiles.
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
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
_PAIRS = flags.DEFINE_integer('pairs', 5, 'Blocks of steps on each side.')
_SECONDS = flags.DEFINE_float('seconds', 1.5, 'About so long is a block.')
_HUGE_PAGES = flags.DEFINE_bool(
    'torch_huge_pages', False,
    'Gives PyTorch huge pages too, which training here asks for by itself.',
)  # fmt: skip
_SIDE = flags.DEFINE_string('side', None, 'For its own use: be this side.')

_MEASURED = ('stage1', 'stage2', 'features_gradient')

# Does so many steps of a name.
Run = Callable[[str, int], None]


def _ours(config: Any) -> tuple[Run, str]:
  """The steps, and the device's name."""
  batch = workload.spread(workload.images(config))
  calls: dict[str, Callable[[], Any]] = {}

  def make(name: str) -> Callable[[], Any]:
    if name == 'features_gradient':
      return step_parts.features_gradient(config, batch)
    return step_parts.whole(workload.make_stage(config, name), batch).call

  def run(name: str, steps: int) -> None:
    call = calls.setdefault(name, calls.get(name) or make(name))
    for _ in range(steps):
      result = call()
    jax.block_until_ready(result)

  return run, jax.local_devices()[0].device_kind


def _theirs(config: Any) -> tuple[Run, str]:
  import torch

  from shared import torch_steps

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  gpu = torch.cuda.is_available()
  steps = torch_steps.Steps(config, workload.images(config))
  name = torch.cuda.get_device_name() if gpu else 'cpu'
  return steps.run, f'torch {torch.__version__} on {name}'


def _serve(run: Run, device: str) -> None:
  """What a side does: blocks of steps, as they are asked for."""
  print(json.dumps(device), flush=True)
  for line in sys.stdin:
    name, steps = json.loads(line)
    # In training, a step follows a step. The other side had the caches, and
    # the system took back the memory that this one gave up.
    run(name, 1)
    begin = time.perf_counter()
    run(name, steps)
    print(json.dumps((time.perf_counter() - begin) / steps), flush=True)


class _Side:
  """A process that does steps when asked to."""

  def __init__(self, name: str):
    environment = dict(os.environ)
    if huge_pages.wanted() and (name == 'ours' or _HUGE_PAGES.value):
      environment[huge_pages.VARIABLE] = huge_pages.WISH
    self._process = subprocess.Popen(
        [sys.executable, *sys.argv, f'--side={name}'], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    self.device = self._answer()

  def seconds(self, name: str, steps: int) -> float:
    """Time per step of a block of them."""
    self._process.stdin.write(json.dumps([name, steps]) + '\n')
    self._process.stdin.flush()
    return self._answer()

  def close(self) -> None:
    self._process.stdin.close()
    self._process.wait()

  def _answer(self) -> Any:
    line = self._process.stdout.readline()
    if not line:
      tables.fail('one side stopped; what it said stands above.')
    return json.loads(line)


def _compare(
    ours: _Side, theirs: _Side, name: str
) -> list[tuple[float, float]]:
  """Seconds per step of (ours, theirs), pair by pair."""
  for side in (ours, theirs):
    side.seconds(name, 3)  # compiles
  slower = max(side.seconds(name, 1) for side in (ours, theirs))
  steps = max(1, math.ceil(_SECONDS.value / slower))
  return [
      (ours.seconds(name, steps), theirs.seconds(name, steps))
      for _ in range(_PAIRS.value)
  ]


def main(_: list[str]) -> None:
  """Prints the table."""
  for package in ('torch', 'kornia'):
    if importlib.util.find_spec(package) is None:
      tables.fail(
          f'found no {package}, expected both: pip install torch kornia.'
      )
  if _SIDE.value:
    config = workload.start()
    _serve(*(_ours if _SIDE.value == 'ours' else _theirs)(config))
    return
  os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'  # both share a GPU
  config = workload.start()
  ours, theirs = sides = _Side('ours'), _Side('torch')
  figures = {
      name: timing.summary(_compare(ours, theirs, name)) for name in _MEASURED
  }
  for side in sides:
    side.close()
  about = workload.about(config)
  print(' against '.join(side.device for side in sides) + '\n')
  tables.show(('', 'ours, images/s', 'PyTorch', 'ratio', 'least', 'most'), [
      (name, *(f'{config.batch_size / seconds:.1f}' for seconds in row[:2]),
       *(f'{ratio:.2f}' for ratio in row[2:]))
      for name, row in figures.items()
  ])  # fmt: skip
  tables.finish({**about, 'ratios': {n: row[2] for n, row in figures.items()}})


if __name__ == '__main__':
  app.run(main)
