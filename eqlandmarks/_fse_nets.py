"""The net of factorised spatial embeddings, cut in two as F and T.

"Unsupervised learning of object landmarks by factorized spatial embeddings" by
Thewlis, Bilen and Vedaldi, 2017; sizes from the port alldbi/Factorized-Spatial-
Embeddings: six 5 x 5 convolutions without padding, each with batch
normalisation and ReLU, the last one too, and a max-pool after the first. Here
F is the first three and T the others, so that all that works with
`eqlandmarks.models` works with them. What they return has the image's size: a
cell of the net is 2 x 2 pixels, and around the cells is a rim.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from eqlandmarks import _blocks
from eqlandmarks import _convolutions

__all__ = ['FSEFeatures', 'FSELandmarks']

# The first two convolutions' channels; those of the fourth and the fifth.
_OF_FEATURES, _OF_LANDMARKS = (20, 48), (80, 256)
# Pixels beside the cells of F, and how many more there are beside those of each
# layer of T: two cells.
_RIM, _MORE = 10, 4
# Logits where no landmark can be: exp of it is 0.
_NOWHERE = -1e4


class FSEFeatures(nn.Module):
  """Feature extractor F: `[B, H, W, 3]` images to `[B, H, W, D]` features.

  Attributes:
    features: D, 64 as published.
    norm: one of `models.NORMS`; 'batch' as published.
    dtype: what the convolutions compute in.
    axis_name: mapped axis over which batch statistics are averaged.
    remat: of no use to so few layers.
  """

  features: int = 64
  norm: str = 'batch'
  dtype: Any = jnp.float32
  axis_name: str | None = None
  remat: bool = False

  def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    """Returns features `[B, H, W, D]`."""
    return self.project(self.trunk(images, train=train))

  @nn.compact
  def trunk(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    """The features themselves: `project` adds nothing."""
    first, second = _OF_FEATURES
    x = _layer(self, first, 1, images.astype(self.dtype), train)
    x = _convolutions.max_pool(x)
    x = _layer(self, second, 2, x, train)
    x = _layer(self, self.features, 3, x, train)
    return _to_pixels(x, _RIM, images.shape[-3:-1])

  def project(self, x: jax.Array) -> jax.Array:
    """What is there in `models.Hourglass`; here it changes nothing."""
    return x


class FSELandmarks(nn.Module):
  """Landmark net T: `[B, H, W, D]` of `FSEFeatures` to `[B, H, W, K]` heatmaps.

  Attributes:
    num_landmarks: K.
    heatmap_scale: factor on the logits; 1 as published.
    norm: as in `FSEFeatures`, and so are the others.
    dtype: what the convolutions compute in.
    axis_name: mapped axis over which batch statistics are averaged.
    remat: of no use.
  """

  num_landmarks: int
  heatmap_scale: float = 1.0
  norm: str = 'batch'
  dtype: Any = jnp.float32
  axis_name: str | None = None
  remat: bool = False

  @nn.compact
  def __call__(
      self, features: jax.Array, *, train: bool = False
  ) -> dict[str, jax.Array]:
    """Returns `layer1` to `layer4` and the logits `heatmaps`.

    Layers 2 to 4 are the outputs of its three convolutions.
    """
    shape = features.shape[-3:-1]
    # One pixel of each cell, and no rim.
    rows, columns = (
        slice(_RIM, _RIM + 2 * num_cells(side), 2) for side in shape
    )
    x = features[..., rows, columns, :].astype(self.dtype)
    layers, rim = {'layer1': features}, _RIM
    for number, width in enumerate((*_OF_LANDMARKS, self.num_landmarks), 4):
      x, rim = _layer(self, width, number, x, train), rim + _MORE
      layers[f'layer{number - 2}'] = _to_pixels(x, rim, shape)
    logits = self.heatmap_scale * x.astype(jnp.result_type(x, jnp.float32))
    return {**layers, 'heatmaps': _to_pixels(logits, rim, shape, _NOWHERE)}


def num_cells(side: int) -> int:
  """Cells of F along a side of the image: two pixels each, without the rim."""
  return (side - 4) // 2 - 8


def _layer(
    net: nn.Module, width: int, number: int, x: jax.Array, train: bool
) -> jax.Array:
  """A convolution without padding, normalisation and ReLU."""
  x = nn.Conv(
      width, (5, 5), padding='VALID', use_bias=net.norm == 'none',
      dtype=net.dtype, name=f'conv{number}',
  )(x)  # fmt: skip
  norm = _blocks.layers(net, train)['norm']
  return nn.relu(norm(name=f'norm{number}')(x))


def _to_pixels(
    cells: jax.Array,
    rim: int,
    shape: tuple[int, int],
    value: float | None = None,
) -> jax.Array:
  """Cells as 2 x 2 pixels each, in an image of this shape.

  Its rim has a value if one is given, otherwise that of the nearest cell.
  """
  height, width = (2 * side for side in cells.shape[-3:-1])
  pixels = _blocks.upsample(cells, (height, width))
  pad = [(0, 0)] * (cells.ndim - 3)
  pad += [(rim, shape[0] - height - rim), (rim, shape[1] - width - rim), (0, 0)]
  if value is None:
    return jnp.pad(pixels, pad, mode='edge')
  return jnp.pad(pixels, pad, constant_values=value)
