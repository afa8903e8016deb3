"""What our forms of a convolution save on a CPU, against XLA's.

    python benchmarks/speed/convolutions.py --size=128

The passes of single layers, on each core a device as in training, with one form
and with the other, in turns: ours are those of `eqlandmarks._convolutions`,
XLA's those of `jax.lax.conv_general_dilated` and of its gradients. The last row
is the gradient of max-pooling, against that of a maximum of four strided
slices.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app
from absl import flags

from eqlandmarks import _convolutions
from eqlandmarks.system import huge_pages
from shared import tables
from shared import timing

_SIZE = flags.DEFINE_integer('size', 64, 'Side of the images.', lower_bound=2)
_IMAGES = flags.DEFINE_integer(
    'images', 8, 'So many on each device.', lower_bound=1
)
_PAIRS = flags.DEFINE_integer(
    'pairs', 7, 'Measurements of each form.', lower_bound=1
)

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
) -> tuple[float, ...]:
  """Seconds of both, and their ratio, medians over pairs."""
  copies = [
      np.broadcast_to(x, (jax.local_device_count(), *x.shape))
      for x in arguments
  ]
  held = jax.pmap(lambda *arrays: arrays)(*copies)
  calls = [functools.partial(jax.pmap(form), *held) for form in (ours, theirs)]
  return timing.summary(timing.in_turns(*calls, _PAIRS.value))[:3]


def _layers() -> Iterator[tuple[str, tuple[float, ...]]]:
  """Each layer and pass, with what `_measure` returns."""
  around = (_IMAGES.value, _SIZE.value, _SIZE.value)
  for before, after, side in _LAYERS:
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (*around, before))
    kernel = jax.random.normal(keys[1], (side, side, before, after))
    upper = jax.random.normal(keys[2], (*around, after))
    layer = f'{before} to {after} channels, {side} x {side}'
    yield f'{layer}: forward', _measure(
        _convolutions.convolve, _plain, x, kernel
    )
    for argument, name in enumerate(('input', 'kernel')):
      yield f'{layer}: gradient of the {name}', _measure(
          _gradient(_convolutions.convolve, argument),
          _gradient(_plain, argument), x, kernel, upper,
      )  # fmt: skip
  x = jax.random.normal(jax.random.key(0), (*around, 16))
  yield 'max-pool of 16 channels: gradient', _measure(
      _gradient(_convolutions.max_pool, 0),
      _gradient(_strided_maximum, 0), x, _strided_maximum(x),
  )  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the table."""
  if _SIZE.value % 2:
    tables.fail(f'--size is {_SIZE.value}, expected an even number.')
  jax.config.update('jax_num_cpu_devices', len(os.sched_getaffinity(0)))
  figures = dict(_layers())
  print(
      f'{_IMAGES.value} images of {_SIZE.value} px on each of '
      f'{jax.local_device_count()} devices: '
      f'{jax.local_devices()[0].device_kind}\n'
  )
  tables.show(('', 'ours, ms', "XLA's, ms", 'ratio'), [
      (name, f'{1e3 * ours:.2f}', f'{1e3 * xla:.2f}', f'{ratio:.2f}')
      for name, (ours, xla, ratio) in figures.items()
  ])  # fmt: skip
  tables.finish({
      'size': _SIZE.value, 'images': _IMAGES.value,
      'ratios': {name: ratio for name, (*_, ratio) in figures.items()},
  })  # fmt: skip


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
