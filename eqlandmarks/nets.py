"""F and T as a config describes them, and their variables."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from eqlandmarks import errors
from eqlandmarks import models

FEATURES, LANDMARKS = 'features', 'landmarks'

# Of each net: {'params': ..., 'batch_stats': ... where it has them}.
Variables = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Nets:
  """The two nets.

  Attributes:
    features: F.
    landmarks: T.
    image_size: side of the images they are trained on.
  """

  features: models.Hourglass
  landmarks: models.LandmarkNet
  image_size: int

  def init(self, key: jax.Array) -> dict[str, Variables]:
    """Fresh variables of both nets, under 'features' and 'landmarks'."""
    size, depth = self.image_size, self.features.features
    first, second = jax.random.split(key)
    return {
        FEATURES: jax.jit(self.features.init)(
            first, jnp.zeros((1, size, size, 3))
        ),
        LANDMARKS: jax.jit(self.landmarks.init)(
            second, jnp.zeros((1, size, size, depth))
        ),
    }


def make_nets(config: Any, *, axis_name: str | None = None) -> Nets:
  """Builds the nets of a config.

  Args:
    config: fields `image_size`, `num_landmarks`, `dtype`, `remat` and
      `model`.
    axis_name: mapped axis for batch statistics while training.
  """
  model = config.model
  common = {
      'norm': model.norm,
      'dtype': jnp.dtype(config.dtype),
      'axis_name': axis_name,
      'remat': config.remat,
  }
  return Nets(
      features=models.Hourglass(
          features=model.features, widths=tuple(model.widths), **common
      ),
      landmarks=models.LandmarkNet(
          num_landmarks=config.num_landmarks,
          width=model.landmark_width,
          blocks=model.landmark_blocks,
          dilation=model.landmark_dilation,
          heatmap_scale=model.heatmap_scale,
          **common,
      ),
      image_size=config.image_size,
  )


def check_variables(
    config: Any, variables: dict[str, Variables], source: str
) -> None:
  """Sees that stored variables fit the nets of a config.

  Args:
    config: fields as for `make_nets`.
    variables: of one net or of both.
    source: where they come from, for the message.

  Raises:
    UserError: they have other shapes than the config's.
  """
  expected = jax.eval_shape(make_nets(config).init, jax.random.key(0))
  for net, found in variables.items():
    shapes = [
        jax.tree.map(lambda leaf: tuple(leaf.shape), tree)
        for tree in (expected[net], found)
    ]
    if shapes[0] != shapes[1]:
      raise errors.UserError(
          f'{source}: the {net} net stored there has other shapes than '
          'expected by config.num_landmarks and config.model.'
      )


def apply_trained(
    net: models.Hourglass | models.LandmarkNet,
    variables: Variables,
    inputs: jax.Array,
    *,
    method: str | None = None,
) -> tuple[Any, Any]:
  """Applies a net, or one method of it, in training mode.

  Returns:
    The net's output, and its new batch statistics ({} where it has none).
  """
  output, changed = net.apply(
      variables, inputs, train=True, mutable=['batch_stats'], method=method
  )
  return output, changed.get('batch_stats', {})
