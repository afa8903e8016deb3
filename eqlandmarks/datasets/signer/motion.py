"""A person in motion: from one sign to the next, with rests between."""

import dataclasses

import numpy as np

from eqlandmarks.datasets.signer import person

# Seconds between two frames.
STEP = 0.2
# Seconds that a movement takes, and a rest.
_MOVE, _REST = (0.35, 0.8), (0.0, 0.4)
# Where on its way a movement must be in the image.
_CHECKED = (0.25, 0.5, 0.75, 1.0)


def stance_at(
    start: person.Stance, frame: int, rng: np.random.Generator
) -> person.Stance:
  """The stance of a frame, of a sequence that begins with `start`.

  Args:
    start: of frame 0.
    frame: its number.
    rng: of the whole sequence, fresh.
  """
  time, begin, now = frame * STEP, 0.0, start
  while True:
    begin += rng.uniform(*_REST)
    after, seconds = _next(now, rng), rng.uniform(*_MOVE)
    if time < begin + seconds:
      return _between(now, after, max(time - begin, 0.0) / seconds)
    begin, now = begin + seconds, after


def _next(now: person.Stance, rng: np.random.Generator) -> person.Stance:
  """Draws the next sign, of the same body at the same place."""
  while True:
    after = dataclasses.replace(
        now,
        lean_and_tilt=person.sample_lean_and_tilt(rng),
        arms=person.sample_arms(rng),
    )
    way = (person.pose_of(_between(now, after, part)) for part in _CHECKED)
    if person.shows_face(person.pose_of(after)) and all(
        map(person.is_inside, way)
    ):
      return after


def _between(
    first: person.Stance, second: person.Stance, part: float
) -> person.Stance:
  """Part of the way, at the speed of a movement of least jerk."""
  share = part**3 * (10 - 15 * part + 6 * part**2)
  mixed = {
      name: getattr(first, name)
      + share * (getattr(second, name) - getattr(first, name))
      for name in ('lean_and_tilt', 'arms')
  }
  return dataclasses.replace(first, **mixed)
