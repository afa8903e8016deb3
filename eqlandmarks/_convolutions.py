"""Convolutions of stride 1, in the form that is fastest on a CPU.

Accelerators run XLA's own. On a CPU, XLA's convolution comes near the peak of a
matmul except in three cases that a landmark net is full of: few channels, the
kernel's gradient of large images, and that of 1 x 1 kernels. Each has a form
here that is the same sum in another order. docs/performance.md says what they
save.
"""

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_FORWARD = ('NHWC', 'HWIO', 'NHWC')
_OF_INPUT = ('NHWC', 'HWOI', 'NHWC')
# The kernel's gradient is a convolution whose images are the input's channels,
# whose channels are the images, and whose kernel is the output's gradient.
_OF_KERNEL = ('CHWN', 'IHWO', 'HWNC')

# Numbers of the input that the kernel's gradient takes at once: it transposes
# them to have the images last, and more do not stay in the caches.
_STRIP = 2**21
# Pixels that the gradient of a 1 x 1 kernel takes at once.
_PIXELS = 1024
# The loop over strips is unrolled, and each strip is compiled.
_MOST_STRIPS = 16

# (above, below), (left, right).
Margins = tuple[tuple[int, int], tuple[int, int]]


@jax.custom_vjp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """Convolves with stride 1, zeros around the images ('SAME').

  It is differentiable in reverse mode only.

  Args:
    x: `[N, H, W, C]`.
    kernel: `[height, width, C, D]`, both sides odd.

  Returns:
    `[N, H, W, D]`.
  """
  return _by_platform(_convolve_on_cpu, _convolve, x, kernel)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
  return convolve(x, kernel), (x, kernel)


def _backward(held: Any, upper: jax.Array) -> tuple[jax.Array, jax.Array]:
  x, kernel = held
  of_x = _by_platform(
      lambda upper, turned: _convolve_on_cpu(upper, turned.swapaxes(2, 3)),
      _input_gradient, upper, kernel[::-1, ::-1],
  )  # fmt: skip
  return of_x, _of_kernel(x, upper, kernel)


def _of_kernel(x: jax.Array, upper: jax.Array, kernel: jax.Array) -> jax.Array:
  """The kernel's gradient, on any devices."""
  around = _around(kernel)
  gradient = functools.partial(
      _by_platform,
      functools.partial(_kernel_gradient_on_cpu, around=around),
      functools.partial(_kernel_gradient, around=around),
  )
  if any(jax.typeof(x).sharding.spec):
    # The sum over images on an explicit mesh is left to the compiler.
    gradient = jax.sharding.auto_axes(
        gradient, out_sharding=jax.typeof(kernel).sharding.spec
    )
  return gradient(x, upper)


convolve.defvjp(_forward, _backward)


def _by_platform(on_cpu: Any, elsewhere: Any, x: Any, y: Any) -> jax.Array:
  # The forms for a CPU are timed in float32 and tested in float64 only.
  if x.dtype not in (jnp.float32, jnp.float64):
    return elsewhere(x, y)
  return lax.platform_dependent(x, y, cpu=on_cpu, default=elsewhere)


