"""Landmarks of your own images and videos, by a trained model.

    predictor = Predictor.from_checkpoint('runs/mine')
    found = predictor.predict('photos')
    found.landmarks  # [N, K, 2], in pixels of each original image

docs/predict.md has more.
"""

import collections
import functools
import os
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import heatmaps
from eqlandmarks import nets as nets_lib
from eqlandmarks.datasets.base import crops
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

# (id, view); None in the place of an image that is left out.
_Seen = tuple[str, framing.View | None]


def find_landmarks(
    nets: nets_lib.Nets,
    variables: dict[str, nets_lib.Variables],
    pixels: jax.Array,
) -> tuple[jax.Array, jax.Array]:
  """The whole way from pixels to points, as one pure function.

  Args:
    nets: both nets.
    variables: of both nets.
    pixels: uint8 `[B, S, S, 3]`.

  Returns:
    Landmarks `[B, K, 2]`, and the roots of their heatmaps' variances `[B, K]`,
    both float32 at least, in pixels of the images given.
  """
  x = jnp.asarray(pixels, float) / 255.0
  f = nets.features.apply(variables[nets_lib.FEATURES], x)
  outputs = nets.landmarks.apply(variables[nets_lib.LANDMARKS], f)
  probabilities = heatmaps.spatial_softmax(outputs['heatmaps'])
  return (
      heatmaps.expectation(probabilities),
      jnp.sqrt(heatmaps.spread(probabilities)),
  )


class Predictor:
  """A trained model, compiled once, for batches of one size.

  Args:
    config: fields `image_size`, `num_landmarks`, `dtype` and `model`.
    variables: of both nets.
    annotator: from landmarks to annotations, if there is a regressor.
    crop: what the nets are shown of an image; None for everything.
    batch_size: images that go through the nets together. They are spread over
      as many of JAX's devices as share them equally.
    method: by which the model was trained, for the record.
    digest: of the model's parameters, for the record.

  Attributes:
    image_size: side of the images that the nets see.
    batch_size: as given.
    method: as given.
    digest: as given.
    landmark_names: K names.
    annotation_names: J names; () without a regressor.
  """

  def __init__(
      self,
      config: Any,
      variables: dict[str, nets_lib.Variables],
      *,
      annotator: confidence_lib.Annotator | None = None,
      crop: crops.Box | None = None,
      batch_size: int = 8,
      method: str = '',
      digest: str = '',
  ):
    self.image_size, self.batch_size = config.image_size, batch_size
    self.method, self.digest = method, digest
    self.landmark_names = tuple(
        f'landmark_{k}' for k in range(config.num_landmarks)
    )
    self.annotation_names = annotator.names if annotator else ()
    self._annotator, self._crop = annotator, crop
    memory_needs.check_prediction(config, batch_size)
    devices = jax.local_devices()
    counts = range(1, len(devices) + 1)
    self._devices = devices[: max(n for n in counts if batch_size % n == 0)]
    self._variables = devices_lib.replicate(variables, self._devices)
    self._find = jax.jit(
        functools.partial(find_landmarks, nets_lib.make_nets(config))
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
        trains, or else the first of them that is finished.
      regression: fields as `config.regression`, by which the regressor is
        fitted; None for those by which the method was evaluated last.
      batch_size: see above.

    Raises:
      UserError: the folder holds no such model, or one of another version.
    """
    model = trained.load(workdir, method, regression=regression)
    return cls(
        model.config,
        model.variables,
        annotator=model.annotator,
        crop=model.crop,
        batch_size=batch_size,
        method=model.method,
        digest=model.digest,
    )

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

    Raises:
      UserError: as `predict`.
    """
    if not isinstance(what, inputs.Source):
      what = inputs.open_source(what)
    batch = []
    for seen in self._look(what.read(start), skip_bad):
      batch.append(seen)
      if len(batch) == self.batch_size:
        yield self._predict_batch(batch)
        batch = []
    if batch:
      yield self._predict_batch(batch)

  def _look(
      self, entries: Iterable[inputs.Entry], skip_bad: bool
  ) -> Iterator[_Seen]:
    """Decodes and resizes, a little ahead, in the entries' order."""

    def look(entry: inputs.Entry) -> _Seen:
      try:
        return entry.id, framing.view(
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
    kept = [(name, one) for name, one in batch if one is not None]
    shown = [one for _, one in kept]
    side, count = self.image_size, len(kept)
    # Filled up, so that one program serves all batches.
    pixels = np.zeros((self.batch_size, side, side, 3), np.uint8)
    for row, one in enumerate(shown):
      pixels[row] = one.pixels
    with memory.enough('prediction', lambda: _LESS_MEMORY):
      landmarks, spreads = jax.device_get(
          self._find(self._variables, devices_lib.share(pixels, self._devices))
      )
    annotations, annotation_spreads = None, None
    if self._annotator:
      found = self._annotator(landmarks, spreads)
      annotations = framing.to_original(found[0][:count], shown)
      annotation_spreads = found[1][:count]
    return Prediction(
        ids=tuple(name for name, _ in kept),
        landmarks=framing.to_original(landmarks[:count], shown),
        confidence=self._confidence(spreads[:count]),
        sizes=np.array([one.size for one in shown], np.int32).reshape(-1, 2),
        annotation_names=self.annotation_names,
        annotations=annotations,
        annotation_confidence=self._confidence(annotation_spreads),
        skipped=tuple(name for name, one in batch if one is None),
    )

  def _confidence(self, spreads: np.ndarray | None) -> np.ndarray | None:
    if spreads is None:
      return None
    return confidence_lib.from_spread(spreads, self.image_size)
