"""Signs that a run has collapsed: one direction of features, or one place.

The contrastive loss and the losses of stage 2 have minima, or long plateaus,
that hold no landmarks. Such a run ends without an error, and its figures are
merely bad. The objectives recognise it by what a training logs, and
`of_records` by what was measured on test images.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# The metrics of the records, see docs/evaluation.md.
EXTENT, ALIGNMENT = 'extent_px', 'alignment'

# All limits lie in gaps between trainings that were made to collapse and 33
# others, of the configs signer.py:tiny and signer.py.
#
# Collapsed: 1.0000; others 0.26 to 0.89, and 0.95 before any training of a net
# without normalisation.
_ALIGNED = 0.99
# In pixels of 128, 5 % of the side. Collapsed: 5.0 to 5.5; others 41 to 122,
# and 11.5 where flat heatmaps were just about to part.
_EXTENT = 6.4

CHANGE_FEATURES = (
    'in another --workdir, change config.pretrain: another learning_rate (a '
    'lower one, if the loss has jumped), less l2, milder appearance and warp, '
    'a lower temperature, more num_locations'
)
CHANGE_LANDMARKS = (
    'in another --workdir (with --config.pretrained and the path of this one, '
    'its stage 1 is used again), change config.discover: a larger '
    'weights.diversity, a larger patch, lower other weights; or a larger '
    'config.model.heatmap_scale; or, without --config.pretrained, a longer '
    'stage 1, whose features must not have collapsed'
)


def extents(landmarks: np.ndarray) -> np.ndarray:
  """The largest distance `[N]` between landmarks `[N, K, 2]`; NaN for K = 1."""
  if landmarks.shape[1] < 2:
    return np.full(len(landmarks), np.nan)
  # An image at a time, as K^2 distances of thousands of images are many.
  return np.array([
      np.linalg.norm(points[:, None] - points[None], axis=-1).max()
      for points in landmarks.astype(np.float64)
  ])


def alignment(directions: np.ndarray) -> float:
  """How much features point the same way: 1 all in one direction, 0 evenly.

  Args:
    directions: `[N, D + 1]`, the mean of the unit features over each image's
      pixels, see `observe.Observation`.
  """
  return float(np.linalg.norm(directions.astype(np.float64).mean(axis=0)))


def of_records(records: Sequence[Any]) -> list[str]:
  """A sentence for each sign of a collapse in the records of one method."""
  values = {
      r.metric: r.value
      for r in records
      if r.metric in (EXTENT, ALIGNMENT) and r.value is not None
  }
  signs = []
  if values.get(ALIGNMENT, 0.0) > _ALIGNED:
    signs.append(
        f'the features of F all point the same way (alignment '
        f'{values[ALIGNMENT]:.3f}, 1 is one direction): {CHANGE_FEATURES}'
    )
  if values.get(EXTENT, math.inf) < _EXTENT:
    signs.append(
        f'all landmarks of an image lie within {values[EXTENT]:.1f} px (at 128 '
        f'px): {CHANGE_LANDMARKS}'
    )
  return signs
