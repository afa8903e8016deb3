"""Runs a trained model over images, and has what it found measured."""

import dataclasses
import functools
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
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import score
from eqlandmarks.system import memory

# The warps of the evaluation depend on the image's place in the split alone:
# every method, and every seed, is measured on the same ones.
_WARP_SEED = 1000

# Images that go through the nets together, each with its warped copies. Full
# resolution features of all layers are held for these only.

# How an evaluation needs less memory.
_LESS_MEMORY = (
    'lower config.evaluation.warps_per_image, config.evaluation.batch_size'
)

# Images that go through the nets at once.
BLOCK = 4
# Images of which the warped copy is kept for the pictures.
_PAIRS = 6


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What a method found on the test images.

  Attributes:
    records: the figures, in the form of `eqlandmarks.evaluation.records`.
    arrays: what pictures are drawn from, in pixels of the images:

      ids         `[N]`           test images
      landmarks   `[N, K, 2]`     discovered landmarks
      spreads     `[N, K]`        root of the heatmaps' variance
      predicted   `[N, J, 2]`     annotations by regression; J may be 0
      points      `[N, J, 2]`     annotations, NaN where missing
      fit_...     `[M, ..., 2]`   landmarks and points of the fitted images
      point_names `[J]`           names of the annotations
      pair_rows   `[P]`           images of which there is a warped copy
      pair_images `[P, S, S, 3]`  uint8, the warped copies
      pair_truth  `[P, J, 2]`     where the warp moved the annotations
      pair_found  `[P, L, J, 2]`  where layers 1 to 4 find them, equation (4)
  """

  records: list[dict[str, Any]]
  arrays: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Observation:
  """What a model sees in images and in R warped copies of each.

  Attributes:
    landmarks: `[N, K, 2]` in pixels.
    spreads: `[N, K]`, root of the heatmaps' variance, in pixels.
    moved: `[N, R, K]`, distance between a landmark of the warped copy and where
      the warp moves that of the image; NaN where it leaves the image.
    targets: `[N, R, J, 2]`, where the warps move the annotations; NaN where
      missing or outside.
    found: `[N, R, L, J, 2]`, where features find them again, equation (4).
    directions: `[N, D + 1]`, mean of F's unit features over an image's pixels;
      the last is the share of features that are zero.
  """

  landmarks: np.ndarray
  spreads: np.ndarray
  moved: np.ndarray
  targets: np.ndarray
  found: np.ndarray
  directions: np.ndarray

  def match_errors(self) -> np.ndarray:
    """`[N, R, L, J]`, the distances of equation (6), in pixels, float64."""
    true = np.broadcast_to(self.targets[:, :, None], self.found.shape)
    return metrics.distances(self.found.astype(np.float64), true)


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
    self._landmarks = _in_blocks(self._find_landmarks)
    self._observe = _in_blocks(self._observe_one)
    self._warp = _in_blocks(self._warp_one)

  def landmarks(self, images: np.ndarray) -> np.ndarray:
    """Discovered landmarks `[N, K, 2]`, in pixels.

    Args:
      images: uint8 `[N, S, S, 3]`.
    """
    return self._over_batches(self._landmarks, images)[0]

  def observe(self, split: loader.Split) -> Observation:
    """What is seen in a split's images and in warped copies of them."""
    keys, number = _warp_keys(len(split)), split.points.shape[1]
    # `lax.map` takes no empty arrays: without annotations, one that is missing.
    nothing = np.full((len(split), 1, 2), np.nan, np.float32)
    points = split.points if number else nothing
    *landmarks, targets, found, directions = self._over_batches(
        self._observe, split.images, points, keys
    )
    return Observation(
        *landmarks, targets[..., :number, :], found[..., :number, :], directions
    )

  def warped(self, split: loader.Split, rows: np.ndarray) -> np.ndarray:
    """Uint8 `[P, S, S, 3]`: the first warped copies of some images."""
    keys = _warp_keys(len(split))[rows]
    return self._over_batches(self._warp, split.images[rows], keys)[0]

  def _forward(
      self, variables: dict[str, nets_lib.Variables], images: jax.Array
  ) -> dict[str, jax.Array]:
    f = self._nets.features.apply(variables[nets_lib.FEATURES], images)
    return self._nets.landmarks.apply(variables[nets_lib.LANDMARKS], f)

  def _find_landmarks(
      self, variables: dict[str, nets_lib.Variables], image: jax.Array
  ) -> tuple[jax.Array]:
    outputs = self._forward(variables, _to_float(image)[None])
    return (heatmaps.soft_argmax(outputs['heatmaps'][0]),)

  def _observe_one(
      self,
      variables: dict[str, nets_lib.Variables],
      image: jax.Array,
      points: jax.Array,
      key: jax.Array,
  ) -> tuple[jax.Array, ...]:
    """The fields of `Observation` for one image."""
    shape, x = image.shape[:2], _to_float(image)
    g = self._draw_warps(key, shape)
    views = jnp.concatenate([x[None], self._warp_by(g, x)])
    outputs = self._forward(variables, views)
    probabilities = heatmaps.spatial_softmax(outputs['heatmaps'])
    landmarks = heatmaps.expectation(probabilities)
    push = jax.vmap(lambda w, p: _inside(w(p), shape), (0, None))
    moved = metrics.distances(landmarks[1:], push(g, landmarks[0]))
    found = [
        _match_layer(outputs[layer], points) for layer in models.LAYERS
    ]
    return (
        landmarks[0],
        jnp.sqrt(heatmaps.spread(probabilities[0])),
        moved,
        # A point may lie outside the picture, with a crop: nothing to find.
        push(g, _inside(points, shape)),
        jnp.stack(found, axis=1),
        _direction(outputs[models.LAYERS[0]][0]),
    )

  def _draw_warps(self, key: jax.Array, shape: tuple[int, int]) -> warps.Warp:
    strengths = self._config.evaluation.warp.to_dict()
    strengths.pop('border')
    key = jax.random.wrap_key_data(key)
    # Folded in, not split: a warp does not depend on how many there are.
    numbers = jnp.arange(self._config.evaluation.warps_per_image)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
    draw = functools.partial(warps.random_warp, shape=shape, **strengths)
    return jax.vmap(draw)(keys)

  def _warp_by(self, g: warps.Warp, x: jax.Array) -> jax.Array:
    border = self._config.evaluation.warp.border
    warp = functools.partial(warps.warp_image, border=border)
    return jax.vmap(warp, (0, None))(g, x)

  def _warp_one(
      self, _: Any, image: jax.Array, key: jax.Array
  ) -> tuple[jax.Array]:
    g = self._draw_warps(key, image.shape[:2])
    first = self._warp_by(g, _to_float(image))[0]
    return (jnp.round(255.0 * first).astype(jnp.uint8),)

  def _over_batches(
      self, function: Callable[..., Any], *arrays: np.ndarray
  ) -> list[np.ndarray]:
    """Applies a compiled function batch by batch; the last one is filled up."""
    results = []
    size = min(self._config.evaluation.batch_size, len(arrays[0]))
    for batch, count in _batches(arrays, size):
      with memory.enough('evaluation', lambda: _LESS_MEMORY):
        output = jax.device_get(function(self._variables, *batch))
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
    training: dict[str, Any] | None = None,
) -> Outcome:
  """Landmarks, regression and figures of one method.

  Args:
    method: name of the method in the records.
    model: the trained model.
    config: a config with the fields of configs/common.py.
    fit_split: labelled images for the regressor; None without labels, and
      then there are only the figures that need none.
    test_split: images to find landmarks in, and to score on.
    description: of the dataset.
    training: see `score.Scorer`.

  Raises:
    UserError: an annotated point is missing in all images of the fit, or
      `evaluation.samples` asks for more images than there are.
  """
  if fit_split is None:
    test_split = dataclasses.replace(
        test_split, points=test_split.points[:, :0]
    )
  seen = model.observe(test_split)
  scorer = score.Scorer(
      method, config, description, fit_split, test_split, training or {}
  )
  records, arrays, predicted = [], {}, test_split.points
  if fit_split is not None:
    fit_landmarks = model.landmarks(fit_split.images)
    regressor = regression.from_config(fit_landmarks, fit_split.points, config)
    predicted = regressor.predict(seen.landmarks)
    records += scorer.forward_records(predicted)
    records += scorer.sample_records(fit_landmarks, seen.landmarks)
    records += scorer.backward_records(fit_landmarks, seen.landmarks)
    records += scorer.acc_records(seen.match_errors(), seen.targets)
    arrays = {
        'fit_landmarks': fit_landmarks,
        'fit_points': fit_split.points,
        'point_names': np.array(description.point_names, str),
    }
  records += scorer.landmark_records(seen.moved, seen.spreads)
  records += scorer.collapse_records(seen.landmarks, seen.directions)
  rows = np.linspace(
      0, len(test_split) - 1, min(_PAIRS, len(test_split))
  ).astype(int)
  arrays |= {
      'ids': np.array(test_split.ids),
      'landmarks': seen.landmarks,
      'spreads': seen.spreads,
      'predicted': np.asarray(predicted, np.float32),
      'points': test_split.points,
      'pair_rows': rows,
      'pair_images': model.warped(test_split, rows),
      'pair_truth': seen.targets[rows, 0],
      'pair_found': seen.found[rows, 0],
  }
  return Outcome(records, arrays)


