"""A net that draws an image from its landmarks, given another one's looks.

See "Unsupervised learning of object landmarks through conditional image
generation" by Jakab et al., 2018: what the landmarks of an image do not tell
about it has to come from the other image, and so they come to tell where the
parts of the object are. Its nets here are narrower than theirs.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from eqlandmarks import _blocks
from eqlandmarks import _convolutions

__all__ = ['Renderer', 'halvings']

# Side of the maps of landmarks, in cells, as nearly as halving comes to it.
_CELLS = 16
# Standard deviation of the last layer's first weights, as in the authors' code:
# a grey image to start from.
_FIRST = 0.01


def halvings(image_size: int) -> int:
  """How often images of a side are halved, down to about 16 cells; once least.

  A `Renderer` takes images whose side is a multiple of 2 to the power of this.
  """
  return max(1, round(math.log2(image_size / _CELLS)))


class Renderer(nn.Module):
  """Draws `[B, H, W, 3]` images from other ones and from maps of landmarks.

  Blocks of two convolutions encode the other images, each but the first at half
  the size; maps are joined to the coarsest, from where blocks lead back, with
  bilinear up-sampling between. No finer level is joined: what is where has to
  come through the maps.

  Attributes:
    width: channels at full size. Each halving doubles them, up to four times
      the width; each doubling of the size halves them, down to the width.
    halvings: times that the images are halved.
    norm: one of `models.NORMS`, after each convolution but the last.
    dtype: what the convolutions compute in.
    axis_name: mapped axis over which batch statistics are averaged.
    remat: as in `models.Hourglass`.
  """

  width: int = 32
  halvings: int = 3
  norm: str = 'group'
  dtype: Any = jnp.float32
  axis_name: str | None = None
  remat: bool = False

  def grid(self, shape: tuple[int, int]) -> tuple[int, int]:
    """The shape (h, w) of the maps for images of a shape (H, W)."""
    height, width = shape
    return height >> self.halvings, width >> self.halvings

  @nn.compact
  def __call__(
      self, images: jax.Array, maps: jax.Array, *, train: bool = False
  ) -> jax.Array:
    """Draws images with the looks of some, and the landmarks of others.

    Args:
      images: `[B, H, W, 3]` in [0, 1], whose looks are taken.
      maps: `[B, h, w, K]` of the shape `grid`, as from
        `heatmaps.gaussian_maps`.
      train: whether batch statistics are those of this batch.

    Returns:
      Float32 at least, `[B, H, W, 3]`, of the scale of the images, not clipped.

    Raises:
      ValueError: the images do not halve evenly, or the maps do not fit them.
    """
    self._check(images, maps)
    block = _blocks.conv_block(self, train)
    widths = [self.width * min(2**i, 4) for i in range(self.halvings + 1)]
    x = (images - 0.5).astype(self.dtype)
    for level, width in enumerate(widths):
      x = _convolutions.max_pool(x) if level else x
      x = block(width, name=f'encoder{level + 1}')(x)
    x = jnp.concatenate([x, maps.astype(self.dtype)], axis=-1)
    for level in range(self.halvings, 0, -1):
      width = max(widths[-1] >> self.halvings - level, self.width)
      x = block(width, name=f'decoder{level + 1}')(x)
      *batch, height, width, channels = x.shape
      shape = (*batch, 2 * height, 2 * width, channels)
      x = jax.image.resize(x, shape, 'bilinear')
    layers = _blocks.layers(self, train)
    x = layers['conv'](self.width, (3, 3), name='decoder1')(x)
    x = nn.relu(layers['norm'](name='decoder1_norm')(x))
    x = _blocks.convolution(
        3, (3, 3), dtype=self.dtype, name='pixels',
        kernel_init=nn.initializers.normal(_FIRST),
    )(x)  # fmt: skip
    return x.astype(jnp.result_type(x, jnp.float32)) + 0.5

  def _check(self, images: jax.Array, maps: jax.Array) -> None:
    *batch, height, width, _ = images.shape
    step = 2**self.halvings
    if height % step or width % step:
      raise ValueError(
          f'images are {height} x {width}, expected multiples of {step}, which '
          f'can be halved {self.halvings} times.'
      )
    expected = (*batch, *self.grid((height, width)))
    if maps.shape[:-1] != expected:
      raise ValueError(
          f'maps are of shape {maps.shape}, expected {(*expected, "K")}.'
      )
