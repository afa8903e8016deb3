"""How sure a prediction is of a point, as a number on (0, 1].

A heatmap is read as a measure on the pixels. Its spread s, the root of the
trace of its covariance, is how far the net itself would put the point from
where it puts it on average. The confidence is

    1 / (1 + (s / 6)^2),  with s in pixels of a 128-pixel image:

1 for a heatmap that is one pixel, 1/2 where the spread is the 6 pixels within
which a point counts as found, 0.01 for a flat heatmap. It falls as s grows and
depends on nothing else, so it orders points as their spreads do. It is no
probability: nothing has been calibrated.
"""

import dataclasses
from typing import Any

import numpy as np

from eqlandmarks import metrics
from eqlandmarks import regression

# The spread at which the confidence is a half, in pixels of a 128-pixel image.
_HALF = 6.0


def from_spread(spread: np.ndarray, image_size: int) -> np.ndarray:
  """The confidence of points, by the formula above.

  `spread`, of any shape, is in pixels of an image of this size.
  """
  return 1.0 / (1.0 + (spread * (128.0 / image_size) / _HALF) ** 2)


@dataclasses.dataclass(frozen=True)
class Annotator:
  """Annotations by the fitted regressor, and how sure they are.

  Attributes:
    names: the J annotated points.
    regressor: from landmarks to annotations.
    residuals: `[J]`, root mean square distance from the annotations of the
      images that it was fitted on, in pixels.
  """

  names: tuple[str, ...]
  regressor: regression.LandmarkRegressor
  residuals: np.ndarray

  @property
  def shares(self) -> np.ndarray:
    """`[J, K]`: of each landmark's variance, what an annotation has of it."""
    weights = self.regressor.weights.reshape(len(self.names), 2, -1, 2)
    # Half of a landmark's variance lies along each axis.
    return (weights**2).sum((1, 3)) / 2

  def __call__(
      self, landmarks: np.ndarray, spreads: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Annotations `[N, J, 2]` and their spreads `[N, J]`, float32, in pixels.

    The map from landmarks `[N, K, 2]` is linear, so their covariances pass
    through it. These are taken as round and independent, of spreads `[N, K]`,
    and the regressor's own error is added.
    """
    points = self.regressor.predict(landmarks)
    variances = spreads.astype(np.float64) ** 2 @ self.shares.T
    spread = np.sqrt(variances + self.residuals**2)
    return points.astype(np.float32), spread.astype(np.float32)


def make_annotator(
    outcome: dict[str, np.ndarray], names: tuple[str, ...], config: Any
) -> Annotator:
  """Fits the regressor again, as the evaluation did, to its arrays.

  Of `config` it needs `image_size` and `regression`.
  """
  landmarks, points = outcome['fit_landmarks'], outcome['fit_points']
  regressor = regression.from_config(landmarks, points, config)
  distances = metrics.distances(regressor.predict(landmarks), points)
  residuals = np.sqrt(np.nanmean(distances**2, axis=0))
  return Annotator(names, regressor, residuals)