def _match_layer(features: jax.Array, points: jax.Array) -> jax.Array:
  """`[R, J, 2]`: where R warped copies' features are most like the image's.

  Args:
    features: `[1 + R, H, W, D]`, of the image and of its copies.
    points: `[J, 2]`, NaN where missing.
  """
  known = jnp.nan_to_num(points)
  dtype = jnp.result_type(features, jnp.float32)
  queries = geometry.sample(features[0].astype(dtype), known)
  return jax.vmap(metrics.match, (0, None))(features[1:], queries)


def _direction(features: jax.Array) -> jax.Array:
  """`[D + 1]`: the mean of unit features `[H, W, D]`.

  A zero feature has a direction of its own, the last: zeros are all alike.
  """
  features = features.astype(jnp.result_type(features, jnp.float32))
  # Scaled first, so that the square of a huge one stays within float32.
  largest = jnp.max(jnp.abs(features), axis=-1, keepdims=True)
  scaled = features / jnp.where(largest > 0, largest, 1.0)
  zero = (largest == 0).astype(features.dtype)
  whole = jnp.concatenate([scaled, zero], axis=-1)
  unit = whole / jnp.linalg.norm(whole, axis=-1, keepdims=True)
  return jnp.mean(unit, axis=(0, 1))


def _inside(points: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """Points that have left the image become NaN."""
  return jnp.where(geometry.inside(points, shape)[..., None], points, jnp.nan)


def _to_float(image: jax.Array) -> jax.Array:
  return jnp.asarray(image, float) / 255.0


def _warp_keys(count: int) -> np.ndarray:
  """`[N, ...]` key data, one key per image."""
  fold = jax.vmap(jax.random.fold_in, (None, 0))
  keys = fold(jax.random.key(_WARP_SEED), jnp.arange(count))
  return np.asarray(jax.random.key_data(keys))


def _in_blocks(function: Callable[..., Any]) -> Callable[..., Any]:
  """Compiles a function of one image to map over many, a few at a time.

  The variables are its first argument, not constants of the program, which is
  then the same for all models of a config.
  """
  return jax.jit(
      lambda variables, *arrays: jax.lax.map(
          lambda one: function(variables, *one), arrays, batch_size=BLOCK
      )
  )


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
