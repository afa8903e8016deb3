"""The steps of both stages in PyTorch, as a user who knows it would write."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from shared import torch_nets
from shared import torch_views

_FORMAT = torch.channels_last


class Steps:
  """Nets, optimisers and a batch, and the steps on them.

  Args:
    config: as for training.
    images: uint8 `[B, S, S, 3]`, in the host's memory.
  """

  def __init__(self, config: Any, images: np.ndarray):
    gpu = torch.cuda.is_available()
    self.device = torch.device('cuda' if gpu else 'cpu')
    self._config, self._images = config, images
    self.features = self._place(torch_nets.Hourglass(config.model))
    self.landmarks = self._place(
        torch_nets.LandmarkNet(config.model, config.num_landmarks)
    )
    self._optimizers = {
        'stage1': _adam(self.features, config.pretrain),
        'stage2': _adam(self.landmarks, config.discover),
    }
    losses: dict[str, Callable[..., torch.Tensor]] = {
        'stage1': self._pretrain, 'stage2': self._discover,
        'features_gradient': lambda x: self.features(x).float().square().mean(),
    }  # fmt: skip
    self._losses = {
        name: torch.compile(loss) if gpu else loss
        for name, loss in losses.items()
    }
    self._views = self._to_device().repeat(2, 1, 1, 1).to(memory_format=_FORMAT)

  def run(self, name: str, steps: int) -> None:
    """Does some steps of `stage1`, `stage2` or `features_gradient`."""
    for _ in range(steps):
      if name == 'features_gradient':
        self.features.zero_grad(set_to_none=True)
        with self._autocast():
          loss = self._losses[name](self._views)
        loss.backward()
        continue
      optimizer = self._optimizers[name]
      optimizer.zero_grad(set_to_none=True)
      self._losses[name](self._to_device()).backward()
      optimizer.step()
    if self.device.type == 'cuda':
      torch.cuda.synchronize()

  def _place(self, net: torch.nn.Module) -> torch.nn.Module:
    return net.to(self.device, memory_format=_FORMAT)

  def _to_device(self) -> torch.Tensor:
    images = torch.from_numpy(self._images).to(self.device, non_blocking=True)
    x = images.permute(0, 3, 1, 2).float().div_(255)
    return x.contiguous(memory_format=_FORMAT)

  def _autocast(self) -> contextlib.AbstractContextManager:
    if self._config.dtype == 'float32':
      return contextlib.nullcontext()
    return torch.autocast(self.device.type, torch.bfloat16)

  @torch.no_grad()
  def _both(self, x: torch.Tensor, stage: Any) -> tuple[Any, Any]:
    warped, pull = torch_views.make_views(x, stage.warp, stage.appearance)
    return torch.cat([x, warped]).contiguous(memory_format=_FORMAT), pull

  def _pretrain(self, x: torch.Tensor) -> torch.Tensor:
    stage = self._config.pretrain
    views, pull = self._both(x, stage)
    there = torch.rand(len(x), stage.num_locations, 2, device=x.device)
    there = there * 2 - 1
    here = pull(there)
    valid = (here.abs() <= 1).all(-1)
    with self._autocast():
      maps = self.features.trunk(views)
      f = self.features.project(
          torch_views.sample(maps, torch.cat([here, there]))
      )
    first, second = functional.normalize(f.float(), dim=-1).chunk(2)
    if stage.negatives == 'batch':
      first, second = (f.reshape(1, -1, f.shape[-1]) for f in (first, second))
      valid = valid.reshape(1, -1)
    return _contrastive(first, second, valid, stage.temperature)

  def _discover(self, x: torch.Tensor) -> torch.Tensor:
    stage = self._config.discover
    views, pull = self._both(x, stage)
    with self._autocast():
      with torch.no_grad():
        f = self.features(views)
      logits = self.landmarks(f)
    probabilities = logits.flatten(2).softmax(-1).view(logits.shape)
    return _landmark_loss(probabilities, pull, stage)


def _adam(net: torch.nn.Module, stage: Any) -> torch.optim.Optimizer:
  return torch.optim.Adam(
      net.parameters(), stage.learning_rate, weight_decay=stage.l2, fused=True
  )


def _contrastive(
    first: torch.Tensor, second: torch.Tensor, valid: torch.Tensor,
    temperature: float,
) -> torch.Tensor:  # fmt: skip
  """The mean over groups of `[G, N, D]` features that are compared."""
  both, usable = torch.cat([first, second], 1), torch.cat([valid, valid], 1)
  count = both.shape[1]
  itself = torch.eye(count, dtype=torch.bool, device=both.device)
  logits = both @ both.transpose(1, 2) / temperature
  logits = logits.masked_fill(itself | ~usable[:, None], -1e9)
  positive = torch.arange(count, device=both.device).roll(count // 2)
  each = functional.cross_entropy(
      logits.transpose(1, 2), positive.expand(len(both), -1), reduction='none'
  )
  return ((each * usable).sum(1) / valid.sum(1).clamp(min=1)).mean()


def _landmark_loss(
    probabilities: torch.Tensor, pull: torch_views.Pull, stage: Any
) -> torch.Tensor:
  """Equivariance, diversity and variance of `[2B, K, S, S]` heatmaps."""
  size = probabilities.shape[-1]
  centres = torch.arange(size, device=probabilities.device) + 0.5
  of_rows, of_columns = probabilities.sum(3), probabilities.sum(2)
  points = torch.stack([of_columns @ centres, of_rows @ centres], -1)
  here, there = points.chunk(2)
  pulled = (pull(there * 2 / size - 1) + 1) * size / 2
  inside = ((pulled >= 0) & (pulled <= size)).all(-1)
  squared = (here - pulled).square().sum(-1) * inside
  equivariance = (squared.sum(1) / inside.sum(1).clamp(min=1)).mean()
  half = len(here)
  pooled = functional.avg_pool2d(
      probabilities[:half], round(stage.patch * size), ceil_mode=True,
      divisor_override=1,
  )
  shared = pooled.sum(1) - pooled.amax(1)
  columns = (centres - here[..., :1]).square() * of_columns[:half]
  rows = (centres - here[..., 1:]).square() * of_rows[:half]
  weights = stage.weights
  variance = (columns.sum(-1) + rows.sum(-1)).mean()
  squared_px = (128 / size) ** 2  # of a 128-pixel image
  return (
      weights.equivariance * squared_px * equivariance
      + weights.diversity * shared.sum((1, 2)).mean()
      + weights.variance * squared_px * variance
  )
