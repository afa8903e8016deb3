"""Which training images are frames of one clip, and can be paired."""

import dataclasses
import itertools

import numpy as np

from eqlandmarks.datasets.base import storage
from eqlandmarks.errors import UserError

# Times are whole numbers of frames over a rate: what rounding can do to them.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class Partners:
  """The other frames that each image may be paired with.

  Attributes:
    rows: `[P]`, the images that have any.
    order: `[N]`, all images by clip and time.
    ranges: `[N, 2, 2]`, for each image the places in `order`, from one to
      before another, of its partners before it and after it.
  """

  rows: np.ndarray
  order: np.ndarray
  ranges: np.ndarray

  def draw(self, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A partner `[B]` for each of some rows, by numbers in [0, 1)."""
    (first, before), (second, after) = np.moveaxis(self.ranges[rows], 0, -1)
    earlier, later = before - first, after - second
    choice = (numbers * (earlier + later)).astype(np.int64)
    place = np.where(
        choice < earlier, first + choice, second + choice - earlier
    )
    return self.order[place]


def partners(
    table: storage.Table,
    tested: storage.Table | None,
    *,
    gap: tuple[float, float],
    field: str,
) -> Partners:
  """The partners of training images.

  Args:
    table: of the images that train.
    tested: of the test images, if any: a pair never has one between.
    gap: the smallest and the largest distance in time, in seconds.
    field: of the config that asks for pairs, for messages.

  Raises:
    UserError: there is no pair, or frames of a clip differ in size.
  """
  sections = _sections(table, tested)
  order = np.lexsort((table.times, sections, table.clips))
  ranges = np.zeros((len(order), 2, 2), np.int64)
  clips, times = table.clips[order], table.times[order]
  changes = (clips[1:] != clips[:-1]) | (np.diff(sections[order]) != 0)
  bounds = [0, *(np.flatnonzero(changes) + 1), len(order)]
  low, high = gap[0] - _ROUNDING, gap[1] + _ROUNDING
  for start, end in itertools.pairwise(bounds):
    if not clips[start]:
      continue  # stills
    _check_sizes(table, order[start:end])
    of_clip = times[start:end]
    edges = [of_clip - high, of_clip - low, of_clip + low, of_clip + high]
    places = [
        start + np.searchsorted(of_clip, edge, side)
        for edge, side in zip(
            edges, ('left', 'right', 'left', 'right'), strict=True
        )
    ]
    ranges[order[start:end]] = np.stack(places, -1).reshape(-1, 2, 2)
  paired = np.flatnonzero((ranges[..., 1] > ranges[..., 0]).any(-1))
  if not paired.size:
    raise UserError(_no_pair(table, gap, field))
  return Partners(paired, order, ranges)


def _sections(
    table: storage.Table, tested: storage.Table | None
) -> np.ndarray:
  """`[N]`: how many test frames of its clip come before each image."""
  sections = np.zeros(len(table), np.int64)
  if tested is None:
    return sections
  for clip in {*tested.clips.tolist()} - {''}:
    times = np.sort(tested.times[tested.clips == clip])
    rows = table.clips == clip
    sections[rows] = np.searchsorted(times, table.times[rows])
  return sections


def _check_sizes(table: storage.Table, rows: np.ndarray) -> None:
  sizes = table.original_sizes[rows]
  others = np.flatnonzero((sizes != sizes[0]).any(-1))
  if others.size:
    (height, width), (row, column) = sizes[0], sizes[others[0]]
    raise UserError(
        f'clip {table.clips[rows[0]]}: frame {table.ids[rows[others[0]]]} has '
        f'{column:g} x {row:g} pixels, expected {width:g} x {height:g}, as '
        f'{table.ids[rows[0]]} has'
    )


def _no_pair(
    table: storage.Table, gap: tuple[float, float], field: str
) -> str:
  """Why there is no pair, in one line."""
  expected = (
      f'expected two of one clip that are {gap[0]:g} to {gap[1]:g} s apart, '
      'without a test image between'
  )
  clips = sorted({*table.clips.tolist()} - {''})
  if not clips:
    return (
        f'{field}: the training images are stills, {expected}: those of a '
        'video, or of config.dataset.clip_fps or config.dataset.frames'
    )
  lengths = [np.ptp(table.times[table.clips == clip]) for clip in clips]
  longest = int(np.argmax(lengths))
  return (
      f'{field}: no two training images can be paired, the longest of '
      f'{len(clips)} clips is {clips[longest]} with {lengths[longest]:.3g} s; '
      f'{expected}'
  )
