"""Random warps and photometric changes in PyTorch, with kornia.

A warp is known here by its *pull*, from the warped image to the image: that is
what `grid_sample` takes, and points are moved by the same, so that nothing has
to be inverted. Coordinates are (x, y) in [-1, 1], as PyTorch has them.
"""

from collections.abc import Callable
from typing import Any

import kornia
import torch
from torch.nn import functional

_BORDERS = {'reflect': 'reflection', 'edge': 'border', 'zeros': 'zeros'}

Pull = Callable[[torch.Tensor], torch.Tensor]


def make_views(
    x: torch.Tensor, warp: Any, appearance: Any
) -> tuple[torch.Tensor, Pull]:
  """Warped and changed copies of `[B, 3, S, S]`, and their warps.

  Args:
    x: images in [0, 1].
    warp: strengths, as in the config.
    appearance: strengths, as in the config.
  """
  moved, pull = _moved(x, warp)
  return _change(moved, appearance), pull


def sample(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
  """`[B, M, C]`: maps `[B, C, H, W]` at points `[B, M, 2]`."""
  found = functional.grid_sample(
      maps, points[:, None].to(maps.dtype), padding_mode='border',
      align_corners=False,
  )  # fmt: skip
  return found[:, :, 0].transpose(1, 2)


def _uniform(x: torch.Tensor, *shape: int) -> torch.Tensor:
  return torch.rand(len(x), *shape, device=x.device) * 2 - 1


def _affine(x: torch.Tensor, warp: Any) -> torch.Tensor:
  """`[B, 2, 3]` from the warped image to the image."""
  angle = torch.deg2rad(warp.rotation * _uniform(x))
  scale = (1 + warp.zoom) ** _uniform(x)
  stretch = (1 + warp.aspect) ** (_uniform(x) / 2)
  cosine, sine = torch.cos(angle), torch.sin(angle)
  shift = 2 * warp.translation * _uniform(x, 2)
  return torch.stack([
      torch.stack([scale * stretch * cosine, -scale * sine, shift[:, 0]], 1),
      torch.stack([scale * sine, scale / stretch * cosine, shift[:, 1]], 1),
  ], 1)  # fmt: skip


def _moved(x: torch.Tensor, warp: Any) -> tuple[torch.Tensor, Pull]:
  """By an affine map, and an elastic field enlarged from its control values.

  Cheaper than kornia's thin-plate splines and blurred noise.
  """
  grid = functional.affine_grid(
      _affine(x, warp), list(x.shape), align_corners=False
  )
  if warp.elastic:
    control = torch.randn(len(x), 2, warp.grid, warp.grid, device=x.device)
    field = functional.interpolate(
        2 * warp.elastic * control, size=x.shape[2:], mode='bicubic',
        align_corners=True,
    )  # fmt: skip
    grid = grid + field.permute(0, 2, 3, 1)
  moved = functional.grid_sample(
      x, grid, padding_mode=_BORDERS[warp.border], align_corners=False
  )
  maps = grid.permute(0, 3, 1, 2)
  return moved, lambda points: sample(maps, points)


def _change(x: torch.Tensor, strengths: Any) -> torch.Tensor:
  """Contrast and brightness, saturation and hue, noise."""

  def draw(strength: float) -> torch.Tensor:
    return strength * _uniform(x, 1, 1, 1)

  if strengths.contrast:
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (1 + draw(strengths.contrast)) * (x - mean)
  if strengths.brightness:
    x = x + draw(strengths.brightness)
  x = x.clamp(0, 1)
  if strengths.saturation or strengths.hue:
    # Once for both, which `adjust_saturation` and `adjust_hue` do not do.
    hue, saturation, value = kornia.color.rgb_to_hsv(x).split(1, 1)
    saturation = (saturation * (1 + draw(strengths.saturation))).clamp(0, 1)
    circle = 2 * torch.pi
    hue = torch.remainder(hue + circle * draw(strengths.hue), circle)
    x = kornia.color.hsv_to_rgb(torch.cat([hue, saturation, value], 1))
  if strengths.noise:
    scale = strengths.noise * torch.rand(len(x), 1, 1, 1, device=x.device)
    x = x + scale * torch.randn_like(x)
  return x.clamp(0, 1)
