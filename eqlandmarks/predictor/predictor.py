"""Landmarks of your own images and videos, by a trained model.

    predictor = Predictor.from_checkpoint('runs/mine')
    result = predictor.predict('photos')
    result.landmarks  # [N, K, 2], in pixels of each original image

docs/predict.md has more.
"""

import collections
import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

import jax
import numpy as np

from eqlandmarks import models
from eqlandmarks.errors import UserError
from eqlandmarks.predictor import confidence as confidence_lib
from eqlandmarks.predictor import framing
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import trained
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.predictor.result import join
from eqlandmarks.runs import memory_needs
from eqlandmarks.system import memory
from eqlandmarks.training import devices as devices_lib

# Threads that decode and resize images, while the nets work on earlier ones.
_THREADS = 2
_LESS_MEMORY = 'lower config.predict.batch_size'

# (id, region); None in the place of an image that is left out.
_Seen = tuple[str, framing.Region | None]


class Predictor:
  """A trained model, compiled once, for batches of one size.

  Args:
    model: what a run has trained.
    batch_size: images that go through the nets together. They are spread over
      as many of JAX's devices as share them equally.

  Attributes:
    image_size: side of the images that the nets see.
    batch_size: as given.
    method: by which the model was trained.
    digest: of the model's parameters.
    landmark_names: K names.
    annotation_names: J names; () without a fitted regressor.
  """

  def __init__(self, model: trained.Trained, *, batch_size: int = 8):
    config = model.config
    self.image_size, self.batch_size = config.image_size, batch_size
    self.method, self.digest = model.method, model.digest
    self.landmark_names = tuple(
        f'landmark_{k}' for k in range(config.num_landmarks)
    )
    self._annotator, self._crop = model.annotator, model.crop
    self.annotation_names = self._annotator.names if self._annotator else ()
    memory_needs.check_prediction(config, batch_size)
    devices = jax.local_devices()
    counts = range(1, len(devices) + 1)
    self._devices = devices[: max(n for n in counts if batch_size % n == 0)]
    self._variables = devices_lib.replicate(model.variables, self._devices)
    self._find = jax.jit(
        functools.partial(models.find_landmarks, models.make_nets(config))
    )

  @classmethod
  def from_checkpoint(
      cls,
      workdir: str | os.PathLike[str],
      method: str | None = None,
      *,
      regression: Any = None,
      batch_size: int = 8,
  ) -> 'Predictor':
    """Reads the model that a run has trained, and its regressor.

    Args:
      workdir: the run's folder.
      method: one of `runs.run.METHODS`; None for the one that the run's config
        trains, otherwise the first of them that is finished.
      regression: fields as `config.regression`, by which the regressor is
        fitted; None for those by which the method was evaluated last.
      batch_size: see above.

    Raises:
      UserError: the folder holds no such model, or one of another version.
    """
    model = trained.load(workdir, method, regression=regression)
    return cls(model, batch_size=batch_size)

  def boxes(self, sizes: np.ndarray) -> np.ndarray:
    """What the nets see of images.

    Args:
      sizes: `[N, 2]`, (height, width) of the original images.

    Returns:
      `[N, 4]`: the top, left, height and width of a box, in their pixels.
    """
    if self._crop is None:
      return np.concatenate([np.zeros_like(sizes), sizes], 1).astype(float)
    box = self._crop
    return np.tile([box.top, box.left, *box.shape], (len(sizes), 1))

  def seen(self, points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Points of original images in pixels of what the nets see of them.

    Args:
      points: `[N, P, 2]` in pixels of the original images.
      sizes: `[N, 2]`, (height, width) of these.
    """
    boxes = self.boxes(sizes)[:, None]
    return (points - boxes[..., :2]) / boxes[..., 2:] * self.image_size

  def predict(
      self, what: inputs.Input, *, skip_bad: bool = False
  ) -> Prediction:
    """Finds the landmarks of all images, and holds them in memory.

    Args:
      what: the path of an image, of a folder (searched with its subfolders), or
        of a video; a pattern such as 'photos/*.jpg'; several paths of images;
        or an array, uint8 `[H, W, 3]` or `[N, H, W, 3]`, or a list of the
        former.
      skip_bad: leave out images that do not decode, instead of stopping.

    Raises:
      UserError: there is nothing to predict on, or an image does not decode.
    """
    return join(list(self.stream(what, skip_bad=skip_bad)))

  __call__ = predict

  def stream(
      self,
      what: inputs.Input | inputs.Source,
      start: int = 0,
      *,
      skip_bad: bool = False,
  ) -> Iterator[Prediction]:
    """Finds the landmarks batch by batch, and keeps none of them.

    Args:
      what: as for `predict`.
      start: number of the first image or frame.
      skip_bad: as for `predict`.

    Yields:
      A prediction for every `batch_size` images, and for those that are left.
    """
    if not isinstance(what, inputs.Source):
      what = inputs.open_source(what)
    regions = self._look(what.read(start), skip_bad)
    while batch := list(itertools.islice(regions, self.batch_size)):
      yield self._predict_batch(batch)

  def _look(
      self, entries: Iterable[inputs.Entry], skip_bad: bool
  ) -> Iterator[_Seen]:
    """Decodes and resizes, a little ahead, in the entries' order."""

    def look(entry: inputs.Entry) -> _Seen:
      try:
        return entry.id, framing.region(
            entry.load(), self.image_size, name=entry.id, crop=self._crop
        )
      except UserError:
        if not skip_bad:
          raise
        return entry.id, None

    waiting: collections.deque[futures.Future] = collections.deque()
    with futures.ThreadPoolExecutor(_THREADS) as pool:
      try:
        for entry in entries:
          waiting.append(pool.submit(look, entry))
          if len(waiting) > self.batch_size:
            yield waiting.popleft().result()
        while waiting:
          yield waiting.popleft().result()
      finally:
        pool.shutdown(cancel_futures=True)

  def _predict_batch(self, batch: list[_Seen]) -> Prediction:
    kept = [(name, region) for name, region in batch if region is not None]
    regions = [region for _, region in kept]
    side, count = self.image_size, len(kept)
    # Filled up, so that one program serves all batches.
    pixels = np.zeros((self.batch_size, side, side, 3), np.uint8)
    for row, region in enumerate(regions):
      pixels[row] = region.pixels
    with memory.enough('prediction', lambda: _LESS_MEMORY):
      landmarks, spreads = jax.device_get(
          self._find(self._variables, devices_lib.share(pixels, self._devices))
      )
    sure = functools.partial(confidence_lib.from_spread, image_size=side)
    annotations = annotation_confidence = None
    if self._annotator:
      points, deviations = self._annotator(landmarks, spreads)
      annotations = framing.to_original(points[:count], regions)
      annotation_confidence = sure(deviations[:count])
    return Prediction(
        ids=tuple(name for name, _ in kept),
        landmarks=framing.to_original(landmarks[:count], regions),
        confidence=sure(spreads[:count]),
        sizes=np.array([r.size for r in regions], np.int32).reshape(-1, 2),
        annotation_names=self.annotation_names,
        annotations=annotations,
        annotation_confidence=annotation_confidence,
        skipped=tuple(name for name, region in batch if region is None),
    )
