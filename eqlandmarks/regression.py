"""From discovered landmarks to annotations: ridge regression.

The paper fits a linear map without bias, ridge alpha 0.1, and leaves open in
which unit and from which origin coordinates are measured. Without a bias the
result depends on both, so they are fields here, and travel with every number.

    regressor = regression.fit(landmarks, points, image_size=128)
    predicted = regressor.predict(landmarks_of_other_images)  # [N, J, 2]
"""

import dataclasses
from typing import Any

import numpy as np
from sklearn import linear_model

from eqlandmarks import errors

__all__ = [
    'ORIGINS',
    'UNITS',
    'Coordinates',
    'LandmarkRegressor',
    'fit',
    'from_config',
]

ORIGINS = ('corner', 'centre')
UNITS = ('px', 'unit')


@dataclasses.dataclass(frozen=True)
class Coordinates:
  """How points in pixels become numbers for the regression.

  Attributes:
    image_size: side of the images, in pixels.
    origin: 'corner' (top left) or 'centre' of the image.
    unit: 'px' of a 128-pixel image, or 'unit', the side of the image.
  """

  image_size: int
  origin: str
  unit: str

  def encode(self, points: np.ndarray) -> np.ndarray:
    """`[N, P, 2]` pixels to `[N, 2 P]` numbers."""
    numbers = (points.astype(np.float64) - self._origin) * self._scale
    return numbers.reshape(len(points), -1)

  def decode(self, numbers: np.ndarray) -> np.ndarray:
    """`[N, 2 P]` numbers to `[N, P, 2]` pixels."""
    points = numbers.reshape(len(numbers), -1, 2)
    return points / self._scale + self._origin

  @property
  def _origin(self) -> float:
    return self.image_size / 2 if self.origin == 'centre' else 0.0

  @property
  def _scale(self) -> float:
    return (128.0 if self.unit == 'px' else 1.0) / self.image_size


@dataclasses.dataclass(frozen=True)
class LandmarkRegressor:
  """A fitted map from K landmarks to J annotated points.

  Attributes:
    coordinates: how points are written as numbers.
    weights: `[2 J, 2 K]`.
    intercept: `[2 J]`, zero without an intercept.
  """

  coordinates: Coordinates
  weights: np.ndarray
  intercept: np.ndarray

  def predict(self, landmarks: np.ndarray) -> np.ndarray:
    """`[N, K, 2]` landmarks to `[N, J, 2]` annotations, in pixels."""
    inputs = self.coordinates.encode(landmarks)
    return self.coordinates.decode(inputs @ self.weights.T + self.intercept)


def fit(
    landmarks: np.ndarray,
    points: np.ndarray,
    *,
    image_size: int,
    alpha: float = 0.1,
    fit_intercept: bool = False,
    origin: str = 'corner',
    unit: str = 'px',
    allow_missing: bool = False,
) -> LandmarkRegressor:
  """Fits the regression.

  Each annotated point is fitted on the images that have it, independently of
  the other points.

  Args:
    landmarks: `[N, K, 2]` discovered landmarks, in pixels.
    points: `[N, J, 2]` annotations, in pixels, NaN where missing.
    image_size: side of the images, in pixels.
    alpha: strength of the ridge, in the chosen unit.
    fit_intercept: whether a bias is fitted; the paper has none.
    origin: one of `ORIGINS`.
    unit: one of `UNITS`.
    allow_missing: predict NaN for a point that no image has.

  Raises:
    UserError: a point that no image has, unless that is allowed.
  """
  coordinates = Coordinates(image_size, origin, unit)
  inputs, targets = coordinates.encode(landmarks), coordinates.encode(points)
  weights = np.zeros((targets.shape[1], inputs.shape[1]))
  intercept = np.zeros(targets.shape[1])
  present = ~np.isnan(points).any(axis=-1)
  # Points that the same images have are fitted together.
  for pattern in np.unique(present, axis=1).T:
    if not pattern.any() and allow_missing:
      weights[np.repeat(~present.any(axis=0), 2)] = np.nan
      continue
    if not pattern.any():
      missing = int(np.flatnonzero(~present.any(axis=0))[0])
      raise errors.UserError(
          f'annotated point number {missing} is missing in all {len(points)} '
          'images that the regressor is fitted on; expected it in one at least.'
      )
    columns = np.repeat(np.all(present == pattern[:, None], axis=0), 2)
    # The fit of few images is ill-conditioned; its errors are measured anyway.
    # This solver does not warn of that: a filter of warnings would be shared by
    # all threads.
    ridge = linear_model.Ridge(
        alpha=alpha, fit_intercept=fit_intercept, solver='svd'
    )
    ridge.fit(inputs[pattern], targets[pattern][:, columns])
    weights[columns] = ridge.coef_
    intercept[columns] = ridge.intercept_
  return LandmarkRegressor(coordinates, weights, intercept)


def from_config(
    landmarks: np.ndarray,
    points: np.ndarray,
    config: Any,
    *,
    allow_missing: bool = False,
) -> LandmarkRegressor:
  """Fits with the fields `image_size` and `regression` of a config."""
  return fit(
      landmarks,
      points,
      image_size=config.image_size,
      allow_missing=allow_missing,
      **config.regression.to_dict(),
  )
