"""The same steps here and in PyTorch, with kornia's colours, in turns.

    pip install torch kornia
    python benchmarks/against_torch.py --size=128

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
import statistics
import subprocess
import sys
import time
from typing import Any

import jax
import tabulate
from absl import app
from absl import flags

from eqlandmarks import errors
from eqlandmarks.system import huge_pages
from parts import pieces
from parts import timing
from parts import workload

flags.adopt_module_key_flags(workload)
_PAIRS = flags.DEFINE_integer('pairs', 5, 'Blocks of steps on each side.')
_SECONDS = flags.DEFINE_float('seconds', 1.5, 'About so long is a block.')
_FORMAT = flags.DEFINE_enum(
    'memory_format', 'channels_last', ['channels_last', 'contiguous'],
    "PyTorch's layout of images; the first is its faster one.",
)  # fmt: skip
_COMPILE = flags.DEFINE_enum(
    'torch_compile', None, ['off', 'default', 'reduce-overhead'],
    "torch.compile's mode; default on a GPU, off elsewhere.",
)  # fmt: skip
_HUGE_PAGES = flags.DEFINE_bool(
    'torch_huge_pages', False,
    'Gives PyTorch huge pages too, which training here asks for by itself.',
)  # fmt: skip
_MEASURED = flags.DEFINE_multi_enum(
    'what', ['stage1', 'stage2', 'features_gradient'],
    ['stage1', 'stage2', 'features_gradient'], 'What is measured.',
)  # fmt: skip
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')
_SIDE = flags.DEFINE_string('side', None, 'For its own use: be this side.')


def _ours(config: Any) -> tuple[Any, str]:
  """A function that does so many steps of a name, and the device's name."""
  batch = workload.spread(workload.images(config))
  held: dict[str, Any] = {}

  def make(name: str) -> Any:
    if name in ('stage1', 'stage2'):
      return pieces.whole(workload.make_stage(config, name), batch).call
    return pieces.features_gradient(config, batch)

  def run(name: str, steps: int) -> None:
    if name not in held:
      held[name] = make(name)
    for _ in range(steps):
      result = held[name]()
    jax.block_until_ready(result)

  return run, jax.local_devices()[0].device_kind


def _theirs(config: Any) -> tuple[Any, str]:
  import torch

  from parts import torch_steps

  torch.set_num_threads(len(os.sched_getaffinity(0)))
  gpu = torch.cuda.is_available()
  mode = _COMPILE.value or ('default' if gpu else 'off')
  steps = torch_steps.Steps(
      config, workload.images(config),
      channels_last=_FORMAT.value == 'channels_last',
      compile_mode=None if mode == 'off' else mode,
  )  # fmt: skip
  name = torch.cuda.get_device_name() if gpu else 'cpu'
  return steps.run, f'{name}, torch {torch.__version__}, compile {mode}'


def _serve(config: Any) -> None:
  """What a side does: blocks of steps, as they are asked for."""
  run, device = _ours(config) if _SIDE.value == 'ours' else _theirs(config)
  print(json.dumps(device), flush=True)
  for line in sys.stdin:
    name, steps = json.loads(line)
    # In training, a step follows a step. The other side had the caches, and
    # the system took back the memory that this one gave up.
    run(name, 1)
    begin = time.perf_counter()
    run(name, steps)
    print(json.dumps(time.perf_counter() - begin), flush=True)


