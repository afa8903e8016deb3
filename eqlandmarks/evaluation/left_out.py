"""How well a regressor does on images that it was not fitted on, without more.

The images, in their order, are parted into blocks of neighbours: of a video,
frames that follow each other and look alike stay together. The points of each
block are predicted by a regressor fitted on all other blocks.
"""

import dataclasses
from typing import Any

import numpy as np

from eqlandmarks import metrics
from eqlandmarks import regression

# Fewer where there are fewer images.
BLOCKS = 5


@dataclasses.dataclass(frozen=True)
class Score:
  """The figures of a named point, or of all.

  Attributes:
    point: its name; 'all' for the first, that of all points.
    images: how many have it.
    error: mean distance, in pixels of a 128-pixel image.
    stderr: standard error of that over images.
    pck: share of points within `config.evaluation.pck` of the same pixels.
    mean_shape: the error of the mean of the other blocks: the floor.
  """

  point: str
  images: int
  error: float
  stderr: float
  pck: float
  mean_shape: float


def blocks(count: int) -> list[np.ndarray]:
  """The numbers of the images in each block; none of a single image."""
  if count < 2:
    return []
  return np.array_split(np.arange(count), min(BLOCKS, count))


def predict(
    landmarks: np.ndarray, points: np.ndarray, config: Any
) -> tuple[np.ndarray, np.ndarray]:
  """Points `[N, J, 2]` by a regressor, and by the mean, of the other blocks.

  Args:
    landmarks: `[N, K, 2]`, in pixels of the images.
    points: `[N, J, 2]`, in the same pixels, NaN where missing.
    config: with `image_size` and `regression`.

  Returns:
    Both in pixels, NaN where no other block has a point.
  """
  predicted, means = np.full((2, *points.shape), np.nan)
  for block in blocks(len(points)):
    rest = np.setdiff1d(np.arange(len(points)), block)
    regressor = regression.from_config(
        landmarks[rest], points[rest], config, allow_missing=True
    )
    predicted[block] = regressor.predict(landmarks[block])
    total = np.nansum(points[rest], axis=0)
    count = (~np.isnan(points[rest])).sum(axis=0)
    with np.errstate(invalid='ignore'):
      means[block] = total / count
  return predicted, means


def score(
    names: tuple[str, ...],
    landmarks: np.ndarray,
    points: np.ndarray,
    config: Any,
) -> list[Score]:
  """The figures of all points, and of each; see `predict`."""
  errors, floors = (
      metrics.to_128(metrics.distances(made, points), config.image_size)
      for made in predict(landmarks, points, config)
  )
  columns = [slice(None), *(slice(j, j + 1) for j in range(len(names)))]
  scores = []
  for name, chosen in zip(('all', *names), columns, strict=True):
    values = errors[:, chosen]
    within = metrics.within(values, config.evaluation.pck)
    scores.append(Score(
        name,
        int((~np.isnan(values)).any(axis=1).sum()),
        metrics.Mean.of(values).value,
        metrics.standard_error(values) if np.isfinite(values).any() else np.nan,
        metrics.Mean.of(within).value,
        metrics.Mean.of(floors[:, chosen]).value,
    ))  # fmt: skip
  return scores
