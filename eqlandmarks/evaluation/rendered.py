"""What a renderer draws from the landmarks of test images."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import models
from eqlandmarks.evaluation import observe
from eqlandmarks.training.objectives import base as objectives


def draw_pairs(
    config: Any,
    variables: observe.Variables,
    images: np.ndarray,
    arrays: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """Draws warped copies of images, with the images' looks.

  Args:
    config: a config with the fields of configs/common.py.
    variables: of all nets of a stage.
    images: uint8 `[N, S, S, 3]`.
    arrays: of `observe.Outcome`, on these images.

  Returns:
    Further arrays, see there; none where nothing was trained to draw.
  """
  nets, section = models.make_nets(config), config.discover
  render = objectives.load(section.objective).render
  if render is None or models.RENDERER not in variables:
    return {}

  def draw_one(
      variables: observe.Variables, image: jax.Array, copy: jax.Array
  ) -> tuple[jax.Array]:
    points, _ = models.find_landmarks(nets, variables, copy[None])
    looks = models.scale_pixels(image)[None]
    drawn = render(variables, looks, points, section, nets)[0]
    return (jnp.round(255.0 * jnp.clip(drawn, 0, 1)).astype(jnp.uint8),)

  used = (models.FEATURES, models.LANDMARKS, models.RENDERER)
  (drawn,) = observe.over_images(
      config,
      draw_one,
      {net: variables[net] for net in used},
      images[arrays['pair_rows']],
      arrays['pair_images'],
  )
  return {'pair_drawn': drawn}
