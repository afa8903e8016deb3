"""The two nets, feature extractor F and landmark net T, and their variables.

Both are Flax Linen modules from `[..., H, W, channels]` batches. Parameters are
float32; `dtype` is what the convolutions compute in. The paper leaves widths,
normalisation and up-sampling open; the choices are written at each field.
Gradients are reverse-mode, of any order (see eqlandmarks/_convolutions.py).

`make_nets` builds them from a config.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from eqlandmarks import _blocks
from eqlandmarks import _convolutions
from eqlandmarks import _fse_nets
from eqlandmarks import heatmaps
from eqlandmarks import renderers

__all__ = ['LAYERS', 'NORMS', 'Hourglass', 'LandmarkNet']

# The intermediate outputs whose equivariance the paper compares: layer 1 is F's
# output, layers 2 to 4 lie between it and the heatmaps.
LAYERS = ('layer1', 'layer2', 'layer3', 'layer4')

# The normalisations that there are.
NORMS = _blocks.NORMS

# The nets that there are, see `make_nets`.
NETS = ('hourglass', 'fse')

# The names of F and T wherever their variables are held together.
FEATURES, LANDMARKS = 'features', 'landmarks'
# Nets that an objective may need besides, and nothing after training: one that
# draws images from landmarks; and the forms of F that are held as they were,
# the one that a stage starts with, and one that nothing was taught.
RENDERER = 'renderer'
FIRST_FEATURES, RANDOM_FEATURES = 'first_features', 'random_features'

# Of each net: {'params': ..., 'batch_stats': ... where it has them}.
Variables = dict[str, Any]


class Hourglass(nn.Module):
  """Feature extractor F: `[B, H, W, 3]` images to `[B, H, W, D]` features.

  One encoder block (two convolutions, then a max-pool) per width, each halving
  the size; a symmetric decoder that joins the encoder's outputs by addition; a
  1 x 1 convolution to D channels. Addition costs two thirds of what
  concatenation does. Where a size does not halve evenly, the decoder repeats
  the edge to reach the size of its skip.

  Attributes:
    features: D, the channels of the output.
    widths: channels of the encoder blocks, from fine to coarse.
    norm: one of `NORMS`, after each convolution of a block.
    dtype: what the convolutions compute in.
    axis_name: mapped axis over which batch statistics are averaged.
    remat: recompute the blocks' activations for the gradient instead of holding
      them. It helps on accelerators; on a CPU, XLA holds as much regardless.
  """

  features: int = 64
  widths: Sequence[int] = (32, 64, 128, 256)
  norm: str = 'group'
  dtype: Any = jnp.float32
  axis_name: str | None = None
  remat: bool = False

  def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    """Returns features `[B, H, W, D]`."""
    return self.project(self.trunk(images, train=train))

  @nn.compact
  def pyramid(
      self, images: jax.Array, *, train: bool = False
  ) -> list[jax.Array]:
    """Outputs of the encoder blocks, from fine to coarse, each half as large.

    Block i's is `[B, H / 2^i, W / 2^i, widths[i]]`, counted from 0.
    """
    _check_input('images', images)
    block = _blocks.conv_block(self, train)
    x, levels = images.astype(self.dtype), []
    for level, width in enumerate(self.widths):
      x = _convolutions.max_pool(x) if level else x
      x = block(width, name=f'encoder{level + 1}')(x)
      levels.append(x)
    return levels

  @nn.compact
  def trunk(self, images: jax.Array, *, train: bool = False) -> jax.Array:
    """All but the last convolution: `[B, H, W, widths[0]]`."""
    block = _blocks.conv_block(self, train)
    skips = self.pyramid(images, train=train)
    x = _convolutions.max_pool(skips[-1])
    for level in reversed(range(len(self.widths))):
      width, skip = self.widths[level], skips[level]
      if x.shape[-1] != width:
        # Before up-sampling, where it costs a quarter.
        x = _blocks.convolution(
            width, (1, 1), dtype=self.dtype, name=f'narrow{level + 1}'
        )(x)
      x = _blocks.upsample(x, skip.shape[-3:-1]) + skip
      x = block(width, name=f'decoder{level + 1}')(x)
    return x

  @nn.compact
  def project(self, x: jax.Array) -> jax.Array:
    """The last convolution, `[..., widths[0]]` to `[..., D]`.

    It acts on each pixel by itself, and hence commutes with bilinear sampling:
    where features are needed at few points, it may be applied after sampling.
    """
    return nn.Dense(self.features, dtype=self.dtype, name='features')(x)


class LandmarkNet(nn.Module):
  """Landmark net T: `[B, H, W, D]` features to `[B, H, W, K]` heatmaps.

  Fully convolutional at full resolution: a 1 x 1 convolution to `width`
  channels (layer 2), two stages of residual blocks (layers 3 and 4), and a
  1 x 1 convolution to K channels, without a bias: a softmax over pixels does
  not see it.

  Attributes:
    num_landmarks: K.
    width: channels of layers 2 to 4.
    blocks: residual blocks in each of the two stages.
    dilation: spacing of the residual blocks' taps, which widens what T sees.
    heatmap_scale: factor on the logits. The softmax of freshly initialised
      logits is almost flat, and puts every landmark at the image's centre; with
      a factor of about 10 they start spread out.
    norm: one of `NORMS`.
    dtype: what the convolutions compute in.
    axis_name: mapped axis over which batch statistics are averaged.
    remat: as in `Hourglass`.
  """

  num_landmarks: int
  width: int = 64
  blocks: int = 1
  dilation: int = 1
  heatmap_scale: float = 10.0
  norm: str = 'group'
  dtype: Any = jnp.float32
  axis_name: str | None = None
  remat: bool = False

  @nn.compact
  def __call__(
      self, features: jax.Array, *, train: bool = False
  ) -> dict[str, jax.Array]:
    """Returns `layer1` to `layer4` and the logits `heatmaps`."""
    _check_input('features', features)
    common = _blocks.layers(self, train)
    conv, norm = common['conv'], common['norm']
    x = conv(self.width, (1, 1), name='enter')(features.astype(self.dtype))
    x = nn.relu(norm(name='enter_norm')(x))
    layers = {'layer1': features, 'layer2': x}
    residual = _blocks.ResidualBlock
    block = functools.partial(
        nn.remat(residual) if self.remat else residual,
        dilation=self.dilation,
        **common,
    )
    for stage in ('layer3', 'layer4'):
      for index in range(self.blocks):
        x = block(name=f'{stage}_{index}')(x)
      layers[stage] = x
    logits = _blocks.convolution(
        self.num_landmarks, (1, 1), use_bias=False, dtype=self.dtype,
        name='heatmaps',
    )(x)  # fmt: skip
    logits = logits.astype(jnp.result_type(logits, jnp.float32))
    return {**layers, 'heatmaps': self.heatmap_scale * logits}


@dataclasses.dataclass(frozen=True)
class Nets:
  """The nets, as a config describes them.

  Attributes:
    features: F.
    landmarks: T.
    image_size: side of the images that they are trained on, in pixels.
    renderer: what draws images from landmarks, if anything does.
  """

  features: Hourglass | _fse_nets.FSEFeatures
  landmarks: LandmarkNet | _fse_nets.FSELandmarks
  image_size: int
  renderer: renderers.Renderer | None = None

  def module(self, name: str) -> nn.Module:
    """The net of this name."""
    if name in (FIRST_FEATURES, RANDOM_FEATURES):
      return self.features.clone(name=name)
    return getattr(self, name)

  def init(
      self, key: jax.Array, names: Sequence[str] = (FEATURES, LANDMARKS)
  ) -> dict[str, Variables]:
    """Fresh variables of the named nets, by name.

    A net's variables are the same whether the other nets are named or not.
    """
    keys = dict(zip((FEATURES, LANDMARKS), jax.random.split(key), strict=True))
    for number, name in enumerate((RENDERER, RANDOM_FEATURES), 2):
      keys[name] = jax.random.fold_in(key, number)
    return {
        name: jax.jit(self.module(name).init)(keys[name], *self._inputs(name))
        for name in names
    }

  def _inputs(self, name: str) -> list[jax.Array]:
    """Of the form that a net takes."""
    shape = (self.image_size, self.image_size)
    inputs = [(shape, 3)]
    if name == LANDMARKS:
      inputs = [(shape, self.features.features)]
    elif name == RENDERER:
      number = self.landmarks.num_landmarks
      inputs.append((self.renderer.grid(shape), number))
    return [jnp.zeros((1, *form, depth)) for form, depth in inputs]


def make_nets(config: Any, *, axis_name: str | None = None) -> Nets:
  """Builds the nets of a config.

  Args:
    config: fields `image_size`, `num_landmarks`, `dtype`, `remat` and `model`.
    axis_name: mapped axis over which batch statistics are averaged in training.
  """
  model = config.model
  common = {
      'norm': model.norm,
      'dtype': jnp.dtype(config.dtype),
      'axis_name': axis_name,
      'remat': config.remat,
  }
  if model.net == 'fse':
    return Nets(
        features=_fse_nets.FSEFeatures(
            features=model.features, name=FEATURES, **common
        ),
        landmarks=_fse_nets.FSELandmarks(
            num_landmarks=config.num_landmarks,
            heatmap_scale=model.heatmap_scale,
            name=LANDMARKS,
            **common,
        ),
        image_size=config.image_size,
    )
  return Nets(
      features=Hourglass(
          features=model.features,
          widths=tuple(model.widths),
          name=FEATURES,
          **common,
      ),
      landmarks=LandmarkNet(
          num_landmarks=config.num_landmarks,
          width=model.landmark_width,
          blocks=model.landmark_blocks,
          dilation=model.landmark_dilation,
          heatmap_scale=model.heatmap_scale,
          name=LANDMARKS,
          **common,
      ),
      image_size=config.image_size,
      renderer=renderers.Renderer(
          width=model.widths[0],
          halvings=renderers.halvings(config.image_size),
          name=RENDERER,
          **common,
      ),
  )


def apply_trained(
    net: nn.Module,
    variables: Variables,
    *inputs: jax.Array,
    method: str | None = None,
) -> tuple[Any, Any]:
  """Applies a net, or one method of it, in training mode.

  Returns:
    The net's output, and its new batch statistics ({} where it has none).
  """
  output, changed = net.apply(
      variables, *inputs, train=True, mutable=['batch_stats'], method=method
  )
  return output, changed.get('batch_stats', {})


def scale_pixels(pixels: jax.Array) -> jax.Array:
  """Uint8 pixels of any shape as the nets take them, in [0, 1]."""
  return jnp.asarray(pixels, float) / 255.0


def apply(
    nets: Nets, variables: dict[str, Variables], images: jax.Array
) -> dict[str, jax.Array]:
  """What T returns on F's features, both as they are after training.

  Args:
    nets: both nets.
    variables: of both nets.
    images: `[B, S, S, 3]` in [0, 1].

  Returns:
    `layer1` (F's features) to `layer4` and the logits `heatmaps`.
  """
  features = nets.features.apply(variables[FEATURES], images)
  return nets.landmarks.apply(variables[LANDMARKS], features)


def find_landmarks(
    nets: Nets, variables: dict[str, Variables], pixels: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """The whole way from pixels to points, as one pure function.

  Args:
    nets: both nets.
    variables: of both nets.
    pixels: uint8 `[B, S, S, 3]`.

  Returns:
    Landmarks `[B, K, 2]`, and the roots of their heatmaps' variances `[B, K]`,
    both float32 at least, in pixels of the images given.
  """
  return locate(apply(nets, variables, scale_pixels(pixels))['heatmaps'])


def locate(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Landmarks `[B, K, 2]` and spreads `[B, K]` of `[B, S, S, K]` logits."""
  probabilities = heatmaps.spatial_softmax(logits)
  return (
      heatmaps.expectation(probabilities),
      jnp.sqrt(heatmaps.spread(probabilities)),
  )


def _check_input(name: str, x: jax.Array) -> None:
  """Refuses integers: pixels that are not scaled to [0, 1] yet."""
  if x.ndim < 4 or not jnp.issubdtype(x.dtype, jnp.floating):
    raise ValueError(
        f'{name} must be a floating-point array [B, H, W, channels], got '
        f'{x.dtype} of shape {x.shape}.'
    )
