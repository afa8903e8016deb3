"""An image, and its copy after a random warp and a change of its colours."""

from typing import Any

import jax
from ml_collections import ConfigDict

from eqlandmarks import appearance
from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.system import field_rules
from eqlandmarks.training.pairs import base


# --8<-- [start:fields]
def section() -> ConfigDict:
  """The fields of a stage: no warp, and no change of the colours."""
  fields = ConfigDict()
  fields.warp = warp_section()
  fields.appearance = appearance_section()
  return fields


def warp_section(**strengths: float) -> ConfigDict:
  """Strengths of the random warps, see eqlandmarks.warps.random_warp. Open."""
  warp = ConfigDict()
  # Largest rotation, in degrees.
  warp.rotation = 0.0
  # Largest zoom and stretch: factors from 1 / (1 + this) to 1 + this.
  warp.zoom = 0.0
  warp.aspect = 0.0
  # Largest shift, as a share of the side.
  warp.translation = 0.0
  # Standard deviation of the elastic field's control values, same unit, and
  # its control points a side.
  warp.elastic = 0.0
  warp.grid = 5
  # What lies beyond the image's edge: reflect, edge or zeros.
  warp.border = 'reflect'
  warp.update(strengths)
  return warp


def appearance_section(**strengths: float) -> ConfigDict:
  """Strengths of eqlandmarks.appearance.random_appearance. Open."""
  appearance = ConfigDict()
  # Largest shift of all values, which lie in [0, 1], of both signs.
  appearance.brightness = 0.0
  # The factor about the image's mean lies in 1 -+ this.
  appearance.contrast = 0.0
  # The factor of the saturation lies in 1 -+ this.
  appearance.saturation = 0.0
  # Largest turn of the hue, as a share of the colour circle.
  appearance.hue = 0.0
  # Largest standard deviation of the noise; each image draws its own.
  appearance.noise = 0.0
  appearance.update(strengths)
  return appearance
# --8<-- [end:fields]


def _check_elastic(config: Any, warp: Any, prefix: str) -> None:
  del config
  limit = warps.MAX_STEEPNESS / (warp.grid - 3)
  if warp.elastic > limit:
    raise errors.UserError(
        f'config.{prefix}elastic is {warp.elastic!r}, expected at most '
        f'{limit:.3g} with {prefix}grid={warp.grid}: beyond, warps fold the '
        'image.'
    )


WARP_RULES = {
    'rotation': field_rules.not_negative(360),
    'zoom': field_rules.not_negative(100),
    'aspect': field_rules.not_negative(100),
    'translation': field_rules.not_negative(100),
    'elastic': field_rules.not_negative(),
    'grid': field_rules.integer(4, 512),
    'border': field_rules.one_of(*geometry.BORDERS),
    field_rules.WHOLE: _check_elastic,
}
_RULES = {
    'warp': WARP_RULES,
    'appearance': dict.fromkeys(appearance_section(), field_rules.SHARE),
}


def make_views(
    images: jax.Array, keys: jax.Array, section: Any
) -> base.Views:
  """Images as they are, and their warped and changed copies.

  Args:
    images: uint8 `[B, H, W, 3]`.
    keys: `[B]`, one PRNG key per image.
    section: fields `warp` and `appearance`.

  Returns:
    Views x and x' = r(g#(x)), `[B, H, W, 3]` in [0, 1]; and g, batched.
  """
  strengths = dict(section.warp)
  border = strengths.pop('border')
  x = models.scale_pixels(images)

  def make_copy(
      key: jax.Array, image: jax.Array
  ) -> tuple[jax.Array, warps.Warp]:
    first, second = jax.random.split(key)
    g = warps.random_warp(first, image.shape[:2], **strengths)
    moved = warps.warp_image(g, image, border=border)
    changed = appearance.random_appearance(
        second, moved, **dict(section.appearance)
    )
    return changed, g

  warped, g = jax.vmap(make_copy)(keys, x)
  return base.Views(x, warped, g)


PAIR = base.Pair(make_views, section, _RULES, has_map=True)
