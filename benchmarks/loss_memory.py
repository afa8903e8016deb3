"""Memory, time and exactness of the contrastive loss as pairs get many.

    python benchmarks/loss_memory.py
    python benchmarks/loss_memory.py --num_correspondences=8192

The loss and its gradient, of N corresponding features each in an image and its
copy, some of which are not valid: a block of rows of the [2N, 2N] similarities
at a time, and beside it the plain form that holds them whole, in turns. Memory
is the peak above the inputs, of a process of its own in which everything is
compiled beforehand; where the compiler plans to use more than was seen, that
counts. Errors are relative, against NumPy in float64: of the gradient, the
largest difference against its largest entry.
"""

import ctypes
import functools
import json
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np
import tabulate
from absl import app
from absl import flags
from absl import logging

from eqlandmarks import losses
from parts import timing

_COUNT = flags.DEFINE_integer(
    'num_correspondences', 32768, 'The largest N, in blocks only.'
)
_PLAIN = flags.DEFINE_list(
    'plain', ['512', '1024', '2048', '4096'], 'N of the comparison.'
)
_DEPTH = flags.DEFINE_integer('depth', 64, 'D, the length of a feature.')
_BLOCK = flags.DEFINE_integer(
    'block_size', None, 'Rows of a block; chosen by the loss else.'
)
_PAIRS = flags.DEFINE_integer('pairs', 5, 'Calls of each form, in turns.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')
_ONE = flags.DEFINE_integer('one', None, 'For its own use: measure this N.')

_TEMPERATURE = 0.1


