"""Memory, time and exactness of the contrastive loss as pairs get many.

    python benchmarks/speed/loss_memory.py
    python benchmarks/speed/loss_memory.py --num_correspondences=8192

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
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np
from absl import app
from absl import flags
from absl import logging

from eqlandmarks import losses
from shared import process_memory
from shared import tables
from shared import timing

_COUNT = flags.DEFINE_integer(
    'num_correspondences', 32768, 'The largest N, in blocks only.'
)
_PLAIN = flags.DEFINE_list(
    'plain', ['512', '1024', '2048', '4096'], 'N of the comparison.'
)
_DEPTH = flags.DEFINE_integer('depth', 64, 'D, the length of a feature.')
_BLOCK = flags.DEFINE_integer(
    'block_size', None, 'Rows of a block; by default, the loss chooses.'
)
_PAIRS = flags.DEFINE_integer('pairs', 5, 'Calls of each form, in turns.')
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


def _error(values: tuple[Any, Any], exact: tuple[float, np.ndarray]) -> float:
  """The larger of the relative errors of the loss and of its gradient."""
  gradient = np.stack([np.asarray(part) for part in values[1]])
  of_loss = abs(float(values[0]) - exact[0]) / abs(exact[0])
  of_gradient = np.abs(gradient - exact[1]).max() / np.abs(exact[1]).max()
  return max(of_loss, float(of_gradient))


def _peak_mib(compiled: Any, arguments: Any) -> float:
  """What a call needs beside its arguments."""
  device = jax.local_devices()[0]
  plan = compiled.memory_analysis()
  planned = (plan.temp_size_in_bytes + plan.output_size_in_bytes) / 2**20
  forget = pathlib.Path('/proc/self/clear_refs')
  if device.platform != 'cpu':
    before = device.memory_stats()['bytes_in_use'] / 2**20
  elif forget.exists():  # on Linux
    # What compiling has left free would hide what the call takes.
    ctypes.CDLL(None).malloc_trim(0)
    forget.write_text('5')  # the peak so far
    before = process_memory.status_mib('VmRSS')
  else:
    return planned
  jax.block_until_ready(compiled(*arguments))
  if device.platform != 'cpu':
    peak = device.memory_stats()['peak_bytes_in_use'] / 2**20
  else:
    peak = process_memory.peak_mib()
  return max(planned, peak - before)


def _measure_one() -> dict[str, float]:
  """Memory and time of one N, in this process."""
  compiled = _compiled(_ONE.value, _BLOCK.value)
  arguments = jax.block_until_ready(jax.device_put(_inputs(_ONE.value)))
  peak = _peak_mib(compiled, arguments)
  begin = time.perf_counter()
  jax.block_until_ready(compiled(*arguments))
  return {'mib': peak, 'seconds': time.perf_counter() - begin}


def _alone(count: int, block_size: int | None) -> dict[str, float]:
  """The same in a process of its own."""
  run = [sys.executable, *sys.argv, f'--one={count}']
  if block_size is not None:
    run.append(f'--block_size={block_size}')
  done = subprocess.run(run, stdout=subprocess.PIPE, text=True)
  if done.returncode:
    tables.fail(f'the process for N = {count} ended with {done.returncode}.')
  return json.loads(done.stdout.splitlines()[-1])


def _compare(count: int) -> dict[str, float]:
  """Both forms in turns: times, errors and memory."""
  # Rows of a block where the loss would hold everything by itself.
  block_size = _BLOCK.value or min(512, 2 * count)
  arguments = jax.device_put(_inputs(count))
  forms = [_compiled(count, size) for size in (block_size, 0)]
  exact = _exact(count)
  errors = [_error(form(*arguments), exact) for form in forms]
  ours, plain = (functools.partial(form, *arguments) for form in forms)
  plain_seconds, seconds, ratio, *_ = timing.summary(
      timing.in_turns(plain, ours, _PAIRS.value)
  )
  return {
      'mib': _alone(count, block_size)['mib'],
      'plain_mib': _alone(count, 0)['mib'],
      'seconds': seconds, 'plain_seconds': plain_seconds, 'ratio': ratio,
      'error': errors[0], 'plain_error': errors[1],
  }  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  if _ONE.value:
    print(json.dumps(_measure_one()))
    return
  try:
    counts = [int(count) for count in _PLAIN.value]
  except ValueError:
    tables.fail(f'--plain is {_PLAIN.value}, expected whole numbers.')
  figures = {count: _compare(count) for count in counts}
  figures[_COUNT.value] = _alone(_COUNT.value, _BLOCK.value)
  columns = {
      'mib': 'MiB', 'plain_mib': 'plain', 'seconds': 's',
      'plain_seconds': 'plain', 'ratio': 'ratio',
      'error': 'error', 'plain_error': 'plain',
  }  # fmt: skip
  tables.show(('N', *columns.values()), [
      (f'{n:,}', *(f'{row[c]:.3g}' if c in row else '-' for c in columns))
      for n, row in figures.items()
  ])  # fmt: skip
  tables.finish({str(count): row for count, row in figures.items()})


if __name__ == '__main__':
  app.run(main)
