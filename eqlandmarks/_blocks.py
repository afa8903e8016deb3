"""The layers and blocks that both nets are made of."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from eqlandmarks import _convolutions

# 'group' statistics are each image's own, so results do not depend on how a
# batch is spread over devices; those of 'batch' are averaged over `axis_name`.
NORMS = ('group', 'batch', 'none')


def _convolve(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Any,
    *, rhs_dilation: Sequence[int], **numbers: Any,
) -> jax.Array:  # fmt: skip
  """The nets' convolutions: stride 1, padded to the same size."""
  if any(spacing != 1 for spacing in rhs_dilation):
    return jax.lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=rhs_dilation, **numbers
    )
  return _convolutions.convolve(x, kernel)


convolution = functools.partial(nn.Conv, conv_general_dilated=_convolve)


def layers(net: nn.Module, train: bool) -> dict[str, Any]:
  """The convolution and the normalisation that a net's blocks are made of.

  A convolution before a normalisation has no bias: the normalisation has one,
  and takes a channel's own away, at least where its groups are single channels.
  """
  conv = functools.partial(
      convolution, use_bias=net.norm == 'none', dtype=net.dtype
  )
  if net.norm == 'group':
    norm = functools.partial(GroupNorm, dtype=net.dtype)
  elif net.norm == 'batch':
    norm = functools.partial(
        nn.BatchNorm,
        use_running_average=not train,
        momentum=0.9,
        dtype=net.dtype,
        axis_name=net.axis_name if train else None,
    )
  elif net.norm == 'none':
    norm = _no_norm
  else:
    raise ValueError(f'norm is {net.norm!r}, expected one of {NORMS}.')
  return {'conv': conv, 'norm': norm}


def _no_norm(name: str) -> Callable[[jax.Array], jax.Array]:
  """Stands where a normalisation of that name would."""
  del name
  return lambda x: x


class ConvBlock(nn.Module):
  """Two 3 x 3 convolutions, each with normalisation and ReLU."""

  width: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[jax.Array], jax.Array]]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    for index in (1, 2):
      x = self.conv(self.width, (3, 3), name=f'conv{index}')(x)
      x = nn.relu(self.norm(name=f'norm{index}')(x))
    return x


class ResidualBlock(nn.Module):
  """x + convolutions(x), with ReLU after the sum."""

  dilation: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[jax.Array], jax.Array]]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    conv = functools.partial(
        self.conv, x.shape[-1], (3, 3), kernel_dilation=self.dilation
    )
    y = nn.relu(self.norm(name='norm1')(conv(name='conv1')(x)))
    y = self.norm(name='norm2')(conv(name='conv2')(y))
    return nn.relu(x + y)


class GroupNorm(nn.Module):
  """Group normalisation, as a factor and an offset for each image and channel.

  Flax's layer sums over pixels and a group's channels at once. Here each
  channel is summed over its pixels first, so that all large sums, those of the
  gradient too, run over pixels alone. docs/performance.md says what that saves.

  Attributes:
    max_groups: the channels form as many groups of neighbours as divide them
      evenly, up to this number.
    dtype: of the result; statistics are float32 at least.
    epsilon: added to the variance.
  """

  max_groups: int = 8
  dtype: Any = jnp.float32
  epsilon: float = 1e-6

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    channels = x.shape[-1]
    scale = self.param('scale', nn.initializers.ones, (channels,), jnp.float32)
    bias = self.param('bias', nn.initializers.zeros, (channels,), jnp.float32)
    x = x.astype(jnp.result_type(x, jnp.float32))
    mean = self._group_means(jnp.mean(x, (-3, -2), keepdims=True))
    square = self._group_means(jnp.mean(x * x, (-3, -2), keepdims=True))
    # Rounding can bring the difference below zero.
    variance = jnp.maximum(square - mean * mean, 0.0)
    factor = jax.lax.rsqrt(variance + self.epsilon) * scale
    return (x * factor + (bias - mean * factor)).astype(self.dtype)

  def _group_means(self, x: jax.Array) -> jax.Array:
    """For each channel, the mean of its group's values."""
    channels = x.shape[-1]
    groups = max(
        n for n in range(1, self.max_groups + 1) if channels % n == 0
    )
    grouped = x.reshape(*x.shape[:-1], groups, -1)
    mean = jnp.mean(grouped, -1, keepdims=True)
    return jnp.broadcast_to(mean, grouped.shape).reshape(x.shape)


def upsample(x: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """Each pixel twice along both axes, the edge repeated up to `shape`."""
  *batch, height, width, channels = x.shape
  x = jnp.broadcast_to(
      x[..., :, None, :, None, :], (*batch, height, 2, width, 2, channels)
  )
  # One axis at a time, as arrays of an explicit mesh have it.
  x = x.reshape(*batch, height, 2, 2 * width, channels)
  x = x.reshape(*batch, 2 * height, 2 * width, channels)
  for axis in (-3, -2):  # not by jnp.pad, which also slices the images' axis
    missing = shape[axis + 3] - x.shape[axis]
    if missing:
      edge = jax.lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)
      x = jnp.concatenate([x, *[edge] * missing], axis)
  return x
