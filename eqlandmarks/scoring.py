"""From what a model found to records: every figure of the evaluation.

docs/evaluation.md says what each metric is. Errors are in pixels of a 128-pixel
image throughout, whatever the size of the images.
"""

from typing import Any

import numpy as np

from eqlandmarks import collapse
from eqlandmarks import errors as errors_lib
from eqlandmarks import metrics
from eqlandmarks import recording
from eqlandmarks import records as records_lib
from eqlandmarks import regression
from eqlandmarks.datasets import examples
from eqlandmarks.datasets import loader

# Numbers of annotated images whose use is measured where no config says which.
_SAMPLES = (1, 5, 10, 50, 100, 500, 1000, 5000)


def samples(
    evaluation: Any, count: int, *, partial: bool = False
) -> tuple[int, ...]:
  """How many of `count` annotated images the regressor is tried on.

  Args:
    evaluation: the config's `evaluation` fields.
    count: how many annotated images there are to fit on.
    partial: the dataset is there in part only: numbers beyond what there is
      are left out.

  Raises:
    UserError: the config asks for more than there are.
  """
  asked = tuple(evaluation.samples)
  if partial:
    asked = tuple(n for n in asked if n <= count)
  if any(n > count for n in asked):
    raise errors_lib.UserError(
        f'config.evaluation.samples is {asked}, but the regressor is fitted on '
        f'{count} images; expected numbers of at most {count}.'
    )
  return asked or tuple(n for n in _SAMPLES if n < count)


def data_protocol(description: examples.Description) -> dict[str, str]:
  """How a dataset was read: its crop, say, and whether all of it is there."""
  standing = {'partial': description.partial, 'differs': description.differs}
  return description.protocol | {k: v for k, v in standing.items() if v}


