"""What is stored of the videos, and in which split."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import splits
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.datasets.video import cropping
from eqlandmarks.datasets.video import sources
from eqlandmarks.datasets.video import time_gap
from eqlandmarks.datasets.video.frame_labels import FrameLabels
from eqlandmarks.datasets.video.sources import VideoFile
from eqlandmarks.media import finding
from eqlandmarks.media import images


@dataclasses.dataclass(frozen=True)
class Frame(builder.Item):
  """A frame of the video `path`.

  Attributes:
    number: its place in the video, from 0.
  """

  number: int = 0


def make_plan(
    fields: Fields,
    videos: Mapping[str, VideoFile],
    marks: FrameLabels,
    every: int,
    crop: crops.Box | None,
    notes: list[str],
) -> builder.Plan:
  """Decides what becomes of the frames, and of image files with labels.

  The labels have not been compared with the videos yet.
  """
  notes += marks.notes
  marks = marks.usable(fields, videos, notes)
  shown = cropping.make(videos, marks, crop, notes)
  checks.check_sizes(
      marks.poses, '',
      lambda id_: images.displayed_size(marks.files[id_])
      if id_ in marks.files else videos[marks.places[id_][0]].size,
      marks.files.get,
  )  # fmt: skip
  poses = checks.inside(fields, shown.in_frames(marks.poses), notes, shown)
  checks.check_names(fields, poses.names)
  marks = dataclasses.replace(marks, poses=poses)
  frames = _frames(fields, videos, marks, every)
  total = sum(video.count for video in videos.values())
  notes.append(
      f'videos: {len(videos)} with {total} frames, of which {len(frames)} are '
      f'read (every={every})'
  )
  of_files = {i: p for i, p in marks.places.items() if i in marks.files}

  def item(id_: str, points: np.ndarray) -> builder.Item:
    name, number = frames.get(id_, ('', 0))
    box = shown.cut(id_, name)
    if id_ in marks.files:
      clip, place = of_files.get(id_, ('', 0))
      time = place / videos[clip].fps if clip in videos else 0.0
      return builder.Item(
          id_, marks.files[id_], points, box,
          clip_name=clip if clip in videos else '', time=time,
      )  # fmt: skip
    video = videos[name]
    return Frame(
        id_, video.path, points, box, number=number,
        clip_name=name, time=number / video.fps,
    )  # fmt: skip

  return splits.plan(
      fields,
      sorted([*frames, *marks.files], key=finding.natural_key),
      poses,
      notes,
      item,
      folders='videos and folders',
      part=lambda parts: time_gap.part(
          parts, frames | of_files, videos, poses, notes
      ),
      protocol=shown.protocol(),
  )


def _frames(
    fields: Fields,
    videos: Mapping[str, VideoFile],
    marks: FrameLabels,
    every: int,
) -> dict[str, tuple[str, int]]:
  """The frames to be read: id -> (video, number).

  Every so many, and those with labels; but not those that a labelled image file
  shows, too.
  """
  wanted = {
      name: set(range(0, video.count, every)) for name, video in videos.items()
  }
  poses = marks.poses
  for id_, (name, number) in marks.places.items():
    if id_ in marks.files:
      wanted[name].discard(number)
    elif poses.labelled[poses.number_of[id_]]:
      wanted[name].add(number)
  frames = {
      sources.frame_id(name, number): (name, number)
      for name, numbers in wanted.items() for number in numbers
  }
  return {
      id_: place for id_, place in frames.items()
      if not finding.matches(id_, fields.exclude)
  }
