"""What a prediction holds. Needs no JAX."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# The fields that hold a row for each image; the last two may be None.
_ARRAYS = (
    'landmarks', 'confidence', 'sizes', 'annotations', 'annotation_confidence'
)  # fmt: skip


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

  def take(self, rows: Sequence[int]) -> 'Prediction':
    """Some of the images, by their numbers."""
    fields = {
        name: getattr(self, name)[list(rows)]
        for name in _ARRAYS if getattr(self, name) is not None
    }  # fmt: skip
    ids = tuple(self.ids[row] for row in rows)
    return dataclasses.replace(self, ids=ids, skipped=(), **fields)

  def points(self, row: int) -> tuple[np.ndarray | None, ...]:
    """Landmarks, confidence and annotations (or None) of one image."""
    annotations = None if self.annotations is None else self.annotations[row]
    return self.landmarks[row], self.confidence[row], annotations


def join(predictions: Sequence[Prediction]) -> Prediction:
  """Several predictions of one model as one, in their order.

  Raises:
    ValueError: there is none.
  """
  if not predictions:
    raise ValueError('found no prediction, expected at least one.')
  first = predictions[0]
  fields = {
      name: np.concatenate([getattr(each, name) for each in predictions])
      for name in _ARRAYS
      if getattr(first, name) is not None
  }
  for name in ('ids', 'skipped'):
    fields[name] = tuple(x for each in predictions for x in getattr(each, name))
  return dataclasses.replace(first, **fields)
