"""From what a model finds to records: every figure of the evaluation.

docs/evaluation.md says what each metric is, and `eqlandmarks.metrics` computes
it, here in float64. Errors are in pixels of a 128-pixel image throughout,
whatever the size of the images. Points and landmarks are in pixels of the
images, of which M are fitted on, and N scored; all arguments are as in
`observe.Observation`.
"""

from typing import Any

import numpy as np

from eqlandmarks import errors as errors_lib
from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import regression
from eqlandmarks.datasets.base import examples
from eqlandmarks.evaluation import scored_data
from eqlandmarks.evaluation.records import Record
from eqlandmarks.evaluation.scored_data import ScoredData
from eqlandmarks.training import collapse

# Numbers of annotated images whose use is measured where no config says which.
_SAMPLES = (1, 5, 10, 50, 100, 500, 1000, 5000)


def samples(
    evaluation: Any, count: int, *, partial: bool = False
) -> tuple[int, ...]:
  """On how many annotated images the regressor is tried.

  Args:
    evaluation: the config's `evaluation` fields.
    count: the number of annotated images to fit on.
    partial: whether larger numbers are left out, where only a part of the
      dataset is there.

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


def forward_records(data: ScoredData, predicted: np.ndarray) -> list[Record]:
  """Figures of predicted annotations `[N, J, 2]`, and of the mean shape."""
  mean = np.nanmean(data.fit.points.astype(np.float64), axis=0)
  mean_shape = np.broadcast_to(mean, data.points.shape)
  floor = data.floor.replace(method='mean_shape')
  return [
      *_point_records(data, data.record, predicted),
      *_point_records(data, floor, mean_shape),
  ]


def sample_records(
    data: ScoredData, fit_landmarks: np.ndarray, landmarks: np.ndarray
) -> list[Record]:
  """Figures of regressors fitted on few images, over random draws.

  The draws of `[M, K, 2]` landmarks depend on their number and the repeat
  alone: they are the same for every method and seed.
  """
  fit, records = data.fit, []
  repeats = data.config.evaluation.repeats
  partial = bool(data.description.partial)
  for number in samples(data.config.evaluation, len(fit), partial=partial):
    values: dict[tuple[str, float | None], list[float]] = {}
    for repeat in range(repeats):
      draw = np.random.default_rng([number, repeat]).choice(
          len(fit), number, replace=False
      )
      regressor = regression.from_config(
          fit_landmarks[draw], fit.points[draw], data.config,
          allow_missing=True,
      )  # fmt: skip
      for name, at, value in _summary(data, regressor.predict(landmarks)):
        values.setdefault((name, at), []).append(value)
    base = data.record.depending_on(
        fit_images=number,
        missing_in_fit=None,  # another number in each draw
        repeats=repeats,
    )
    for (name, at), figures in values.items():
      # A draw may lack every annotation that is scored.
      mean = metrics.Mean.of(figures)
      std = np.nanstd(figures, ddof=1) if mean.count > 1 else np.nan
      records.append(scored_data.figure(
          base, f'samples_{name}', mean.value, mean.count, at=at,
          fit_images=number, std=scored_data.number(std),
      ))  # fmt: skip
  return records


def backward_records(
    data: ScoredData, fit_landmarks: np.ndarray, landmarks: np.ndarray
) -> list[Record]:
  """The other way round: landmarks from annotations, by the same ridge.

  A landmark that annotations cannot predict is on no part that they name. Only
  images with all annotations are used.
  """
  whole_fit = ~np.isnan(data.fit.points).any((1, 2))
  whole_test = ~np.isnan(data.points).any((1, 2))
  if not whole_fit.any() or not whole_test.any():
    return []
  regressor = regression.from_config(
      data.fit.points[whole_fit], fit_landmarks[whole_fit], data.config
  )
  predicted = regressor.predict(data.points[whole_test])
  landmarks = landmarks[whole_test].astype(np.float64)
  distances = metrics.distances(predicted, landmarks)
  fitted, scored = int(whole_fit.sum()), int(whole_test.sum())
  base = data.record.depending_on(
      fit_images=fitted, images=scored, test_images=scored,
      missing_in_fit=0, missing_in_test=0,
  )  # fmt: skip
  # Of all landmarks as one: one that hardly moves would outweigh their mean.
  explained = {'all': metrics.explained(
      predicted.reshape(scored, 1, -1), landmarks.reshape(scored, 1, -1)
  )[0]}  # fmt: skip
  for k, value in enumerate(metrics.explained(predicted, landmarks)):
    explained[f'landmark {k}'] = value
  return [
      *scored_data.landmark_means(
          base, 'backward_px', data.to_128(distances), fit_images=fitted
      ),
      *(
          scored_data.figure(
              base, 'explained', value, scored, point=point, fit_images=fitted
          )
          for point, value in explained.items()
      ),
  ]


def acc_records(
    data: ScoredData, errors: np.ndarray, targets: np.ndarray
) -> list[Record]:
  """Equation (6) of each layer, and of uniformly random points."""
  evaluation = data.config.evaluation
  size = (data.config.image_size,) * 2
  # Missing annotations, and those beside a crop, have not left the image.
  inside = np.asarray(geometry.inside(data.test.points, size))[:, None]
  gone = np.isnan(targets).any(-1)
  protocol = _warp_protocol(data, gone, np.broadcast_to(inside, gone.shape))
  base, records = data.record.depending_on(**protocol), []
  for layer in evaluation.layers:
    of_layer = data.to_128(errors[:, :, layer - 1])
    records += [
        scored_data.mean(
            base, 'acc', metrics.within(of_layer, at), at=at, layer=layer
        )
        for at in evaluation.distances
    ]
    curve = metrics.accuracy_curve(of_layer, data.limits)
    records.append(scored_data.curve(
        data, base, 'acc_curve', curve, of_layer, layer=layer
    ))  # fmt: skip
  random = data.floor.replace(method='random').depending_on(**protocol)
  return records + _random_records(data, random, targets)


def across_records(data: ScoredData, across: np.ndarray) -> list[Record]:
  """How well features tell the same part in two objects, by layer.

  As Acc(d), but an annotation of an image is looked for in the next one of the
  split, where another object, or another pose, has it elsewhere. There is none
  for a single image.
  """
  if len(data.test) < 2:
    return []
  size = (data.config.image_size,) * 2
  inside = np.asarray(geometry.inside(data.test.points, size))
  # Outside, there is no feature to look for, or nothing to find.
  usable = inside & np.roll(inside, -1, axis=0)
  followed = np.where(
      usable[..., None], np.roll(data.points, -1, axis=0), np.nan
  )
  evaluation, records = data.config.evaluation, []
  for layer in evaluation.layers:
    errors = data.to_128(metrics.distances(
        across[:, layer - 1].astype(np.float64), followed
    ))  # fmt: skip
    for point, columns in _selections(data.description).items():
      base = data.record.replace(point=point, layer=layer)
      chosen = errors[:, columns]
      records.append(scored_data.mean(base, 'across_px', chosen))
      records += [
          scored_data.mean(base, 'across', metrics.within(chosen, at), at=at)
          for at in evaluation.distances
      ]
  floor = data.floor.replace(method='random')
  targets = data.to_128(followed)
  shares = metrics.uniform_curve(targets, (128, 128), evaluation.distances)
  count = metrics.Mean.of(followed[..., 0]).count
  return records + [
      scored_data.figure(floor, 'across', share, count, at=at)
      for at, share in zip(evaluation.distances, shares, strict=True)
  ]


def _random_records(
    data: ScoredData, base: Record, targets: np.ndarray
) -> list[Record]:
  """Acc(d) that is expected of a uniformly random point."""
  points, present = data.to_128(targets), targets[..., 0]
  count = metrics.Mean.of(present).count
  distances = data.config.evaluation.distances
  shares = metrics.uniform_curve(points, (128, 128), distances)
  curve = metrics.uniform_curve(points, (128, 128), data.limits)
  return [
      *(
          scored_data.figure(base, 'acc', share, count, at=at)
          for at, share in zip(distances, shares, strict=True)
      ),
      scored_data.curve(data, base, 'acc_curve', curve, present),
  ]


def landmark_records(
    data: ScoredData, moved: np.ndarray, spreads: np.ndarray
) -> list[Record]:
  """How far each landmark is to be trusted."""
  followed = scored_data.landmark_means(
      data.record, 'equivariance_px', data.to_128(moved)
  )
  gone = np.isnan(moved)
  return [
      *(
          record.depending_on(
              **_warp_protocol(data, mask, np.full_like(mask, True))
          )
          for record, mask in zip(
              followed, [gone, *np.moveaxis(gone, -1, 0)], strict=True
          )
      ),
      *scored_data.landmark_means(
          data.record, 'spread_px', data.to_128(spreads)
      ),
  ]


def collapse_records(
    data: ScoredData, landmarks: np.ndarray, directions: np.ndarray
) -> list[Record]:
  """Whether there is more than one place, and more than one feature."""
  extents = data.to_128(collapse.extents(landmarks))
  count = metrics.Mean.of(extents).count
  # The median: a few images that show nothing are no collapse.
  extent = np.median(extents) if count else np.nan
  base = data.record.depending_on(over_images='median')
  return [
      scored_data.figure(base, collapse.EXTENT, extent, count),
      scored_data.figure(
          data.record,
          collapse.ALIGNMENT,
          collapse.alignment(directions),
          len(directions),
      ),
  ]


def _point_records(
    data: ScoredData, base: Record, predicted: np.ndarray
) -> list[Record]:
  """Shares found, mean distances, inter-ocular error, and the curve."""
  errors, evaluation = _errors(data, predicted), data.config.evaluation
  pck, original_pck = evaluation.pck, evaluation.original_pck
  base, records = base.replace(fit_images=len(data.fit)), []
  for point, columns in _selections(data.description).items():
    chosen = errors[:, columns]
    of_point = [
        scored_data.mean(base, 'pck', metrics.within(chosen, pck), at=pck),
        scored_data.mean(base, 'error_px', chosen),
    ]
    if original_pck:
      original = _original_errors(data, predicted)[:, columns]
      of_point.append(scored_data.mean(
          base.depending_on(unit='px of the original image'), 'pck_original',
          metrics.within(original, original_pck), at=original_pck,
      ))  # fmt: skip
    group = data.description.groups.get(point)
    fields = {} if group is None else {'group': group}
    records += [
        record.replace(point=point).depending_on(**fields)
        for record in of_point
    ]
  curve = metrics.accuracy_curve(errors, data.limits)
  records.append(scored_data.curve(data, base, 'pck_curve', curve, errors))
  if data.description.eyes:
    # A distance of 1 px over that of the eyes has no value without these.
    without = np.isnan(_inter_ocular(data, np.ones((len(errors), 1))))
    base = base.depending_on(
        eyes=list(data.description.eyes),
        images_without_eyes=int(without.sum()),
    )
    relative = _inter_ocular(data, errors)
    records.append(scored_data.mean(base, 'error_iod', relative))
  return records


def _summary(
    data: ScoredData, predicted: np.ndarray
) -> list[tuple[str, float | None, float]]:
  """(metric, at, value) over all points."""
  errors, at = _errors(data, predicted), data.config.evaluation.pck
  summary = [
      ('pck', at, metrics.share_within(errors, at).value),
      ('error_px', None, metrics.Mean.of(errors).value),
  ]
  if data.description.eyes:
    relative = metrics.Mean.of(_inter_ocular(data, errors))
    summary.append(('error_iod', None, relative.value))
  return summary


def _errors(data: ScoredData, predicted: np.ndarray) -> np.ndarray:
  """`[N, J]` in pixels of a 128-pixel image, NaN where missing."""
  return data.to_128(metrics.distances(predicted, data.points))


def _original_errors(data: ScoredData, predicted: np.ndarray) -> np.ndarray:
  """`[N, J]` in pixels of what the images showed before they were resized."""
  sizes = data.test.original_sizes[:, None].astype(np.float64)
  return metrics.distances(*(
      points * sizes / data.config.image_size
      for points in (predicted, data.points)
  ))


def _inter_ocular(data: ScoredData, errors: np.ndarray) -> np.ndarray:
  """Errors `[N, J]` over the distance of the eyes in %, equation (8)."""
  about = data.description
  eyes = tuple(map(about.point_names.index, about.eyes))
  points = data.to_128(data.points)
  return 100.0 * metrics.inter_ocular_errors(errors, points, eyes)


def _selections(description: examples.Description) -> dict[str, list[int]]:
  """Column numbers of every point, group, and all."""
  names = description.point_names
  selections = {name: [j] for j, name in enumerate(names)}
  for group, members in description.groups.items():
    selections[group] = [names.index(member) for member in members]
  return {**selections, 'all': list(range(len(names)))}


def _warp_protocol(
    data: ScoredData, gone: np.ndarray, present: np.ndarray
) -> dict[str, Any]:
  """The warps of the evaluation, and the points that they move out.

  Points are `gone` from a warped copy though `present` in the image.
  """
  left = int((gone & present).sum())
  return {
      'warp': data.config.evaluation.warp.to_dict(),
      'warps_per_image': data.config.evaluation.warps_per_image,
      'points_left_image': left,
      'masked_share': left / max(int(present.sum()), 1),
  }
