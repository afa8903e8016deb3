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

from eqlandmarks.datasets.annotations.splits import Splits
from eqlandmarks.datasets.video.sources import VideoFile
from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses

GAP_SECONDS = 1.0
_LARGEST_SHARE = 0.1

Places = Mapping[str, tuple[str, int]]  # id -> (video, number of the frame)
Videos = Mapping[str, VideoFile]  # by name


def gap(video: VideoFile) -> int:
  """Within how many frames of a test frame none is trained on."""
  seconds, share = GAP_SECONDS * video.fps, _LARGEST_SHARE * video.count
  return max(1, math.ceil(min(seconds, share)))


def part(
    splits: Splits,
    places: Places,
    videos: Videos,
    poses: Poses,
    notes: list[str],
) -> Splits:
  """The splits without what lies in the test's blocks.

  Image files have places, too, where they are frames.

  Raises:
    UserError: what the user called train lies in a block, or all of it does.
  """
  blocked = _blocked(splits, places, videos)

  def is_free(id_: str) -> bool:
    name, number = places.get(id_, ('', 0))
    return name not in blocked or not blocked[name][number]

  kept = {s: list(filter(is_free, splits[s])) for s in ('train', 'unlabelled')}
  lost = [id_ for id_ in splits['train'] if not is_free(id_)]
  if lost and (poses.splits is not None or not kept['train']):
    raise _too_near(lost, poses, places, videos)
  counts = [len(splits[s]) - len(kept[s]) for s in ('train', 'unlabelled')]
  if sum(counts):
    notes.append(
        f'test: {counts[0]} labelled and {counts[1]} other frames in its '
        f'blocks of time, or within {GAP_SECONDS:g} s (a tenth of a short '
        'video), are left out'
    )
  return kept | {'test': splits['test']}


def _blocked(
    splits: Splits, places: Places, videos: Videos
) -> dict[str, np.ndarray]:
  """Video -> bool `[count]`, for the videos that have test frames."""
  labelled: dict[str, list[tuple[int, bool]]] = {}
  for split in ('train', 'test'):
    for id_ in splits[split]:
      if id_ in places:
        name, number = places[id_]
        labelled.setdefault(name, []).append((number, split == 'test'))
  return {
      name: _block(sorted(marks), videos[name])
      for name, marks in labelled.items()
      if any(is_test for _, is_test in marks)
  }


def _block(marks: list[tuple[int, bool]], video: VideoFile) -> np.ndarray:
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
    lost: list[str], poses: Poses, places: Places, videos: Videos
) -> UserError:
  name, number = places[lost[0]]
  where = poses.where[poses.number_of[lost[0]]]
  seconds = gap(videos[name]) / videos[name].fps
  how = 'of split train' if poses.splits is not None else 'left to train on'
  return UserError(
      f'config.dataset.labels: {len(lost)} labelled frames {how} lie within '
      f'{seconds:.2g} s of a test frame, the first is frame {number} of {name} '
      f'({where}), expected test and train to be whole videos or blocks of '
      'time: neighbouring frames are near copies'
  )
