"""Runs a trained model over images, and has what it finds measured."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks import regression
from eqlandmarks import warps
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.evaluation import score
from eqlandmarks.evaluation import scored_data
from eqlandmarks.system import memory
from eqlandmarks.training import devices as devices_lib

# The warps of the evaluation depend on the image's place in the split alone:
# every method, and every seed, is measured on the same ones.
_WARP_SEED = 1000

# Images that go through the nets together, each with its warped copies. Full
# resolution features of all layers are held for these only.
BLOCK = 4

# How an evaluation needs less memory.
_LESS_MEMORY = (
    'lower config.evaluation.warps_per_image, config.evaluation.batch_size'
)

# Images of which the warped copy is kept for the pictures.
_PAIRS = 6

Variables = dict[str, models.Variables]


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What a method finds on the test images.

  Attributes:
    records: the figures.
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
      pair_truth  `[P, J, 2]`     where the warp moves the annotations
      pair_found  `[P, L, J, 2]`  where layers 1 to 4 find them, equation (4)
      pair_drawn  `[P, S, S, 3]`  uint8, the copies as a renderer draws them, if
                                  the training had one (`rendered`)
  """

  records: list[records_lib.Record]
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
    across: `[N, L, J, 2]`, where an image's features at the annotations find
      them in the next image of the split; in the first, of the last one.
    directions: `[N, D + 1]`, mean of F's unit features over an image's pixels;
      the last is the share of features that are zero.
  """

  landmarks: np.ndarray
  spreads: np.ndarray
  moved: np.ndarray
  targets: np.ndarray
  found: np.ndarray
  across: np.ndarray
  directions: np.ndarray

  def match_errors(self) -> np.ndarray:
    """`[N, R, L, J]`, the distances of equation (6), in pixels, float64."""
    true = np.broadcast_to(self.targets[:, :, None], self.found.shape)
    return metrics.distances(self.found.astype(np.float64), true)


def evaluate(
    method: str,
    config: Any,
    variables: Variables,
    *,
    fit_split: loader.Split | None,
    test_split: loader.Split,
    description: examples.Description,
    training: dict[str, Any] | None = None,
) -> Outcome:
  """Landmarks, regression and figures of one method.

  Args:
    method: name of the method in the records.
    config: a config with the fields of configs/common.py.
    variables: of both trained nets.
    fit_split: labelled images for the regressor; None without labels, and
      then there are only the figures that need none.
    test_split: images to find landmarks in, and to score on.
    description: of the dataset.
    training: see `scored_data.collect`.

  Raises:
    UserError: an annotated point is missing in all images of the fit, or
      `evaluation.samples` asks for more images than there are.
  """
  if fit_split is None:
    test_split = dataclasses.replace(
        test_split, points=test_split.points[:, :0]
    )
  seen = observe(config, variables, test_split)
  data = scored_data.collect(
      method, config, description, fit_split, test_split, training or {}
  )
  records, arrays, predicted = [], {}, test_split.points
  if fit_split is not None:
    fit_landmarks = find_landmarks(config, variables, fit_split.images)
    regressor = regression.from_config(fit_landmarks, fit_split.points, config)
    predicted = regressor.predict(seen.landmarks)
    records += score.forward_records(data, predicted)
    records += score.sample_records(data, fit_landmarks, seen.landmarks)
    records += score.backward_records(data, fit_landmarks, seen.landmarks)
    records += score.acc_records(data, seen.match_errors(), seen.targets)
    records += score.across_records(data, seen.across)
    arrays = {
        'fit_landmarks': fit_landmarks,
        'fit_points': fit_split.points,
        'point_names': np.array(description.point_names, str),
    }
  records += score.landmark_records(data, seen.moved, seen.spreads)
  records += score.collapse_records(data, seen.landmarks, seen.directions)
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
      'pair_images': warped_copies(config, test_split, rows),
      'pair_truth': seen.targets[rows, 0],
      'pair_found': seen.found[rows, 0],
  }
  return Outcome(records, arrays)


def find_landmarks(
    config: Any, variables: Variables, images: np.ndarray
) -> np.ndarray:
  """Discovered landmarks `[N, K, 2]` of uint8 images `[N, S, S, 3]`."""
  nets = models.make_nets(config)

  def find(variables: Variables, image: jax.Array) -> tuple[jax.Array]:
    return (models.find_landmarks(nets, variables, image[None])[0][0],)

  return over_images(config, find, variables, images)[0]


def observe(
    config: Any, variables: Variables, split: loader.Split
) -> Observation:
  """What is seen in a split's images and in warped copies of them."""
  keys, number = _warp_keys(len(split)), split.points.shape[1]
  # `lax.map` takes no empty arrays: without annotations, one that is missing.
  nothing = np.full((len(split), 1, 2), np.nan, np.float32)
  points = split.points if number else nothing
  *landmarks, targets, found, across, directions = over_images(
      config,
      functools.partial(
          _observe_one, config, models.make_nets(config), bool(number)
      ),
      variables,
      split.images,
      np.roll(split.images, -1, axis=0) if number else split.images,
      points,
      keys,
  )
  at_points = [part[..., :number, :] for part in (targets, found, across)]
  return Observation(*landmarks, *at_points, directions)


