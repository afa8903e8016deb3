"""Signs that a run has collapsed: one direction of features, or one place.

The contrastive loss and the losses of stage 2 have minima, or long plateaus,
that hold no landmarks: all features point the same way, or all landmarks lie on
each other. Such a run ends without an error, and its figures are merely bad.
`pretrain` and `discover` tell it from what a training logs anyway, and
`of_records` from what has been measured on test images. All are functions of
numbers alone; each says what was found and what to change.

    features = collapse.Lasting(collapse.pretrain)
    ... for each logged row past the first epoch:
      sign = features(config, row)  # a sentence, once, if it comes to that
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# The metrics of the records, see docs/evaluation.md.
EXTENT, ALIGNMENT = 'extent_px', 'alignment'

# All limits lie in gaps between trainings that were made to collapse and 33
# others, of the configs signer.py:tiny and signer.py.
#
# Share of the largest fall of the contrastive loss. Collapsed (a huge l2): 0.4
# to 0.7 % below, as M differs from image to image, and the logarithm of a mean
# is above the mean of logarithms. Others end 10 % or more away, below or above,
# but some pass through on their way down, which is why it has to last.
_LOSS_SHARE = 0.01
# Share of K - 1. Collapsed (heatmaps that stay flat): 0.91 to 0.99; others 0.28
# to 0.65, also without any weight on diversity.
_DIVERSITY_SHARE = 0.9
# Collapsed: 1.0000; others 0.26 to 0.89, and 0.95 before any training of a net
# without normalisation.
_ALIGNED = 0.99
# In pixels of 128, 5 % of the side. Collapsed: 5.0 to 5.5; others 41 to 122,
# and 11.5 where flat heatmaps were just about to part.
_EXTENT = 6.4

_CHANGE_FEATURES = (
    'in another --workdir, change config.pretrain: another learning_rate (a '
    'lower one, if the loss has jumped), less l2, milder appearance and warp, '
    'a lower temperature, more num_locations'
)
_CHANGE_LANDMARKS = (
    'in another --workdir (with --config.pretrained and the path of this one, '
    'its stage 1 is used again), change config.discover: a larger '
    'weights.diversity, a larger patch, lower weights.variance and '
    'weights.equivariance; or a larger config.model.heatmap_scale; or, '
    'without --config.pretrained, a longer stage 1, whose features must not '
    'have collapsed'
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


class Lasting:
  """A sign that is believed, and told once, when it has lasted for some rows.

  A healthy training may pass through the loss of a collapsed one on its way.

  Args:
    sign: `pretrain` or `discover`.
    rows: how many logged rows, one after the other, have to show it.
  """

  def __init__(
      self,
      sign: Callable[[Any, Mapping[str, float]], str | None],
      *,
      rows: int = 3,
  ):
    self._sign, self._rows = sign, rows
    self._lasted = 0

  def __call__(self, config: Any, row: Mapping[str, float]) -> str | None:
    """What the sign says of the row that makes it last; None at all others."""
    if self._lasted >= self._rows:
      return None  # told already
    said = self._sign(config, row)
    self._lasted = self._lasted + 1 if said else 0
    return said if self._lasted == self._rows else None


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


def of_records(records: Sequence[Any]) -> list[str]:
  """What the records of one method of one run tell of a collapse.

  Args:
    records: see `eqlandmarks.evaluation.records`. Those of earlier versions,
    which lack
      both metrics, tell nothing.

  Returns:
    A sentence for each sign that was found; [] for a healthy run.
  """
  found = {
      r.metric: r.value
      for r in records
      if r.metric in (EXTENT, ALIGNMENT) and r.value is not None
  }
  said = []
  if found.get(ALIGNMENT, 0.0) > _ALIGNED:
    said.append(
        f'the features of F all point the same way (alignment '
        f'{found[ALIGNMENT]:.3f}, 1 is one direction): {_CHANGE_FEATURES}'
    )
  if found.get(EXTENT, math.inf) < _EXTENT:
    said.append(
        f'all landmarks of an image lie within {found[EXTENT]:.1f} px (at 128 '
        f'px): {_CHANGE_LANDMARKS}'
    )
  return said