class _Side:
  """A process that does steps when asked to."""

  def __init__(self, name: str):
    environment = {**os.environ, 'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}
    if huge_pages.wanted() and (name == 'ours' or _HUGE_PAGES.value):
      environment[huge_pages.VARIABLE] = huge_pages.WISH
    self._process = subprocess.Popen(
        [sys.executable, *sys.argv, f'--side={name}'], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    self.device = self.answer()

  def ask(self, name: str, steps: int) -> None:
    """Begins a block of steps."""
    self._process.stdin.write(json.dumps([name, steps]) + '\n')
    self._process.stdin.flush()

  def answer(self) -> Any:
    """What the process says next: of a block, its seconds."""
    line = self._process.stdout.readline()
    if not line:
      timing.fail('one side stopped; what it said stands above.')
    return json.loads(line)

  def seconds(self, name: str, steps: int) -> float:
    """Time per step of a block of them."""
    self.ask(name, steps)
    return self.answer() / steps

  def close(self) -> None:
    self._process.stdin.close()
    self._process.wait()


def _of_pages() -> str:
  if not huge_pages.wanted():
    return 'memory as the system gives it'
  return 'huge pages on ' + ('both sides' if _HUGE_PAGES.value else 'our side')


def _compile(sides: tuple[_Side, _Side]) -> None:
  """Both sides at once: nothing is measured yet."""
  for name in _MEASURED.value:
    for side in sides:
      side.ask(name, 3)
  for _ in _MEASURED.value:
    for side in sides:
      side.answer()


def _compare(
    ours: _Side, theirs: _Side, name: str
) -> list[tuple[float, float]]:
  """Seconds per step of (ours, theirs), pair by pair."""
  slower = max(side.seconds(name, 1) for side in (ours, theirs))
  steps = max(1, math.ceil(_SECONDS.value / slower))
  return [
      (ours.seconds(name, steps), theirs.seconds(name, steps))
      for _ in range(_PAIRS.value)
  ]


def _report(
    config: Any, found: dict[str, list[tuple[float, float]]], device: str
) -> dict[str, Any]:
  """Prints the table, and returns the figures."""
  rows, figures = [], {}
  for name, pairs in found.items():
    rates = [
        config.batch_size / statistics.median(side)
        for side in zip(*pairs, strict=True)
    ]
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    middle = statistics.median(ratios)
    rows.append((
        name.replace('_', ' '), *(f'{rate:.1f}' for rate in rates),
        f'{middle:.2f}', f'{ratios[0]:.2f}', f'{ratios[-1]:.2f}',
    ))  # fmt: skip
    figures[f'ratio_{name}'] = middle
    figures[f'ratios_{name}'] = ratios
    figures[f'images_per_second_{name}'] = rates[0]
    figures[f'torch_images_per_second_{name}'] = rates[1]
  heads = ('', 'ours, images/s', 'PyTorch', 'ratio', 'least', 'most')
  print(tabulate.tabulate(
      rows, heads, 'pipe', disable_numparse=True,
      colalign=('left', *5 * ['right']),
  ))  # fmt: skip
  return {
      'size': config.image_size, 'batch_size': config.batch_size,
      'device': device, 'dtype': config.dtype, 'pairs': _PAIRS.value,
      'memory_format': _FORMAT.value, 'huge_pages': huge_pages.wanted(),
      'torch_huge_pages': huge_pages.wanted() and _HUGE_PAGES.value, **figures,
  }  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the table."""
  for package in ('torch', 'kornia'):
    if importlib.util.find_spec(package) is None:
      timing.fail(
          f'found no {package}, expected both: pip install torch kornia.'
      )
  try:
    config = workload.read_config()
    if _SIDE.value:
      workload.use_devices(config, None)
      _serve(config)
      return
  except errors.UserError as error:
    timing.fail(str(error))
  sides = _Side('ours'), _Side('torch')
  print(
      f'{config.image_size} px, batch {config.batch_size}, widths '
      f'{"-".join(map(str, config.model.widths))}, {config.dtype}, '
      f'{_FORMAT.value}, {" against ".join(side.device for side in sides)}; '
      f'{_of_pages()}\n'
  )
  _compile(sides)
  found = {name: _compare(*sides, name) for name in _MEASURED.value}
  figures = _report(config, found, sides[0].device)
  for side in sides:
    side.close()
  if _JSON.value:
    print(json.dumps(figures))


if __name__ == '__main__':
  app.run(main)
