"""The two nets in PyTorch, of the same shapes as `eqlandmarks.models`."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Hourglass(nn.Module):
  """F, as `trunk` and `project`."""

  def __init__(self, model: Any):
    super().__init__()
    widths = list(model.widths)
    self.encoders = nn.ModuleList(
        _conv_block(i, o, model.norm)
        for i, o in zip([3, *widths[:-1]], widths, strict=True)
    )
    self.narrows = nn.ModuleList(
        nn.Conv2d(i, o, 1) if i != o else nn.Identity()
        for i, o in zip([*widths[1:], widths[-1]], widths, strict=True)
    )
    self.decoders = nn.ModuleList(
        _conv_block(width, width, model.norm) for width in widths
    )
    self.project = nn.Linear(widths[0], model.features)

  def trunk(self, x: torch.Tensor) -> torch.Tensor:
    """All but the last layer: `[B, 3, H, W]` to `[B, widths[0], H, W]`."""
    skips = []
    for encoder in self.encoders:
      x = encoder(x)
      skips.append(x)
      x = functional.max_pool2d(x, 2)
    for level in reversed(range(len(skips))):
      skip = skips[level]
      x = functional.interpolate(self.narrows[level](x), size=skip.shape[2:])
      x = self.decoders[level](x + skip)
    return x

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """`[B, 3, H, W]` to `[B, D, H, W]`."""
    weight = self.project.weight[..., None, None]
    return functional.conv2d(self.trunk(x), weight, self.project.bias)


class LandmarkNet(nn.Module):
  """T: `[B, D, H, W]` features to `[B, K, H, W]` float32 logits."""

  def __init__(self, model: Any, num_landmarks: int):
    super().__init__()
    width = model.landmark_width
    self.enter = nn.Sequential(
        nn.Conv2d(model.features, width, 1), _norm(model.norm, width)
    )
    self.blocks = nn.ModuleList(
        _conv_block(width, width, model.norm, model.landmark_dilation)[:-1]
        for _ in range(2 * model.landmark_blocks)
    )
    self.heatmaps = nn.Conv2d(width, num_landmarks, 1)
    self.scale = model.heatmap_scale

  def forward(self, f: torch.Tensor) -> torch.Tensor:
    """The heatmaps' logits."""
    x = functional.relu(self.enter(f))
    for block in self.blocks:
      x = functional.relu(x + block(x))
    return self.scale * self.heatmaps(x).float()


def _conv_block(
    into: int, width: int, norm: str, dilation: int = 1
) -> nn.Sequential:
  taps = {'padding': dilation, 'dilation': dilation}
  return nn.Sequential(
      nn.Conv2d(into, width, 3, **taps), _norm(norm, width),
      nn.ReLU(inplace=True),
      nn.Conv2d(width, width, 3, **taps), _norm(norm, width),
      nn.ReLU(inplace=True),
  )  # fmt: skip


def _norm(name: str, width: int) -> nn.Module:
  if name == 'group':
    return nn.GroupNorm(max(g for g in range(1, 9) if width % g == 0), width)
  return nn.BatchNorm2d(width) if name == 'batch' else nn.Identity()
