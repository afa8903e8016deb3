"""Random photometric changes r, which move no pixel.

Images are float `[H, W, 3]` in [0, 1]. The single operations are dm_pix's; here
they are put in one order and given random strengths. Unbatched: use `jax.vmap`.
"""

import dm_pix as pix
import jax
import jax.numpy as jnp

__all__ = ['random_appearance']


def random_appearance(
    key: jax.Array,
    image: jax.Array,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    noise: float = 0.0,
) -> jax.Array:
  """Changes contrast, brightness and colour, and adds noise, at random.

  Args:
    key: PRNG key.
    image: `[H, W, 3]` in [0, 1].
    brightness: largest shift of all values, of both signs.
    contrast: the contrast is scaled about the image's mean by a factor in
      1 -+ contrast.
    saturation: the saturation is scaled by a factor in 1 -+ saturation.
    hue: largest turn of the hue, as a share of the colour circle.
    noise: largest standard deviation of Gaussian noise per value; each image
      draws its own, from 0 up.

  Returns:
    `[H, W, 3]` in [0, 1]; the image itself where all strengths are zero.
  """
  keys = jax.random.split(key, 6)
  draw = [jax.random.uniform(k, minval=-1.0, maxval=1.0) for k in keys[:4]]
  if contrast:
    image = pix.adjust_contrast(image, 1.0 + contrast * draw[0])
  if brightness:
    image = pix.adjust_brightness(image, brightness * draw[1])
  image = jnp.clip(image, 0.0, 1.0)  # dm_pix's conversion to HSV needs it
  if saturation:
    image = pix.adjust_saturation(image, 1.0 + saturation * draw[2])
  if hue:
    image = pix.adjust_hue(image, hue * draw[3])
  if noise:
    scale = noise * jax.random.uniform(keys[4])
    image = image + scale * jax.random.normal(keys[5], image.shape)
  return jnp.clip(image, 0.0, 1.0)
