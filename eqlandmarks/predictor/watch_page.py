"""A page on which one watches a prediction: the images, with marks over them.

A video that browsers play is put into the page, or linked where it is large.
Beside it are pictures of some frames, for browsers that do not play it.
"""

import os
import pathlib
import urllib.parse
from collections.abc import Sequence
from typing import Any

import numpy as np

from eqlandmarks.media import video_playback
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import pages
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.system.journal import say

NAME = 'watch.html'
# Bytes of a video that is put into the page; a larger one is linked.
_LARGEST_VIDEO = 32_000_000
# Pictures in the page, and their longer side; fewer where the video plays.
_MOST_PICTURES, _FEW_PICTURES, _LONGEST = 150, 30, 960
# Numbers of points that the page holds, each of 4 bytes.
_MOST_NUMBERS = 9_000_000


def write(
    output: pathlib.Path,
    source: inputs.Source,
    result: Prediction,
    names: Sequence[str],
    unsure: Sequence[str],
) -> pathlib.Path:
  """Writes the page into a folder of predictions.

  Args:
    output: the folder.
    source: where the images come from.
    result: what was found in them.
    names: of the landmarks.
    unsure: ids of the images that it is least sure of, the least sure first.

  Returns:
    The page.
  """
  points, confidence = _all_points(result)
  count = min(len(result), _MOST_NUMBERS // (3 * points.shape[1]) or 1)
  video = _video(output, source, len(result))
  most = _FEW_PICTURES if video else _MOST_PICTURES
  pictured = _pictured(result.ids[:count], unsure, most)
  notes = _notes(source, result, count, pictured, bool(video))
  for note in notes:
    say(f'{NAME}: {note}')
  row_of = {id_: row for row, id_ in enumerate(result.ids[:count])}
  landmarks = len(names)
  annotated = result.annotation_names
  pages.write(
      output / NAME, 'watch',
      title=f'{source.name}, predicted',
      notes=notes,
      data={
          'name': source.name,
          'unit': source.unit,
          'ids': list(result.ids[:count]),
          'sizes': result.sizes[:count].tolist(),
          'landmarks': landmarks,
          'names': [*names, *annotated],
          'colours': [
              *pages.landmark_colours(landmarks),
              *pages.annotation_colours(len(annotated)),
          ],
          'points': pages.packed(points[:count]),
          'confidence': pages.packed(confidence[:count]),
          'unsure': [row_of[id_] for id_ in unsure if id_ in row_of],
          'pictures': {
              row_of[entry.id]: pages.jpeg(entry.load(), _LONGEST)
              for entry in source.only(pictured).read(0)
          },
          'video': video,
      },
  )  # fmt: skip
  return output / NAME


def _notes(
    source: inputs.Source,
    result: Prediction,
    count: int,
    pictured: Sequence[str],
    plays: bool,
) -> list[str]:
  """What the page has not; it holds the first `count` images."""
  notes = []
  if count < len(result):
    notes.append(
        f'The page holds the first {count} of {len(result)} {source.unit}; the '
        'tables beside it have all.'
    )
  if not plays and len(pictured) < count:
    what = 'Browsers do not play this video: the' if source.video else 'The'
    notes.append(
        f'{what} page has pictures of {len(pictured)} of {count} '
        f'{source.unit}, evenly over all, and those that it is least sure of.'
    )
  return notes


def _all_points(result: Prediction) -> tuple[np.ndarray, np.ndarray]:
  """Landmarks and annotations `[N, P, 2]`, and how sure they are `[N, P]`."""
  points, confidence = [result.landmarks], [result.confidence]
  if result.annotations is not None:
    points.append(result.annotations)
    confidence.append(result.annotation_confidence)
  return np.concatenate(points, axis=1), np.concatenate(confidence, axis=1)


def _video(
    output: pathlib.Path, source: inputs.Source, count: int
) -> dict[str, Any] | None:
  """The video for the page, and its times; None where no browser plays it."""
  kind = source.video and video_playback.kind(source.root)
  if not kind:
    return None
  if source.root.stat().st_size <= _LARGEST_VIDEO:
    place = pages.data_uri(source.root.read_bytes(), kind)
  else:
    where = os.path.relpath(source.root.resolve(), output.resolve())
    place = urllib.parse.quote(pathlib.PurePath(where).as_posix())
  times = video_playback.times(source.root, count, source.video.fps)
  return {'src': place, 'times': times, 'fps': source.video.fps}


def _pictured(
    ids: Sequence[str], unsure: Sequence[str], most: int
) -> list[str]:
  """Which images the page has pictures of: the least sure, and even ones."""
  first = [id_ for id_ in unsure if id_ in {*ids}][: most // 2]
  even = np.linspace(0, len(ids) - 1, min(len(ids), most)).astype(int)
  rest = [ids[row] for row in even if ids[row] not in first]
  room = most - len(first)
  if len(rest) > room:
    kept = np.linspace(0, len(rest) - 1, room).astype(int)
    rest = [rest[n] for n in kept]
  return [*first, *rest]