def _around(kernel: jax.Array) -> Margins:
  """Zeros around an image for an output of its size."""
  rows, columns = (side // 2 for side in kernel.shape[:2])
  return (rows, rows), (columns, columns)


def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
  return lax.conv_general_dilated(
      x, kernel, (1, 1), 'SAME', dimension_numbers=_FORWARD
  )


def _input_gradient(upper: jax.Array, turned: jax.Array) -> jax.Array:
  """As JAX differentiates, a form that XLA recognises by the kernel's axes."""
  return lax.conv_general_dilated(
      upper, turned, (1, 1), 'SAME', dimension_numbers=_OF_INPUT
  )


def _kernel_gradient(
    x: jax.Array, upper: jax.Array, around: Margins
) -> jax.Array:
  """`[height, width, C, D]` from `[N, H, W, C]` and `[N, H, W, D]`."""
  return lax.conv_general_dilated(
      x, upper, (1, 1), around, dimension_numbers=_OF_KERNEL
  )


def _convolve_on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
  *sides, channels, outputs = kernel.shape
  if sides == [1, 1]:
    return jnp.tensordot(x, kernel[0, 0], 1)
  together = _columns(channels, outputs, 64 if channels < 8 else 32, x.shape[2])
  if together == 1:
    return _convolve(x, kernel)
  # Each position gives `together` neighbouring columns, by a kernel that holds
  # the given one once for each of them, shifted, between zeros.
  wide = jnp.concatenate(
      [
          jnp.pad(kernel, ((0, 0), (i, together - 1 - i), (0, 0), (0, 0)))
          for i in range(together)
      ],
      -1,
  )
  y = lax.conv_general_dilated(
      x, wide, (1, together), _around(kernel), dimension_numbers=_FORWARD
  )
  # One axis at a time, as arrays of an explicit mesh have it.
  return y.reshape(*y.shape[:3], together, outputs).reshape(
      *x.shape[:3], outputs
  )


def _columns(inputs: int, outputs: int, wanted: int, width: int) -> int:
  """How many neighbouring columns are computed as one position.

  XLA runs convolutions of few channels at half the speed.
  """
  if inputs >= 32 or inputs * outputs > 256:
    return 1
  together = 1
  while together < 4 and together * outputs < wanted:
    together *= 2
  return math.gcd(together, width)


def _kernel_gradient_on_cpu(
    x: jax.Array, upper: jax.Array, around: Margins
) -> jax.Array:
  rows = x.shape[1]
  if around == ((0, 0), (0, 0)):
    # A few rows at a time: XLA transposes the matrix on the left, and reads all
    # of it once for each channel.
    most = max(1, _PIXELS // x.shape[2])
    height = max(n for n in range(1, min(most, rows) + 1) if rows % n == 0)
    blocks = (len(x) * rows // height, height * x.shape[2])
    x = x.reshape(*blocks, x.shape[3])
    upper = upper.reshape(*blocks, upper.shape[3])
    return jnp.einsum('bpc,bpd->bcd', x, upper).sum(0)[None, None]
  (margin, _), columns = around
  strips = max(1, min(-(-x.size // _STRIP), _MOST_STRIPS, rows))
  edges = [rows * i // strips for i in range(strips + 1)]
  total = 0.0
  for first, end in itertools.pairwise(edges):
    low, high = max(first - margin, 0), min(end + margin, rows)
    beyond = (low - (first - margin), end + margin - high)
    total += _kernel_gradient(
        x[:, low:high], upper[:, first:end], (beyond, columns)
    )
  return total


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
  """2 x 2 max-pool of `[..., H, W, C]`; an odd last row or column is left out.

  It is the maximum of four strided slices: XLA's window reduction and its
  gradient are several times slower on a CPU. Pixels that tie for the largest
  share the gradient.
  """
  return _pool(x)


def _pool(x: jax.Array) -> jax.Array:
  first, second, third, last = _pixels(x)
  return jnp.maximum(jnp.maximum(first, second), jnp.maximum(third, last))


def _pixels(x: jax.Array) -> list[jax.Array]:
  """The four pixels of each 2 x 2 block, one array each."""
  x = x[..., : x.shape[-3] // 2 * 2, : x.shape[-2] // 2 * 2, :]
  return [x[..., i::2, j::2, :] for i in (0, 1) for j in (0, 1)]


def _pool_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  return max_pool(x), x


def _pool_backward(x: jax.Array, upper: jax.Array) -> tuple[jax.Array]:
  return (_by_platform(_pool_gradient_on_cpu, _pool_gradient, x, upper),)


def _pool_gradient(x: jax.Array, upper: jax.Array) -> jax.Array:
  return jax.vjp(_pool, x)[1](upper)[0]


def _pool_gradient_on_cpu(x: jax.Array, upper: jax.Array) -> jax.Array:
  """The same, writing whole rows, not every second pixel of them.

  The shares add up to 1 whatever is compared: a program that computes a pixel
  twice may round it in two ways, so that none need equal the maximum.
  """
  first, second, third, last = _pixels(x)
  above = _share(first, second)
  below = _share(third, last)
  rows = _share(jnp.maximum(first, second), jnp.maximum(third, last))
  shares = jnp.stack(
      [
          jnp.stack([rows * above, rows * (1 - above)], -2),
          jnp.stack([(1 - rows) * below, (1 - rows) * (1 - below)], -2),
      ],
      -4,
  )
  gradient = shares * upper[..., :, None, :, None, :]
  *batch, height, width, channels = upper.shape
  # One axis at a time, as arrays of an explicit mesh have it.
  gradient = gradient.reshape(*batch, height, 2, 2 * width, channels)
  gradient = gradient.reshape(*batch, 2 * height, 2 * width, channels)
  odd = [(0, 0)] * len(batch) + [(0, x.shape[-3] % 2), (0, x.shape[-2] % 2)]
  return jnp.pad(gradient, [*odd, (0, 0)])


def _share(x: jax.Array, y: jax.Array) -> jax.Array:
  """The share of x in the gradient of max(x, y)."""
  return jnp.where(x == y, 0.5, x > y).astype(x.dtype)


max_pool.defvjp(_pool_forward, _pool_backward)
