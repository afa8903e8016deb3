"""Times of calls, and what the machine could do at best."""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np

from eqlandmarks.training import parallel


def seconds(function: Callable[[], Any], repeats: int) -> float:
  """Median time of a call and its result, after one call that warms up."""
  jax.block_until_ready(function())
  times = []
  for _ in range(repeats):
    begin = time.perf_counter()
    jax.block_until_ready(function())
    times.append(time.perf_counter() - begin)
  return statistics.median(times)


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


def flops(compiled: Any) -> float:
  """Operations of a mapped program on all devices, by the compiler's count."""
  found = compiled.cost_analysis()
  return jax.local_device_count() * float(found['flops'])


def mapped(
    function: Callable[..., Any],
    in_axes: Any,
    *arguments: Any,
) -> Any:
  """Compiles a function over the axis that training maps over."""
  return jax.pmap(
      function, axis_name=parallel.AXIS, in_axes=in_axes,
      devices=jax.local_devices(),
  ).lower(*arguments).compile()  # fmt: skip


def growth(sizes: Any, times: Any) -> float:
  """Slope of a line through the points in the log-log plot: t ~ size^slope."""
  return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def fail(said: str) -> NoReturn:
  """Says what is wrong in one line, and exits with 2."""
  print('error: ' + ' '.join(said.split()), file=sys.stderr, flush=True)
  sys.exit(2)
