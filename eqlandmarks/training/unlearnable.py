"""Signs that a run cannot learn: in its images, its config and its losses.

Such a run ends without an error, and its figures are merely bad. Each sign is a
sentence that says what was found and what to change.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Images that are looked at, evenly over a split.
_LOOKED_AT = 200
# Grey levels of 255 between the darkest and the brightest pixel: what JPEG
# leaves of one colour.
_FLAT = 4
# Adam moves each parameter by about its rate at each step, and most of them
# start below 0.1.
_RATE = 0.1
# Share of the points; the paper's and our own warps leave 0.7 and more.
_POINTS = 0.1
# Logged rows from which on a loss that has not fallen is no accident.
_ROWS = 5


def rows_to_look_at(count: int) -> np.ndarray:
  """Numbers of up to 200 of so many images, evenly over them."""
  return np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)


def of_images(images: np.ndarray, ids: Sequence[str]) -> list[str]:
  """Signs in uint8 images `[N, S, S, 3]`: all the same, or of one colour."""
  signs, count = [], len(images)
  if count > 1 and (images == images[:1]).all():
    signs.append(
        f'all {count} training images that were looked at are the same: there '
        'is nothing to tell apart, check config.dataset'
    )
  pixels = images.reshape(count, -1, 3)
  flat = np.flatnonzero((np.ptp(pixels, axis=1) <= _FLAT).all(axis=-1))
  if flat.size:
    signs.append(
        f'{flat.size} of {count} training images that were looked at are of '
        f'one colour, the first is {ids[flat[0]]}: nothing can be found in '
        'them, config.dataset.exclude leaves images out'
    )
  return signs


def of_config(config: Any, stages: Sequence[str]) -> list[str]:
  """The sign that the steps of some stages of the config are too large."""
  fields = [
      f'config.{name}.learning_rate is {config[name].learning_rate:g}'
      for name in stages
      if config[name].learning_rate > _RATE
  ]
  if not fields:
    return []
  return [
      f'{" and ".join(fields)}: Adam moves each parameter by about as much in '
      f'every step, and they start below {_RATE:g}; lower it'
  ]


def of_row(stage: str, row: Mapping[str, float]) -> str | None:
  """The sign in a logged row of a stage that warps leave next to no points."""
  used = row.get('points_used', 1.0)
  if used >= _POINTS:
    return None
  return (
      f'the warps leave only {100 * used:.2g} % of the points in the image: '
      f'weaken config.{stage}.warp, its translation above all'
  )


def of_rows(stage: str, rows: Sequence[Mapping[str, float]]) -> str | None:
  """The sign in all logged rows of a stage: few points, or a steady loss."""
  used = [row['points_used'] for row in rows if 'points_used' in row]
  sign = of_row(stage, {'points_used': np.mean(used)} if used else {})
  if sign:
    empty = np.mean(np.array(used) == 0)
    where = f' (none at all in {100 * empty:.0f} % of the rows)' * bool(empty)
    return sign + where
  return never_fell(stage, rows)


def never_fell(stage: str, rows: Sequence[Mapping[str, float]]) -> str | None:
  """The sign that a loss never fell below its first value."""
  losses = [row['loss'] for row in rows if 'loss' in row]
  if len(losses) < _ROWS or min(losses[1:]) < losses[0]:
    return None
  return (
      f'the loss has never fallen below its first value, {losses[0]:.4g}: try '
      f'another config.{stage}.learning_rate'
  )
