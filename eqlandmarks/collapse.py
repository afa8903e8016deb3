"""Signs that a run has collapsed: one direction of features, or one place.

The contrastive loss and the losses of stage 2 have minima, or long plateaus,
that hold no landmarks: all features point the same way, or all landmarks lie on
each other. Such a run ends without an error, and its figures are merely bad.
`pretrain` and `discover` tell it from what a training logs anyway, and
`of_records` from what has been measured on test images. All are functions of
numbers alone; each says what was found and what to change.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The metrics of the records, see docs/evaluation.md.
EXTENT, ALIGNMENT = 'extent_px', 'alignment'

# As shares: of the largest fall of the contrastive loss, of K - 1, and of 1.
_LOSS_SHARE = 0.005
_DIVERSITY_SHARE = 0.9
_ALIGNED = 0.99
_EXTENT = 6.4

_CHANGE_FEATURES = (
    'change config.pretrain: another learning_rate (lower, if the loss jumped),'
    ' less l2, a lower temperature, more num_locations, stronger appearance and'
    ' warp'
)
_CHANGE_LANDMARKS = (
    'change config.discover: a larger weights.diversity, a larger patch, lower '
    'weights.variance and weights.equivariance; or train stage 1 for longer, '
    'and first of all see that its features have not collapsed'
)


def pretrain(config: Any, row: Mapping[str, float]) -> str | None:
  """Whether the features of stage 1 all point the same way.

  Where all similarities are equal, each of the two terms of the contrastive
  loss is that of guessing one of 2M - 1 features, and the loss is
  2 log(2M - 1), M being the pairs that are compared with each other.

  Args:
    config: a config with the fields of configs/common.py.
    row: `loss` and `points_used`, as stage 1 logs them, past its first epoch:
      before that, any training may be there.

  Returns:
    What was found and what to change; None where the loss is another one.
  """
  stage = config.pretrain
  pairs = row['points_used'] * stage.num_locations
  if stage.negatives == 'batch':
    pairs *= config.batch_size / config.accumulate
  if pairs <= 1:
    return None  # nothing to tell a feature from
  flat = 2 * math.log(2 * pairs - 1)
  # As far as a loss can get below it: to 0, or by the similarities of a
  # positive (1) and of negatives (0), which is less at a high temperature.
  reach = min(flat, 2 / stage.temperature)
  if abs(row['loss'] - flat) > _LOSS_SHARE * reach:
    return None
  return (
      f"the contrastive loss is {row['loss']:.4g}, and {flat:.4g} is that of "
      f'features which all point the same way: {_CHANGE_FEATURES}'
  )


def discover(config: Any, row: Mapping[str, float]) -> str | None:
  """Whether the heatmaps of stage 2, or end-to-end, all lie on each other.

  Args:
    config: a config with the fields of configs/common.py.
    row: `diversity`, as these stages log it, past the first epoch.

  Returns:
    What was found and what to change; None where the heatmaps differ, as a
    single one always does.
  """
  largest = config.num_landmarks - 1
  if not largest or row['diversity'] < _DIVERSITY_SHARE * largest:
    return None
  return (
      f"the diversity loss is {row['diversity']:.4g} of at most {largest}: all "
      f'heatmaps share the same patch of {config.discover.patch} px: '
      f'{_CHANGE_LANDMARKS}'
  )


def extents(landmarks: np.ndarray) -> np.ndarray:
  """How far apart the landmarks of an image lie.

  Args:
    landmarks: `[N, K, 2]`.

  Returns:
    `[N]`, the largest distance between two landmarks of each image, in the same
    pixels; NaN of a single landmark, which lies nowhere else.
  """
  if landmarks.shape[1] < 2:
    return np.full(len(landmarks), np.nan)
  # An image at a time, as K^2 distances of thousands of images are many.
  return np.array([
      np.linalg.norm(one[:, None] - one[None], axis=-1).max()
      for one in landmarks.astype(np.float64)
  ])


def alignment(directions: np.ndarray) -> float:
  """How much features point the same way.

  Args:
    directions: `[N, D + 1]`, the mean of the unit features over each image's
      pixels, see `evaluation.Observation`.

  Returns:
    The length of their mean: 1 where all features have one direction, 0 where
    they cancel out.
  """
  return float(np.linalg.norm(directions.astype(np.float64).mean(axis=0)))


def of_records(records: Sequence[dict[str, Any]]) -> list[str]:
  """What the records of one method of one run tell of a collapse.

  Args:
    records: see `eqlandmarks.records`. Those of earlier versions, which lack
      both metrics, tell nothing.

  Returns:
    A sentence for each sign that was found; [] for a healthy run.
  """
  found = {
      r['metric']: r['value']
      for r in records
      if r['metric'] in (EXTENT, ALIGNMENT) and r['value'] is not None
  }
  said = []
  if found.get(ALIGNMENT, 0.0) > _ALIGNED:
    said.append(
        f'the features of F all point the same way (alignment '
        f'{found[ALIGNMENT]:.3f}, 1 is one direction): {_CHANGE_FEATURES}'
    )
  if found.get(EXTENT, math.inf) < _EXTENT:
    said.append(
        f'all landmarks of an image lie within {found[EXTENT]:.1f} px of 128: '
        f'{_CHANGE_LANDMARKS}'
    )
  return said
