"""What our forms of a convolution save on a CPU, against XLA's.

    python benchmarks/convolutions.py --size=128

The passes of single layers, on each core a device as in training, with one form
and with the other, in turns: ours are those of `eqlandmarks._convolutions`,
XLA's those of `jax.lax.conv_general_dilated` and of its gradients. The last row
is the gradient of max-pooling, against that of a maximum of four strided
slices.
"""

import functools
import json
import os
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tabulate
from absl import app
from absl import flags

from eqlandmarks import _convolutions
from eqlandmarks.system import huge_pages
from parts import timing

_SIZE = flags.DEFINE_integer('size', 64, 'Side of the images.')
_IMAGES = flags.DEFINE_integer('images', 8, 'So many on each device.')
_PAIRS = flags.DEFINE_integer('pairs', 7, 'Measurements of each form.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')

# Channels before and after, and the kernel's side: of F's fine levels, and of
# the layers into and out of T.
_LAYERS = (
    (3, 16, 3), (16, 16, 3), (3, 32, 3), (32, 32, 3), (64, 64, 3),
    (64, 16, 1), (64, 64, 1), (64, 50, 1),
)  # fmt: skip


def _plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
  return jax.lax.conv_general_dilated(
      x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _strided_maximum(x: jax.Array) -> jax.Array:
  pixels = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
  return functools.reduce(jnp.maximum, pixels)


def _gradient(function: Any, argument: int) -> Callable[..., jax.Array]:
  """The gradient by one argument, from that of the output, given last."""

  def gradient(*arguments: jax.Array) -> jax.Array:
    *inputs, upper = arguments
    return jax.vjp(function, *inputs)[1](upper)[argument]

  return gradient


def _measure(
    ours: Any, theirs: Any, *arguments: jax.Array
) -> tuple[float, float, float]:
  """Milliseconds of both, and the ratio, medians over pairs."""
  copies = [
      np.broadcast_to(x, (jax.local_device_count(), *x.shape))
      for x in arguments
  ]
  held = jax.pmap(lambda *arrays: arrays)(*copies)
  calls = [functools.partial(jax.pmap(form), *held) for form in (ours, theirs)]
  pairs = [
      tuple(1e3 * timing.seconds(call, 1) for call in calls)
      for _ in range(_PAIRS.value)
  ]
  middle = [statistics.median(side) for side in zip(*pairs, strict=True)]
  return *middle, statistics.median(b / a for a, b in pairs)


def _layers() -> dict[str, tuple[float, float, float]]:
  """Of each layer and pass, what `_measure` returns."""
  found = {}
  around = (_IMAGES.value, _SIZE.value, _SIZE.value)
  for before, after, side in _LAYERS:
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (*around, before))
    kernel = jax.random.normal(keys[1], (side, side, before, after))
    upper = jax.random.normal(keys[2], (*around, after))
    layer = f'{before} to {after} channels, {side} x {side}'
    found[f'{layer}: forward'] = _measure(
        _convolutions.convolve, _plain, x, kernel
    )
    for argument, name in enumerate(('input', 'kernel')):
      found[f'{layer}: gradient of the {name}'] = _measure(
          _gradient(_convolutions.convolve, argument),
          _gradient(_plain, argument), x, kernel, upper,
      )  # fmt: skip
  x = jax.random.normal(jax.random.key(0), (*around, 16))
  upper = _strided_maximum(x)
  found['max-pool of 16 channels: gradient'] = _measure(
      _gradient(_convolutions.max_pool, 0),
      _gradient(_strided_maximum, 0), x, upper,
  )  # fmt: skip
  return found


def main(_: list[str]) -> None:
  """Prints the table."""
  if _SIZE.value < 2 or _SIZE.value % 2:
    timing.fail(f'--size is {_SIZE.value}, expected an even number.')
  if _IMAGES.value < 1:
    timing.fail(f'--images is {_IMAGES.value}, expected at least 1.')
  if _PAIRS.value < 1:
    timing.fail(f'--pairs is {_PAIRS.value}, expected at least 1.')
  jax.config.update('jax_num_cpu_devices', len(os.sched_getaffinity(0)))
  found = _layers()
  rows = [
      (name, *(f'{value:.2f}' for value in figures))
      for name, figures in found.items()
  ]
  device = jax.local_devices()[0].device_kind
  print(
      f'{_IMAGES.value} images of {_SIZE.value} px on each of '
      f'{jax.local_device_count()} devices: {device}\n'
  )
  print(tabulate.tabulate(
      rows, ('', 'ours, ms', "XLA's, ms", 'ratio'), 'pipe',
      disable_numparse=True, colalign=('left', *3 * ['right']),
  ))  # fmt: skip
  if _JSON.value:
    ratios = {name: ratio for name, (*_, ratio) in found.items()}
    print(json.dumps({
        'size': _SIZE.value, 'images': _IMAGES.value, 'ratios': ratios,
    }))  # fmt: skip


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