class Scorer:
  """Turns what one method found into records.

  Args:
    method: its name in the records.
    config: a config with the fields of configs/common.py.
    description: of the dataset.
    fit_split: labelled images for the regressor; None without labels.
    test_split: the images that are scored.
    protocol: further fields of the records' protocol.
  """

  def __init__(
      self,
      method: str,
      config: Any,
      description: examples.Description,
      fit_split: loader.Split | None,
      test_split: loader.Split,
      protocol: dict[str, Any],
  ):
    self._method = method
    self._config = config
    self._description = description
    self._fit, self._test = fit_split, test_split
    # To 128 px, from pixels of the images.
    self._scale = 128.0 / config.image_size
    step = config.evaluation.curve_step
    self._limits = np.arange(0.0, 128.0 + step / 2, step)
    self._make = recording.Recorder(
        dataset=records_lib.dataset_name(config.dataset),
        split=description.test_split or 'test',
        method=method,
        limits=self._limits,
        protocol=records_lib.base_protocol(config, fit_split, test_split)
        | {'data': data_protocol(description)}
        | protocol,
    )

  def forward_records(self, predicted: np.ndarray) -> list[dict[str, Any]]:
    """Figures of predicted annotations, and of the mean shape as the floor.

    Args:
      predicted: `[N, J, 2]` in pixels of the images.
    """
    mean = np.nanmean(self._fit.points, axis=0)
    mean_shape = np.broadcast_to(mean, self._test.points.shape)
    return [
        record
        for method, points in (
            (self._method, predicted), ('mean_shape', mean_shape)
        )
        for record in self._point_records(method, points)
    ]

  def sample_records(
      self, fit_landmarks: np.ndarray, landmarks: np.ndarray
  ) -> list[dict[str, Any]]:
    """Figures of regressors fitted on few images, over random draws.

    The draws depend on n and the repeat alone: they are the same for every
    method and seed.

    Args:
      fit_landmarks: `[M, K, 2]`, of the images that are drawn from.
      landmarks: `[N, K, 2]`, of the test images.
    """
    records = []
    repeats = self._config.evaluation.repeats
    partial = bool(self._description.partial)
    for number in samples(
        self._config.evaluation, len(self._fit), partial=partial
    ):
      values: dict[tuple[str, float | None], list[float]] = {}
      for repeat in range(repeats):
        draw = np.random.default_rng([number, repeat]).choice(
            len(self._fit), number, replace=False
        )
        regressor = regression.from_config(
            fit_landmarks[draw], self._fit.points[draw], self._config,
            allow_missing=True,
        )
        predicted = regressor.predict(landmarks)
        for name, at, value in self._summary(self._errors(predicted)):
          values.setdefault((name, at), []).append(value)
      for (name, at), found in values.items():
        # A draw may lack every annotation that is scored.
        found = np.array(found)[~np.isnan(found)]
        record = self._make.single(
            f'samples_{name}', recording.known_mean(found), len(self._test),
            at=at,
        )  # fmt: skip
        if len(found) > 1:
          record['std'] = recording.number(np.std(found, ddof=1))
        record['protocol'] |= {'fit_images': number, 'repeats': repeats}
        records.append(record)
    return records

  def backward_records(
      self, fit_landmarks: np.ndarray, landmarks: np.ndarray
  ) -> list[dict[str, Any]]:
    """The other way round: landmarks from annotations, by the same ridge.

    A landmark that annotations cannot tell is on no part that they name. Only
    images with all annotations are used.

    Args:
      fit_landmarks: `[M, K, 2]`.
      landmarks: `[N, K, 2]`.
    """
    whole_fit = ~np.isnan(self._fit.points).any((1, 2))
    whole_test = ~np.isnan(self._test.points).any((1, 2))
    if not whole_fit.any() or not whole_test.any():
      return []
    regressor = regression.from_config(
        self._fit.points[whole_fit], fit_landmarks[whole_fit], self._config
    )
    predicted = regressor.predict(self._test.points[whole_test])
    found = self._scale * np.linalg.norm(
        predicted - landmarks[whole_test], axis=-1
    )
    records = self._make.of_landmarks('backward_px', found)
    for record in records:
      record['protocol'] |= {
          'fit_images': int(whole_fit.sum()),
          'test_images': int(whole_test.sum()),
      }
    return records

  def acc_records(
      self, errors: np.ndarray, targets: np.ndarray
  ) -> list[dict[str, Any]]:
    """Equation (6) of each layer, and of uniformly random points.

    Args:
      errors: `[N, R, L, J]` in pixels of the images, NaN where missing.
      targets: `[N, R, J, 2]`, where the points are.
    """
    evaluation = self._config.evaluation
    missing = np.isnan(self._test.points).any(-1)[:, None]  # [N, 1, J]
    gone = np.isnan(targets).any(-1) & ~missing
    protocol = {
        'warp': evaluation.warp.to_dict(),
        'warps_per_image': evaluation.warps_per_image,
        'points_left_image': int(gone.sum()),
        'masked_share': float(gone.sum() / max((gone | ~missing).sum(), 1)),
    }
    records = []
    for layer in evaluation.layers:
      found = self._scale * errors[:, :, layer - 1]
      for at in evaluation.distances:
        records.append(
            self._make.mean('acc', _within(found, at), at=at, layer=layer)
        )
      curve = metrics.accuracy_curve(found, self._limits)
      records.append(self._make.curve('acc_curve', curve, found, layer=layer))
    records += self._random_records(targets)
    for record in records:
      record['protocol'] |= protocol
    return records

  def _random_records(self, targets: np.ndarray) -> list[dict[str, Any]]:
    """Acc(d) that is expected of a uniformly random point."""
    points, there = self._scale * targets, targets[..., 0]
    distances = self._config.evaluation.distances
    shares = metrics.uniform_curve(points, (128, 128), distances)
    records = [
        self._make.single(
            'acc', share, np.count_nonzero(~np.isnan(there)), at=at,
            method='random',
        )
        for at, share in zip(distances, shares, strict=True)
    ]  # fmt: skip
    curve = metrics.uniform_curve(points, (128, 128), self._limits)
    return [
        *records, self._make.curve('acc_curve', curve, there, method='random')
    ]

  def landmark_records(
      self, moved: np.ndarray, spreads: np.ndarray
  ) -> list[dict[str, Any]]:
    """How far each landmark is to be trusted.

    Args:
      moved: `[N, R, K]`, see `evaluation.Observation`.
      spreads: `[N, K]`, in pixels of the images.
    """
    return [
        *self._make.of_landmarks('equivariance_px', self._scale * moved),
        *self._make.of_landmarks('spread_px', self._scale * spreads),
    ]

  def collapse_records(
      self, landmarks: np.ndarray, directions: np.ndarray
  ) -> list[dict[str, Any]]:
    """Whether there is more than one place, and more than one feature.

    Args:
      landmarks: `[N, K, 2]`, in pixels of the images.
      directions: `[N, D + 1]`, see `evaluation.Observation`.
    """
    extents = self._scale * collapse.extents(landmarks)
    known = np.count_nonzero(~np.isnan(extents))
    # The median: a few images that show nothing are no collapse.
    extent = self._make.single(
        collapse.EXTENT, np.median(extents) if known else np.nan, known
    )
    extent['protocol']['over_images'] = 'median'
    aligned = collapse.alignment(directions)
    return [
        extent,
        self._make.single(collapse.ALIGNMENT, aligned, len(directions)),
    ]

  def _point_records(
      self, method: str, predicted: np.ndarray
  ) -> list[dict[str, Any]]:
    """Shares found, mean distances, inter-ocular error, and the curve."""
    errors, evaluation = self._errors(predicted), self._config.evaluation
    records = []
    for point, columns in self._selections().items():
      chosen = errors[:, columns]
      of_point = [
          self._make.mean(
              'pck', _within(chosen, evaluation.pck), at=evaluation.pck,
              point=point, method=method,
          ),
          self._make.mean('error_px', chosen, point=point, method=method),
      ]  # fmt: skip
      if evaluation.original_pck:
        at = evaluation.original_pck
        found = _within(self._original_errors(predicted)[:, columns], at)
        record = self._make.mean(
            'pck_original', found, at=at, point=point, method=method
        )
        record['protocol']['unit'] = 'px of the original image'
        of_point.append(record)
      if point in self._description.groups:
        for record in of_point:
          record['protocol']['group'] = self._description.groups[point]
      records += of_point
    curve = metrics.accuracy_curve(errors, self._limits)
    records.append(self._make.curve('pck_curve', curve, errors, method=method))
    if self._description.eyes:
      relative, without = self._inter_ocular(errors)
      record = self._make.mean('error_iod', relative, method=method)
      record['protocol'] |= {
          'eyes': list(self._description.eyes), 'images_without_eyes': without
      }
      records.append(record)
    return records

  def _summary(
      self, errors: np.ndarray
  ) -> list[tuple[str, float | None, float]]:
    """(metric, at, value) over all points."""
    at = self._config.evaluation.pck
    summary = [
        ('pck', at, recording.known_mean(_within(errors, at))),
        ('error_px', None, recording.known_mean(errors)),
    ]
    if self._description.eyes:
      relative, _ = self._inter_ocular(errors)
      summary.append(('error_iod', None, recording.known_mean(relative)))
    return summary

  def _errors(self, predicted: np.ndarray) -> np.ndarray:
    """`[N, J]` in pixels of a 128-pixel image, NaN where missing."""
    return self._scale * np.linalg.norm(predicted - self._test.points, axis=-1)

  def _original_errors(self, predicted: np.ndarray) -> np.ndarray:
    """`[N, J]` in pixels of what the images showed before they were resized."""
    scale = self._test.original_sizes[:, None] / self._config.image_size
    return np.linalg.norm(scale * (predicted - self._test.points), axis=-1)

  def _inter_ocular(self, errors: np.ndarray) -> tuple[np.ndarray, int]:
    """Errors over the eyes' distance in %, equation (8), and images without."""
    names = self._description.point_names
    left, right = (names.index(eye) for eye in self._description.eyes)
    points = self._scale * self._test.points
    between = np.linalg.norm(points[:, left] - points[:, right], axis=-1)
    usable = between > 0  # not NaN, and not in one place
    between = np.where(usable, between, np.nan)
    return 100.0 * errors / between[:, None], int((~usable).sum())

  def _selections(self) -> dict[str, list[int]]:
    """Column numbers of every point, group, and all."""
    names = self._description.point_names
    selections = {name: [j] for j, name in enumerate(names)}
    for group, members in self._description.groups.items():
      selections[group] = [names.index(member) for member in members]
    return {**selections, 'all': list(range(len(names)))}


def _within(errors: np.ndarray, limit: float) -> np.ndarray:
  """1 where an error is at most `limit`, 0 where not, NaN where missing."""
  # In the errors' precision, so that a distance of exactly d counts at d.
  hits = errors <= errors.dtype.type(limit)
  return np.where(np.isnan(errors), np.nan, hits)
