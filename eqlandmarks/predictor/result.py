"""What a prediction holds. Needs no JAX."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
  """What was found in N images.

  Points are (row, column) in pixels of the original image as it is displayed,
  the centre of its top-left pixel at (0.5, 0.5).

  Attributes:
    ids: N paths, names of frames, or numbers.
    landmarks: float32 `[N, K, 2]`, the discovered landmarks.
    confidence: float32 `[N, K]` on (0, 1], see `confidence.from_spread`.
    sizes: int32 `[N, 2]`, (height, width) of the original images.
    annotation_names: J names; () without a fitted regressor.
    annotations: float32 `[N, J, 2]`, by the regressor; None without one.
    annotation_confidence: float32 `[N, J]`, or None.
    skipped: ids of what did not decode and was left out.
  """

  ids: tuple[str, ...]
  landmarks: np.ndarray
  confidence: np.ndarray
  sizes: np.ndarray
  annotation_names: tuple[str, ...] = ()
  annotations: np.ndarray | None = None
  annotation_confidence: np.ndarray | None = None
  skipped: tuple[str, ...] = ()

  def __len__(self) -> int:
    return len(self.ids)

  @property
  def num_seen(self) -> int:
    """Images that were looked at, those that were skipped among them."""
    return len(self.ids) + len(self.skipped)

  def row(self, number: int) -> 'Prediction':
    """The prediction of one image alone."""
    part = slice(number, number + 1)
    fields = {
        name: getattr(self, name)[part]
        for name in ('ids', 'landmarks', 'confidence', 'sizes')
    }
    if self.annotations is not None:
      fields['annotations'] = self.annotations[part]
      fields['annotation_confidence'] = self.annotation_confidence[part]
    return dataclasses.replace(self, skipped=(), **fields)


def join(predictions: Sequence[Prediction]) -> Prediction:
  """Several predictions of one model as one, in their order.

  Raises:
    ValueError: there is none.
  """
  if not predictions:
    raise ValueError('found no prediction, expected at least one.')

  def stacked(name: str) -> Any:
    parts = [getattr(one, name) for one in predictions]
    return None if parts[0] is None else np.concatenate(parts)

  def chained(name: str) -> tuple[str, ...]:
    return tuple(x for one in predictions for x in getattr(one, name))

  return Prediction(
      ids=chained('ids'),
      landmarks=stacked('landmarks'),
      confidence=stacked('confidence'),
      sizes=stacked('sizes'),
      annotation_names=predictions[0].annotation_names,
      annotations=stacked('annotations'),
      annotation_confidence=stacked('annotation_confidence'),
      skipped=chained('skipped'),
  )
