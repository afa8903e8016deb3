"""Keeps what is trained on away from the test, in time.

Neighbouring frames are near copies: a test frame whose neighbours were trained
on measures memory. So a video's test frames, and all between and next to them,
are one block that trains nothing:

* from the first to the last test frame with no train frame between them,
* and `GAP_SECONDS` more on both sides (a tenth of a short video),
* or to the video's end (or begin) where no train frame follows (or precedes).
  A video whose labels are all test trains nothing.
"""

import math
from collections.abc import Mapping

import numpy as np

from eqlandmarks.datasets.video import sources
from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses

GAP_SECONDS = 1.0
_LARGEST_SHARE = 0.1

Splits = dict[str, list[str]]
Places = Mapping[str, tuple[str, int]]


def gap(video: sources.VideoFile) -> int:
  """Within how many frames of a test frame none is trained on."""
  seconds, share = GAP_SECONDS * video.fps, _LARGEST_SHARE * video.count
  return max(1, math.ceil(min(seconds, share)))


def part(
    splits: Splits,
    places: Places,
    known: Mapping[str, sources.VideoFile],
    poses: Poses,
    notes: list[str],
) -> Splits:
  """The splits without what lies in the test's blocks.

  Args:
    splits: 'train', 'unlabelled' and 'test' -> ids.
    places: id -> (video, number), of frames and of image files that are some.
    known: the videos by name.
    poses: the labels, by ids; they may say of each whether it is train.
    notes: gets a line for what is left out.

  Raises:
    UserError: what the user called train lies in a block, or all of it does.
  """
  blocked = _blocked(splits, places, known)

  def is_free(own: str) -> bool:
    name, number = places.get(own, ('', 0))
    return name not in blocked or not blocked[name][number]

  kept = {s: list(filter(is_free, splits[s])) for s in ('train', 'unlabelled')}
  lost = [own for own in splits['train'] if not is_free(own)]
  if lost and (poses.splits is not None or not kept['train']):
    raise _too_near(lost, poses, places, known)
  counts = [len(splits[s]) - len(kept[s]) for s in ('train', 'unlabelled')]
  if sum(counts):
    notes.append(
        f'test: {counts[0]} labelled and {counts[1]} other frames in its '
        f'blocks of time, or within {GAP_SECONDS:g} s (a tenth of a short '
        'video), are left out'
    )
  return kept | {'test': splits['test']}


def _blocked(
    splits: Splits, places: Places, known: Mapping[str, sources.VideoFile]
) -> dict[str, np.ndarray]:
  """Video -> bool `[count]`, for the videos that have test frames."""
  labelled: dict[str, list[tuple[int, bool]]] = {}
  for split in ('train', 'test'):
    for own in splits[split]:
      if own in places:
        name, number = places[own]
        labelled.setdefault(name, []).append((number, split == 'test'))
  return {
      name: _block(sorted(marks), known[name])
      for name, marks in labelled.items()
      if any(is_test for _, is_test in marks)
  }


def _block(
    marks: list[tuple[int, bool]], video: sources.VideoFile
) -> np.ndarray:
  """Bool `[count]` from the sorted (number, is test) of a video's labels."""
  blocked = np.zeros(video.count, bool)
  margin = gap(video)
  for i, (number, is_test) in enumerate(marks):
    if not is_test:
      continue
    first, last = number - margin, number + margin
    if i == 0:
      first = 0
    if i + 1 == len(marks):
      last = video.count
    elif marks[i + 1][1]:
      last = max(last, marks[i + 1][0])
    blocked[max(first, 0) : last + 1] = True
  return blocked


def _too_near(
    lost: list[str],
    poses: Poses,
    places: Places,
    known: Mapping[str, sources.VideoFile],
) -> UserError:
  name, number = places[lost[0]]
  where = poses.where[poses.number_of[lost[0]]]
  seconds = gap(known[name]) / known[name].fps
  how = 'of split train' if poses.splits is not None else 'left to train on'
  return UserError(
      f'config.dataset.labels: {len(lost)} labelled frames {how} lie within '
      f'{seconds:.2g} s of a test frame, the first is frame {number} of {name} '
      f'({where}), expected test and train to be whole videos or blocks of '
      'time: neighbouring frames are near copies'
  )
