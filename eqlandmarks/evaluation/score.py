"""From what a model found to records: every figure of the evaluation.

docs/evaluation.md says what each metric is, and `eqlandmarks.metrics` computes
it, here in float64. Errors are in pixels of a 128-pixel image throughout,
whatever the size of the images.
"""

from typing import Any

import numpy as np

from eqlandmarks import errors as errors_lib
from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import regression
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import recording
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.training import collapse

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
    test_split: the images that are scored, `description.shown_split`.
    training: what stands in the records' protocol of how the method was
      trained; with `budgets`, for what lengths of a comparison.
  """

  def __init__(
      self,
      method: str,
      config: Any,
      description: examples.Description,
      fit_split: loader.Split | None,
      test_split: loader.Split,
      training: dict[str, Any],
  ):
    self._method = method
    self._config = config
    self._description = description
    self._fit, self._test = fit_split, test_split
    self._points = test_split.points.astype(np.float64)
    step = config.evaluation.curve_step
    self._limits = np.arange(0.0, 128.0 + step / 2, step)
    self._make = recording.Recorder(
        dataset=records_lib.dataset_name(config.dataset),
        split=description.shown_split,
        method=method,
        limits=self._limits,
        protocol=records_lib.base_protocol(
            config, description, fit_split, test_split
        )
        | {'data': data_protocol(description)},
        training=training,
    )

  def forward_records(self, predicted: np.ndarray) -> list[dict[str, Any]]:
    """Figures of predicted annotations, and of the mean shape as the floor.

    Args:
      predicted: `[N, J, 2]` in pixels of the images.
    """
    mean = np.nanmean(self._fit.points.astype(np.float64), axis=0)
    mean_shape = np.broadcast_to(mean, self._points.shape)
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
      for (name, at), figures in values.items():
        # A draw may lack every annotation that is scored.
        mean = metrics.Mean.of(figures)
        record = self._make.single(
            f'samples_{name}', mean.value, mean.count, at=at, fit_images=number
        )
        if mean.count > 1:
          record['std'] = recording.number(np.nanstd(figures, ddof=1))
        record['protocol'] |= {
            'fit_images': number,
            'missing_in_fit': None,  # another number in each draw
            'repeats': repeats,
        }
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
    whole_test = ~np.isnan(self._points).any((1, 2))
    if not whole_fit.any() or not whole_test.any():
      return []
    regressor = regression.from_config(
        self._fit.points[whole_fit], fit_landmarks[whole_fit], self._config
    )
    predicted = regressor.predict(self._points[whole_test])
    fitted, scored = int(whole_fit.sum()), int(whole_test.sum())
    records = self._make.of_landmarks(
        'backward_px',
        self._to_128(metrics.distances(predicted, landmarks[whole_test])),
        fit_images=fitted,
    )
    for record in records:
      record['protocol'] |= {
          'fit_images': fitted, 'images': scored, 'test_images': scored,
          'missing_in_fit': 0, 'missing_in_test': 0,
      }  # fmt: skip
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
    size = (self._config.image_size,) * 2
    # Missing annotations, and those beside a crop, have not left the image.
    inside = np.asarray(geometry.inside(self._test.points, size))[:, None]
    gone = np.isnan(targets).any(-1)
    protocol = self._warp_protocol(gone, np.broadcast_to(inside, gone.shape))
    records = []
    for layer in evaluation.layers:
      of_layer = self._to_128(errors[:, :, layer - 1])
      for at in evaluation.distances:
        hits = metrics.within(of_layer, at)
        records.append(self._make.mean('acc', hits, at=at, layer=layer))
      curve = metrics.accuracy_curve(of_layer, self._limits)
      records.append(
          self._make.curve('acc_curve', curve, of_layer, layer=layer)
      )
    records += self._random_records(targets)
    for record in records:
      record['protocol'] |= protocol
    return records

  def _warp_protocol(
      self, gone: np.ndarray, there: np.ndarray
  ) -> dict[str, Any]:
    """The warps of the evaluation, and the points that they moved out.

    Args:
      gone: `[...]`, which points are not in a warped copy.
      there: `[...]`, which of them are in the image.
    """
    left = int((gone & there).sum())
    return {
        'warp': self._config.evaluation.warp.to_dict(),
        'warps_per_image': self._config.evaluation.warps_per_image,
        'points_left_image': left,
        'masked_share': left / max(int(there.sum()), 1),
    }

  def _random_records(self, targets: np.ndarray) -> list[dict[str, Any]]:
    """Acc(d) that is expected of a uniformly random point."""
    points, there = self._to_128(targets), targets[..., 0]
    distances = self._config.evaluation.distances
    shares = metrics.uniform_curve(points, (128, 128), distances)
    records = [
        self._make.single(
            'acc', share, metrics.Mean.of(there).count, at=at, method='random'
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
      moved: `[N, R, K]`, see `observe.Observation`.
      spreads: `[N, K]`, in pixels of the images.
    """
    followed = self._make.of_landmarks('equivariance_px', self._to_128(moved))
    for record, each in zip(
        followed, [moved, *np.moveaxis(moved, -1, 0)], strict=True
    ):
      gone = np.isnan(each)
      record['protocol'] |= self._warp_protocol(gone, np.full_like(gone, True))
    return [
        *followed,
        *self._make.of_landmarks('spread_px', self._to_128(spreads)),
    ]

  def collapse_records(
      self, landmarks: np.ndarray, directions: np.ndarray
  ) -> list[dict[str, Any]]:
    """Whether there is more than one place, and more than one feature.

    Args:
      landmarks: `[N, K, 2]`, in pixels of the images.
      directions: `[N, D + 1]`, see `observe.Observation`.
    """
    extents = self._to_128(collapse.extents(landmarks))
    count = metrics.Mean.of(extents).count
    # The median: a few images that show nothing are no collapse.
    extent = self._make.single(
        collapse.EXTENT, np.median(extents) if count else np.nan, count
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
    fields = {'method': method, 'fit_images': len(self._fit)}
    records = []
    for point, columns in self._selections().items():
      chosen = errors[:, columns]
      of_point = [
          self._make.mean(
              'pck', metrics.within(chosen, evaluation.pck),
              at=evaluation.pck, point=point, **fields,
          ),
          self._make.mean('error_px', chosen, point=point, **fields),
      ]  # fmt: skip
      if evaluation.original_pck:
        at = evaluation.original_pck
        original = self._original_errors(predicted)[:, columns]
        record = self._make.mean(
            'pck_original', metrics.within(original, at), at=at, point=point,
            **fields,
        )  # fmt: skip
        record['protocol']['unit'] = 'px of the original image'
        of_point.append(record)
      if point in self._description.groups:
        for record in of_point:
          record['protocol']['group'] = self._description.groups[point]
      records += of_point
    curve = metrics.accuracy_curve(errors, self._limits)
    records.append(self._make.curve('pck_curve', curve, errors, **fields))
    if self._description.eyes:
      record = self._make.mean(
          'error_iod', self._inter_ocular(errors), **fields
      )
      # A distance of 1 px over that of the eyes has no value without these.
      without = np.isnan(self._inter_ocular(np.ones((len(errors), 1))))
      record['protocol'] |= {
          'eyes': list(self._description.eyes),
          'images_without_eyes': int(without.sum()),
      }
      records.append(record)
    return records

  def _summary(
      self, errors: np.ndarray
  ) -> list[tuple[str, float | None, float]]:
    """(metric, at, value) over all points."""
    at = self._config.evaluation.pck
    summary = [
        ('pck', at, metrics.share_within(errors, at).value),
        ('error_px', None, metrics.Mean.of(errors).value),
    ]
    if self._description.eyes:
      relative = metrics.Mean.of(self._inter_ocular(errors))
      summary.append(('error_iod', None, relative.value))
    return summary

  def _errors(self, predicted: np.ndarray) -> np.ndarray:
    """`[N, J]` in pixels of a 128-pixel image, NaN where missing."""
    return self._to_128(metrics.distances(predicted, self._points))

  def _original_errors(self, predicted: np.ndarray) -> np.ndarray:
    """`[N, J]` in pixels of what the images showed before they were resized."""
    sizes = self._test.original_sizes[:, None].astype(np.float64)
    return metrics.distances(*(
        points * sizes / self._config.image_size
        for points in (predicted, self._points)
    ))

  def _inter_ocular(self, errors: np.ndarray) -> np.ndarray:
    """Errors `[N, J]` over the distance of the eyes in %, equation (8)."""
    eyes = map(self._description.point_names.index, self._description.eyes)
    points = self._to_128(self._points)
    return 100.0 * metrics.inter_ocular_errors(errors, points, tuple(eyes))

  def _to_128(self, pixels: np.ndarray) -> np.ndarray:
    """Pixels of the images, as pixels of a 128-pixel image in float64."""
    return metrics.to_128(pixels.astype(np.float64), self._config.image_size)

  def _selections(self) -> dict[str, list[int]]:
    """Column numbers of every point, group, and all."""
    names = self._description.point_names
    selections = {name: [j] for j, name in enumerate(names)}
    for group, members in self._description.groups.items():
      selections[group] = [names.index(member) for member in members]
    return {**selections, 'all': list(range(len(names)))}
