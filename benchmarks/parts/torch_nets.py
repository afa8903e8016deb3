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
    into = [3, *widths[:-1]]
    self.encoders = nn.ModuleList(
        _ConvBlock(i, o, model.norm) for i, o in zip(into, widths, strict=True)
    )
    coarse = [*widths[1:], widths[-1]]
    self.narrows = nn.ModuleList(
        nn.Conv2d(i, o, 1) if i != o else nn.Identity()
        for i, o in zip(coarse, widths, strict=True)
    )
    self.decoders = nn.ModuleList(_ConvBlock(w, w, model.norm) for w in widths)
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
    self.enter = nn.Conv2d(model.features, width, 1, bias=_bias(model.norm))
    self.norm = _norm(model.norm, width)
    self.blocks = nn.Sequential(*(
        _ResidualBlock(width, model.norm, model.landmark_dilation)
        for _ in range(2 * model.landmark_blocks)
    ))
    self.heatmaps = nn.Conv2d(width, num_landmarks, 1, bias=False)
    self.scale = model.heatmap_scale

  def forward(self, f: torch.Tensor) -> torch.Tensor:
    """The heatmaps' logits."""
    x = functional.relu(self.norm(self.enter(f)))
    return self.scale * self.heatmaps(self.blocks(x)).float()


class _ConvBlock(nn.Module):

  def __init__(self, into: int, width: int, norm: str):
    super().__init__()
    taps = {'padding': 1, 'bias': _bias(norm)}
    self.layers = nn.Sequential(
        nn.Conv2d(into, width, 3, **taps), _norm(norm, width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, **taps), _norm(norm, width),
        nn.ReLU(inplace=True),
    )  # fmt: skip

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return self.layers(x)


class _ResidualBlock(nn.Module):

  def __init__(self, width: int, norm: str, dilation: int):
    super().__init__()
    taps = {'padding': dilation, 'dilation': dilation, 'bias': _bias(norm)}
    self.layers = nn.Sequential(
        nn.Conv2d(width, width, 3, **taps), _norm(norm, width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, **taps), _norm(norm, width),
    )  # fmt: skip

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return functional.relu(x + self.layers(x))


def _bias(norm: str) -> bool:
  """A normalisation has its own."""
  return norm == 'none'


def _norm(name: str, width: int) -> nn.Module:
  if name == 'group':
    return nn.GroupNorm(max(g for g in range(1, 9) if width % g == 0), width)
  return nn.BatchNorm2d(width) if name == 'batch' else nn.Identity()