def warped_copies(
    config: Any, split: loader.Split, rows: np.ndarray
) -> np.ndarray:
  """Uint8 `[P, S, S, 3]`: the first warped copies of some images."""

  def warp(_: Any, image: jax.Array, key: jax.Array) -> tuple[jax.Array]:
    first = _warp(config, key, models.scale_pixels(image))[1][0]
    return (jnp.round(255.0 * first).astype(jnp.uint8),)

  keys = _warp_keys(len(split))[rows]
  return over_images(config, warp, {}, split.images[rows], keys)[0]


def _observe_one(
    config: Any,
    nets: models.Nets,
    annotated: bool,
    variables: Variables,
    image: jax.Array,
    following: jax.Array,
    points: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, ...]:
  """The fields of `Observation` for one image and the next one."""
  shape, x = image.shape[:2], models.scale_pixels(image)
  g, copies = _warp(config, key, x)
  views = [x[None], copies]
  if annotated:  # otherwise there is nothing to look for
    views.append(models.scale_pixels(following)[None])
  outputs = models.apply(nets, variables, jnp.concatenate(views))
  landmarks, spreads = models.locate(outputs['heatmaps'][: 1 + len(copies)])
  push = jax.vmap(lambda w, p: _inside(w(p), shape), (0, None))
  found = [_match_layer(outputs[layer], points) for layer in models.LAYERS]
  return (
      landmarks[0],
      spreads[0],
      metrics.distances(landmarks[1:], push(g, landmarks[0])),
      # A point may lie outside the picture, with a crop: nothing to find.
      push(g, _inside(points, shape)),
      jnp.stack([layer[: len(copies)] for layer in found], axis=1),
      jnp.stack([layer[-1] for layer in found]),
      _direction(outputs[models.LAYERS[0]][0]),
  )


def _warp(
    config: Any, key: jax.Array, x: jax.Array
) -> tuple[warps.Warp, jax.Array]:
  """The R warps of an image, and its copies `[R, S, S, 3]` by them."""
  strengths = config.evaluation.warp.to_dict()
  border = strengths.pop('border')
  # Folded in, not split: a warp does not depend on how many there are.
  numbers = jnp.arange(config.evaluation.warps_per_image)
  keys = jax.vmap(jax.random.fold_in, (None, 0))(
      jax.random.wrap_key_data(key), numbers
  )
  draw = functools.partial(
      warps.random_warp, shape=x.shape[:2], **strengths
  )
  warp = functools.partial(warps.warp_image, border=border)
  g = jax.vmap(draw)(keys)
  return g, jax.vmap(warp, (0, None))(g, x)


def _match_layer(features: jax.Array, points: jax.Array) -> jax.Array:
  """`[R, J, 2]`: where R other images' features are most like the first's.

  Args:
    features: `[1 + R, H, W, D]`, of the image and of its copies, say.
    points: `[J, 2]`, NaN where missing.
  """
  present = jnp.nan_to_num(points)
  dtype = jnp.result_type(features, jnp.float32)
  queries = geometry.sample(features[0].astype(dtype), present)
  return jax.vmap(metrics.match, (0, None))(features[1:], queries)


def _direction(features: jax.Array) -> jax.Array:
  """`[D + 1]`: the mean of unit features `[H, W, D]`.

  A zero feature has a direction of its own, the last: zeros are all alike.
  """
  zero = jnp.all(features == 0, axis=-1, keepdims=True)
  unit = geometry.unit_vectors(features)
  whole = jnp.concatenate([unit, zero.astype(unit.dtype)], axis=-1)
  return jnp.mean(whole, axis=(0, 1))


def _inside(points: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """Points that have left the image become NaN."""
  return jnp.where(geometry.inside(points, shape)[..., None], points, jnp.nan)


def _warp_keys(count: int) -> np.ndarray:
  """`[N, ...]` key data, one key per image."""
  fold = jax.vmap(jax.random.fold_in, (None, 0))
  keys = fold(jax.random.key(_WARP_SEED), jnp.arange(count))
  return np.asarray(jax.random.key_data(keys))


def over_images(
    config: Any,
    function: Callable[..., Any],
    variables: Variables,
    *arrays: np.ndarray,
) -> list[np.ndarray]:
  """Applies a function of one image to many, a few at a time on each device.

  The variables are its first argument, not constants of the program, which is
  then the same for all models of a config.
  """
  devices = devices_lib.local_devices()
  variables = devices_lib.replicate(variables, devices)
  program = devices_lib.map_parts(
      lambda variables, arrays: jax.lax.map(
          lambda row: function(variables, *row), arrays, batch_size=BLOCK
      ),
      devices,
  )
  results = []
  # No more than there are images, and as many on each device.
  size = min(config.evaluation.batch_size, len(arrays[0]))
  size = -(-size // len(devices)) * len(devices)
  for batch, count in _batches(arrays, size):
    with memory.enough('evaluation', lambda: _LESS_MEMORY):
      output = jax.device_get(program(variables, batch))
    results.append([part[:count] for part in output])
  return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def _batches(
    arrays: tuple[np.ndarray, ...], batch_size: int
) -> Iterator[tuple[list[np.ndarray], int]]:
  """Equal batches, the last one filled up, and how many rows are real."""
  total = len(arrays[0])
  for start in range(0, total, batch_size):
    rows = np.arange(start, start + batch_size)
    yield (
        [array[np.minimum(rows, total - 1)] for array in arrays],
        min(batch_size, total - start),
    )
