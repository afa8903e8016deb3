"""Times of calls, and what the machine could do at best."""

import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np

from eqlandmarks.training import devices as devices_lib

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


def flops(function: Any, arguments: Any, compiled: Any) -> float:
  """Operations of a mapped function on all devices.

  The compiler's count on a CPU, but for products with the zeros of widened
  kernels. It does not know what a GPU's library calls do: there, all
  convolutions and matmuls that the function asks for.
  """
  jaxpr = jax.make_jaxpr(function)(*arguments)
  each = multiplications(jaxpr)
  if jax.default_backend() == 'cpu':
    widened = multiplications(jaxpr, _ON_CPU) - each
    each = float(compiled.cost_analysis()['flops']) - widened
  return jax.local_device_count() * each


# Of a choice between programs, the place of this platform's. No other choice in
# a step has convolutions or matmuls in it.
_ON_CPU, _ELSEWHERE = 0, -1


def multiplications(jaxpr: Any, platform: int = _ELSEWHERE) -> float:
  """Operations of one device's convolutions and matmuls, loops included."""
  jaxpr = getattr(jaxpr, 'jaxpr', jaxpr)
  total = 0.0
  for equation in jaxpr.eqns:
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
      held = jax.tree.leaves(equation.params, is_leaf=_is_jaxpr)
      held = [x for x in held if _is_jaxpr(x)]
      if name == 'cond':
        held = [held[platform]]
      total += times * sum(multiplications(x, platform) for x in held)
  return total


def _is_jaxpr(x: Any) -> bool:
  return hasattr(x, 'eqns')


def mapped(function: Callable[..., Any], in_axes: Any) -> Any:
  """Maps a function over the axis that training maps over."""
  return jax.pmap(
      function, axis_name=devices_lib.AXIS, in_axes=in_axes,
      devices=jax.local_devices(),
  )  # fmt: skip


def growth(sizes: Any, times: Any) -> float:
  """Slope of a line through the points in the log-log plot: t ~ size^slope."""
  return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def fail(said: str) -> NoReturn:
  """Says what is wrong in one line, and exits with 2."""
  print('error: ' + ' '.join(said.split()), file=sys.stderr, flush=True)
  sys.exit(2)
