"""Times of calls, and what the machine could do at best."""

import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np

from eqlandmarks.training import parallel


# Calls that follow each other without a wait take so long together, at least:
# an accelerator works on one while the host prepares the next.
_SPAN = 0.05


def seconds(function: Callable[[], Any], repeats: int) -> float:
  """Median time of a call, after some that warm up.

  Args:
    function: what is called; its result shows when it is done.
    repeats: measurements, of one call or of several quick ones in a row.
  """
  _together(function, 1)
  calls = max(1, math.ceil(_SPAN / _together(function, 1)))
  return statistics.median(
      _together(function, calls) for _ in range(repeats)
  )


def _together(function: Callable[[], Any], calls: int) -> float:
  begin = time.perf_counter()
  for _ in range(calls):
    result = function()
  jax.block_until_ready(result)
  return (time.perf_counter() - begin) / calls


def matmul_peak(dtype: str) -> float:
  """GFLOP/s of a large matmul: the most that convolutions could reach.

  The better of one matmul on the first device and one on each device at once;
  CPU devices share the cores, and either may be faster.
  """
  devices = jax.local_devices()
  side = 2048 if devices[0].platform == 'cpu' else 8192
  best = 0.0
  for some in (devices[:1], devices):
    matrices = np.ones((len(some), side, side), np.float32)
    held = jax.pmap(lambda m: m.astype(dtype), devices=some)(matrices)
    product = jax.pmap(lambda m: m @ m, devices=some)
    took = seconds(lambda held=held, product=product: product(held), 7)
    best = max(best, len(some) * 2e-9 * side**3 / took)
  return best


def flops(lowered: Any, compiled: Any) -> float:
  """Operations of a mapped program on all devices.

  Of the compiler's counts before and after its work, the larger: afterwards, it
  knows how often loops run, but not what a GPU's library calls do.
  """
  most = max(
      float(program.cost_analysis()['flops']) for program in (lowered, compiled)
  )
  return jax.local_device_count() * most


def mapped(
    function: Callable[..., Any], in_axes: Any, *arguments: Any
) -> Any:
  """Lowers a function over the axis that training maps over."""
  return jax.pmap(
      function, axis_name=parallel.AXIS, in_axes=in_axes,
      devices=jax.local_devices(),
  ).lower(*arguments)  # fmt: skip


def growth(sizes: Any, times: Any) -> float:
  """Slope of a line through the points in the log-log plot: t ~ size^slope."""
  return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def fail(said: str) -> NoReturn:
  """Says what is wrong in one line, and exits with 2."""
  print('error: ' + ' '.join(said.split()), file=sys.stderr, flush=True)
  sys.exit(2)
