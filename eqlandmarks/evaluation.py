"""Runs a trained model over a dataset, and fills the paper's tables."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks import nets as nets_lib
from eqlandmarks import regression
from eqlandmarks import warps
from eqlandmarks.datasets import examples
from eqlandmarks.datasets import loader

# Apart from the streams of the training stages.
_EVALUATION_STREAM = 1000


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What a method found on the test images.

  Attributes:
    records: the figures, in the form of results.json.
    ids: `N` test images.
    landmarks: `[N, K, 2]` discovered landmarks, in pixels.
    spreads: `[N, K]` root of the heatmaps' variance, in pixels.
    predicted: `[N, J, 2]` annotations by regression; J is 0 without labels.
    points: `[N, J, 2]` annotations, NaN where missing.
  """

  records: list[dict[str, Any]]
  ids: tuple[str, ...]
  landmarks: np.ndarray
  spreads: np.ndarray
  predicted: np.ndarray
  points: np.ndarray


class Model:
  """Trained F and T, compiled once for batches of one size.

  Args:
    config: a config with the fields of configs/common.py.
    variables: variables of both nets.
  """

  def __init__(self, config: Any, variables: dict[str, nets_lib.Variables]):
    self._config = config
    self._nets = nets_lib.make_nets(config)
    self._variables = jax.device_put(variables)
    self._landmarks = jax.jit(self._find_landmarks)
    self._matches = jax.jit(self._match_points)

  def landmarks(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Discovered landmarks, and how spread their heatmaps are.

    Args:
      images: uint8 `[N, S, S, 3]`.

    Returns:
      `[N, K, 2]` in pixels, and `[N, K]`: the root of the heatmap's variance.
    """
    return self._over_batches(self._landmarks, images)

  def match_errors(self, split: loader.Split) -> np.ndarray:
    """Distances of equation (6): points found again by features after a warp.

    Args:
      split: labelled images.

    Returns:
      `[N, L, J]`, in pixels, for the layers of `models.LAYERS`; NaN for points
      that are missing or that the warp moves out of the image.
    """
    stream = jax.random.fold_in(
        jax.random.key(self._config.seed), _EVALUATION_STREAM
    )
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
        stream, jnp.arange(len(split))
    )
    keys = np.asarray(jax.random.key_data(keys))
    arrays = split.images, split.points, keys
    return self._over_batches(self._matches, *arrays)[0]

  def _forward(self, images: jax.Array) -> dict[str, jax.Array]:
    f = self._nets.features.apply(
        self._variables[nets_lib.FEATURES], images
    )
    return self._nets.landmarks.apply(self._variables[nets_lib.LANDMARKS], f)

  def _find_landmarks(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    logits = self._forward(images.astype(jnp.float32) / 255.0)['heatmaps']
    probabilities = heatmaps.spatial_softmax(logits)
    spread = jnp.sqrt(heatmaps.spread(probabilities))
    return heatmaps.expectation(probabilities), spread

  def _match_points(
      self, images: jax.Array, points: jax.Array, keys: jax.Array
  ) -> tuple[jax.Array]:
    strengths = self._config.evaluation.warp.to_dict()
    border = strengths.pop('border')
    shape = images.shape[1:3]
    x = images.astype(jnp.float32) / 255.0
    g = jax.vmap(lambda k: warps.random_warp(k, shape, **strengths))(
        jax.random.wrap_key_data(keys)
    )
    warp = functools.partial(warps.warp_image, border=border)
    outputs = self._forward(x)
    warped_outputs = self._forward(jax.vmap(warp)(g, x))
    targets = jax.vmap(lambda w, p: w(p))(g, points)
    there = geometry.inside(targets, shape)
    there &= geometry.inside(points, shape)
    at = jnp.where(there[..., None], points, 0.0)

    def errors(layer: str) -> jax.Array:
      queries = jax.vmap(geometry.sample)(
          outputs[layer].astype(jnp.float32), at
      )
      found = jax.vmap(metrics.match)(warped_outputs[layer], queries)
      return jnp.where(there, metrics.distances(found, targets), jnp.nan)

    return (jnp.stack([errors(layer) for layer in models.LAYERS], axis=1),)

  def _over_batches(
      self, function: Callable[..., Any], *arrays: np.ndarray
  ) -> list[np.ndarray]:
    """Applies a compiled function batch by batch; the last one is filled up."""
    results = []
    for batch, count in _batches(arrays, self._config.evaluation.batch_size):
      output = jax.device_get(function(*batch))
      results.append([part[:count] for part in output])
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def evaluate(
    method: str,
    model: Model,
    config: Any,
    *,
    fit_split: loader.Split | None,
    test_split: loader.Split,
    description: examples.Description,
) -> Outcome:
  """Landmarks, regression and figures of one method.

  Args:
    method: name of the method in the records.
    model: the trained model.
    config: a config with the fields of configs/common.py.
    fit_split: labelled images for the regressor; None without labels, and
      then there are no figures.
    test_split: images to find landmarks in, and to score on.
    description: of the dataset.
  """
  landmarks, spreads = model.landmarks(test_split.images)
  predicted, records = test_split.points[:, :0], []
  if fit_split is not None:
    fit_landmarks, _ = model.landmarks(fit_split.images)
    regressor = regression.from_config(fit_landmarks, fit_split.points, config)
    predicted = regressor.predict(landmarks)
    mean_shape = np.broadcast_to(
        np.nanmean(fit_split.points, axis=0), test_split.points.shape
    )
    scorer = _Scorer(config, description, fit_split, test_split)
    records += scorer.point_records(method, predicted)
    records += scorer.point_records('mean_shape', mean_shape)
    records += scorer.acc_records(method, model.match_errors(test_split))
  return Outcome(
      records,
      test_split.ids,
      landmarks,
      spreads,
      np.asarray(predicted, np.float32),
      test_split.points if fit_split is not None else predicted,
  )


class _Scorer:
  """Turns predictions into records."""

  def __init__(
      self,
      config: Any,
      description: examples.Description,
      fit_split: loader.Split,
      test_split: loader.Split,
  ):
    self._config = config
    self._description = description
    self._points = test_split.points
    regression_fields = config.regression.to_dict()
    regression_fields['intercept'] = regression_fields.pop('fit_intercept')
    self._protocol = {
        'image_size': config.image_size,
        'resize': 'squashed to a square',
        'unit': 'px at 128',
        'num_landmarks': config.num_landmarks,
        'fit_images': len(fit_split),
        'test_images': len(test_split),
        'missing_in_fit': _missing(fit_split.points),
        'missing_in_test': _missing(test_split.points),
        'seed': config.seed,
        'weights': config.discover.weights.to_dict(),
        'regression': regression_fields,
    }

  def point_records(
      self, method: str, predicted: np.ndarray
  ) -> list[dict[str, Any]]:
    """Share of points found, mean distance, and inter-ocular error."""
    errors = np.asarray(metrics.distances(predicted, self._points))
    size, at = self._config.image_size, self._config.evaluation.pck
    errors = metrics.to_128(errors, size)
    records = []
    for name, columns in self._selections().items():
      chosen = errors[:, columns]
      found = metrics.share_within(chosen, at)
      record = functools.partial(self._record, method, point=name)
      records.append(record('pck', found, at=at))
      records.append(record('error_px', metrics.Mean.of(chosen)))
    if self._description.eyes:
      names = self._description.point_names
      eyes = tuple(names.index(eye) for eye in self._description.eyes)
      points = metrics.to_128(self._points, size)
      error = metrics.inter_ocular(errors, points, eyes)
      error = dataclasses.replace(error, total=100.0 * error.total)
      between = metrics.distances(points[:, eyes[0]], points[:, eyes[1]])
      used = int(np.sum(np.asarray(between) > 0))
      record = self._record(method, 'error_iod', error, point='all')
      record['protocol']['eyes'] = list(self._description.eyes)
      record['protocol']['images_without_eyes'] = len(points) - used
      records.append(record)
    return records

  def acc_records(
      self, method: str, errors: np.ndarray
  ) -> list[dict[str, Any]]:
    """Equation (6), for each layer and distance."""
    scaled = metrics.to_128(errors, self._config.image_size)
    warp = self._config.evaluation.warp.to_dict()
    records = []
    for position, layer in enumerate(models.LAYERS):
      for at in self._config.evaluation.distances:
        found = metrics.share_within(scaled[:, position], at)
        record = self._record(method, 'acc', found, point='all', at=at)
        record['layer'] = int(layer.removeprefix('layer'))
        record['protocol'] |= {
            'warp': warp,
            'masked_share': float(np.mean(np.isnan(errors[:, position]))),
        }
        records.append(record)
    return records

  def _selections(self) -> dict[str, list[int]]:
    """Column numbers of every point, group, and all."""
    names = self._description.point_names
    selections = {name: [j] for j, name in enumerate(names)}
    for group, members in self._description.groups.items():
      selections[group] = [names.index(member) for member in members]
    return {**selections, 'all': list(range(len(names)))}

  def _record(
      self,
      method: str,
      metric: str,
      mean: metrics.Mean,
      *,
      point: str,
      at: float | None = None,
  ) -> dict[str, Any]:
    return {
        'dataset': _dataset_name(self._config.dataset),
        'split': 'test',
        'method': method,
        'metric': metric,
        'at': at,
        'point': point,
        'layer': None,
        'value': mean.value if mean.count else None,
        'std': None,
        'count': int(mean.count),
        'protocol': dict(self._protocol),
    }


def _dataset_name(dataset: Any) -> str:
  """What the figures are called by: a folder's own name, say."""
  if dataset.name == 'folder':
    return pathlib.Path(dataset.root).expanduser().resolve().name
  return dataset.name


def _missing(points: np.ndarray) -> int:
  return int(np.isnan(points).any(axis=-1).sum())


def _batches(
    arrays: tuple[np.ndarray, ...], batch_size: int
) -> Iterator[tuple[list[np.ndarray], int]]:
  """Equal batches of the arrays, and how many of their rows are real."""
  total = len(arrays[0])
  for start in range(0, total, batch_size):
    rows = np.arange(start, start + batch_size)
    yield (
        [array[np.minimum(rows, total - 1)] for array in arrays],
        min(batch_size, total - start),
    )