def _inputs(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Features that correspond loosely, and nine valid pairs out of ten."""
  rng = np.random.default_rng(0)
  first = rng.standard_normal((count, _DEPTH.value), np.float32)
  noise = rng.standard_normal(first.shape, np.float32)
  return first, first + noise, rng.random(count) < 0.9


def _compiled(count: int, block_size: int | None) -> Any:
  """Value and gradient for N pairs."""
  loss = functools.partial(
      losses.contrastive, temperature=_TEMPERATURE, block_size=block_size
  )
  both = jax.value_and_grad(lambda f, g, v: loss(f, g, valid=v), (0, 1))
  return jax.jit(both).lower(*_inputs(count)).compile()


def _exact(count: int) -> tuple[float, np.ndarray]:
  """The same in float64: the loss, and the gradient `[2, N, D]`."""
  first, second, valid = _inputs(count)
  raw = np.concatenate([first, second]).astype(np.float64)
  lengths = np.linalg.norm(raw, axis=1, keepdims=True)
  unit, usable = raw / lengths, np.concatenate([valid, valid])
  logits = unit @ unit.T / _TEMPERATURE
  np.fill_diagonal(logits, -np.inf)
  logits[:, ~usable] = -np.inf
  rows, partner = np.arange(2 * count), np.roll(np.arange(2 * count), count)
  largest = logits.max(1)
  share = np.exp(logits - largest[:, None])
  total = share.sum(1)
  positive = (unit * unit[partner]).sum(1) / _TEMPERATURE
  each = largest + np.log(total) - positive
  share /= total[:, None]
  share[rows, partner] -= 1
  share *= usable[:, None] / max(valid.sum(), 1)
  upper = (share @ unit + share.T @ unit) / _TEMPERATURE
  upper -= unit * (upper * unit).sum(1, keepdims=True)  # of the lengths
  loss = float(each[usable].sum() / max(valid.sum(), 1))
  return loss, (upper / lengths).reshape(2, count, -1)


def _error(found: tuple[Any, Any], exact: tuple[float, np.ndarray]) -> float:
  """The larger of the relative errors of the loss and of its gradient."""
  gradient = np.stack([np.asarray(part) for part in found[1]])
  of_loss = abs(float(found[0]) - exact[0]) / abs(exact[0])
  of_gradient = np.abs(gradient - exact[1]).max() / np.abs(exact[1]).max()
  return max(of_loss, float(of_gradient))


def _status(field: str) -> float:
  """A figure of this process in MiB, as Linux tells it."""
  for line in pathlib.Path('/proc/self/status').read_text().splitlines():
    if line.startswith(field):
      return int(line.split()[1]) / 2**10
  return 0.0


def _peak_mib(compiled: Any, arguments: Any) -> float:
  """What a call needs beside its arguments."""
  device = jax.local_devices()[0]
  planned = compiled.memory_analysis()
  planned = (planned.temp_size_in_bytes + planned.output_size_in_bytes) / 2**20
  if device.platform != 'cpu':
    before = device.memory_stats()['bytes_in_use']
    jax.block_until_ready(compiled(*arguments))
    peak = device.memory_stats()['peak_bytes_in_use']
    return max(planned, (peak - before) / 2**20)
  forget = pathlib.Path('/proc/self/clear_refs')
  if not forget.exists():  # not Linux
    return planned
  # What compiling has left free would hide what the call takes.
  ctypes.CDLL(None).malloc_trim(0)
  forget.write_text('5')  # the peak so far
  before = _status('VmRSS')
  jax.block_until_ready(compiled(*arguments))
  return max(planned, _status('VmHWM') - before)


def _measure_one(count: int, block_size: int | None) -> dict[str, float]:
  """Memory and time of one N, in this process."""
  compiled = _compiled(count, block_size)
  arguments = jax.block_until_ready(jax.device_put(_inputs(count)))
  peak = _peak_mib(compiled, arguments)
  begin = time.perf_counter()
  jax.block_until_ready(compiled(*arguments))
  return {'peak_mib': peak, 'seconds': time.perf_counter() - begin}


def _alone(count: int, block_size: int | None) -> dict[str, float]:
  """The same in a process of its own."""
  run = [sys.executable, *sys.argv, f'--one={count}']
  if block_size is not None:
    run.append(f'--block_size={block_size}')
  done = subprocess.run(run, stdout=subprocess.PIPE, text=True)
  if done.returncode:
    timing.fail(f'the process for N = {count} ended with {done.returncode}.')
  return json.loads(done.stdout.splitlines()[-1])


def _compare(count: int) -> dict[str, float]:
  """Both forms in turns: times, the median of their ratios, and errors."""
  arguments = jax.device_put(_inputs(count))
  forms = [_compiled(count, size) for size in (_blocks(count), 0)]
  exact = _exact(count)
  errors = [_error(form(*arguments), exact) for form in forms]
  times = []
  for _ in range(_PAIRS.value):
    times.append([_seconds(form, arguments) for form in forms])
  blocked, plain = (statistics.median(t) for t in zip(*times, strict=True))
  return {
      'seconds': blocked,
      'plain_seconds': plain,
      'time_ratio_to_plain': statistics.median(a / b for a, b in times),
      'relative_error': errors[0],
      'plain_relative_error': errors[1],
      'plain_peak_mib': _alone(count, 0)['peak_mib'],
      'peak_mib': _alone(count, _blocks(count))['peak_mib'],
  }


def _blocks(count: int) -> int:
  """Rows of a block where the loss would hold everything by itself."""
  return _BLOCK.value or min(512, 2 * count)


def _seconds(form: Any, arguments: Any) -> float:
  begin = time.perf_counter()
  jax.block_until_ready(form(*arguments))
  return time.perf_counter() - begin


def _row(count: int, found: dict[str, float]) -> tuple[str, ...]:
  def text(name: str, form: str, factor: float = 1.0) -> str:
    return f'{factor * found[name]:{form}}' if name in found else '-'

  per_pair = 1e9 * found['seconds'] / (2 * count) ** 2
  return (
      f'{count:,}', text('peak_mib', '.0f'), text('plain_peak_mib', '.0f'),
      text('seconds', '.1f', 1e3), text('plain_seconds', '.1f', 1e3),
      text('time_ratio_to_plain', '.2f'), f'{per_pair:.2f}',
      text('relative_error', '.1e'), text('plain_relative_error', '.1e'),
  )  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  if _ONE.value:
    print(json.dumps(_measure_one(_ONE.value, _BLOCK.value)))
    return
  try:
    counts = [int(count) for count in _PLAIN.value]
  except ValueError:
    timing.fail(f'--plain is {_PLAIN.value}, expected whole numbers.')
  found = {count: _compare(count) for count in counts}
  largest = _alone(_COUNT.value, _BLOCK.value)
  rows = [_row(count, figures) for count, figures in found.items()]
  rows.append(_row(_COUNT.value, largest))
  heads = (
      'N', 'MiB', 'plain', 'ms', 'plain', 'ratio', 'ns per similarity',
      'error', 'plain',
  )  # fmt: skip
  print(tabulate.tabulate(
      rows, heads, 'pipe', disable_numparse=True, colalign=9 * ['right']
  ))  # fmt: skip
  if _JSON.value:
    last = found[counts[-1]]
    growth = (_COUNT.value / counts[-1]) ** 2
    print(json.dumps({
        'num_correspondences': _COUNT.value,
        'peak_mib_above_inputs': largest['peak_mib'],
        'seconds': largest['seconds'],
        'relative_error': max(f['relative_error'] for f in found.values()),
        'time_ratio_to_plain': last['time_ratio_to_plain'],
        # Of one similarity: the largest N against the plain form's largest.
        'time_ratio_per_similarity': (
            largest['seconds'] / growth / last['plain_seconds']
        ),
        'plain': found,
        'device': jax.local_devices()[0].device_kind,
    }))  # fmt: skip


if __name__ == '__main__':
  app.run(main)
