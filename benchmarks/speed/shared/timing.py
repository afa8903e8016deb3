"""Times of calls, and what the machine could do at best."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

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


def in_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int
) -> list[tuple[float, float]]:
  """Seconds of calls of two forms, one beside the other."""
  return [(seconds(ours, 1), seconds(theirs, 1)) for _ in range(pairs)]


def summary(pairs: Sequence[tuple[float, float]]) -> tuple[float, ...]:
  """Medians of both forms; median, least and most of second to first."""
  medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
  ratios = [theirs / ours for ours, theirs in pairs]
  return *medians, statistics.median(ratios), min(ratios), max(ratios)


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


def flops(mapped: Any, *arguments: Any) -> float:
  """Operations of a mapped function's convolutions and matmuls.

  On all devices together. Widened kernels, by which a CPU computes narrow
  convolutions, count as the given ones.
  """
  jaxpr = jax.make_jaxpr(mapped)(*arguments)
  return jax.local_device_count() * multiplications(jaxpr)


def multiplications(jaxpr: Any) -> float:
  """Operations of one device's convolutions and matmuls, loops included."""
  total = 0.0
  for equation in getattr(jaxpr, 'jaxpr', jaxpr).eqns:
    name, inputs = equation.primitive.name, equation.invars
    size = math.prod(getattr(equation.outvars[0].aval, 'shape', ()))
    if name == 'conv_general_dilated':
      numbers = equation.params['dimension_numbers']
      kernel = list(inputs[1].aval.shape)
      del kernel[numbers.rhs_spec[0]]  # output channels
      total += 2 * size * math.prod(kernel)
    elif name == 'dot_general':
      (summed, _), _ = equation.params['dimension_numbers']
      total += 2 * size * math.prod(inputs[0].aval.shape[i] for i in summed)
    else:
      times = equation.params.get('length', 1) if name == 'scan' else 1
      inner = jax.tree.leaves(equation.params, is_leaf=_is_jaxpr)
      inner = [x for x in inner if _is_jaxpr(x)]
      if name == 'cond':  # by platform: the last one is not a CPU's own
        inner = inner[-1:]
      total += times * sum(map(multiplications, inner))
  return total


def _is_jaxpr(x: Any) -> bool:
  return hasattr(x, 'eqns')
