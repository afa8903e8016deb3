"""What is stored of the videos, and in which split."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import splits
from eqlandmarks.datasets.annotations import stated_sizes
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.datasets.video import cropping
from eqlandmarks.datasets.video import frame_labels as frame_labels_lib
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
    known: Mapping[str, VideoFile],
    marks: FrameLabels,
    every: int,
    crop: crops.Box | None,
    notes: list[str],
) -> builder.Plan:
  """Decides what becomes of the frames, and of image files with labels.

  Args:
    fields: the checked fields of the config.
    known: the videos by name.
    marks: the labels, read but not compared with the videos yet.
    every: of the frames without labels, every so many are used.
    crop: what is cut out of all frames; None for all of them.
    notes: what has been decided before; gets more lines.
  """
  notes += marks.notes
  marks, shown = _checked_labels(fields, known, marks, crop, notes)
  frames = _frames(fields, known, marks, every)
  total = sum(source.count for source in known.values())
  notes.append(
      f'videos: {len(known)} with {total} frames, of which {len(frames)} are '
      f'read (every={every})'
  )
  kept = sorted([*frames, *marks.files], key=finding.natural_key)
  parts = splits.assign(
      fields, kept, marks.poses, notes, 'videos and folders'
  )
  places = frames | {own: marks.places[own] for own in marks.files
                     if own in marks.places}  # fmt: skip
  parts = time_gap.part(parts, places, known, marks.poses, notes)
  splits.check(fields, parts, marks.poses)
  parts = {split: ids for split, ids in parts.items() if ids}
  poses = marks.poses
  points = dict(zip(poses.images, poses.points, strict=True))
  # One array for all frames without labels, of which there may be many.
  missing = np.full((len(poses.names), 2), np.nan)

  def item(own: str) -> builder.Item:
    name, number = frames.get(own, ('', 0))
    place, box = points.get(own, missing), shown.cut(own, name)
    if own in marks.files:
      return builder.Item(own, marks.files[own], place, box)
    return Frame(own, known[name].path, place, box, number=number)

  return builder.Plan(
      {split: [*map(item, ids)] for split, ids in parts.items()},
      splits.describe(fields, poses.names, parts, notes, shown.protocol()),
  )


def _checked_labels(
    fields: Fields,
    known: Mapping[str, VideoFile],
    marks: FrameLabels,
    crop: crops.Box | None,
    notes: list[str],
) -> tuple[FrameLabels, cropping.Cropping]:
  """The labels in pixels of what they are drawn on, and what is shown of it."""
  marks = frame_labels_lib.usable(marks, fields, known, notes)
  shown = cropping.make(known, marks, crop, notes)
  stated_sizes.check(
      marks.poses, '',
      lambda own: images.displayed_size(marks.files[own])
      if own in marks.files else known[marks.places[own][0]].size,
      marks.files.get,
  )  # fmt: skip
  poses = checks.inside(fields, shown.in_frames(marks.poses), notes, shown)
  checks.check_names(fields, poses.names)
  return dataclasses.replace(marks, poses=poses), shown


def _frames(
    fields: Fields,
    known: Mapping[str, VideoFile],
    marks: FrameLabels,
    every: int,
) -> dict[str, tuple[str, int]]:
  """The frames to be read: id -> (video, number).

  Every so many, and those with labels; but not those that a labelled image file
  shows, too.
  """
  wanted = {
      name: set(range(0, source.count, every))
      for name, source in known.items()
  }
  poses = marks.poses
  for own, (name, number) in marks.places.items():
    if own in marks.files:
      wanted[name].discard(number)
    elif poses.labelled[poses.number_of[own]]:
      wanted[name].add(number)
  frames = {
      known[name].id_of(number): (name, number)
      for name, numbers in wanted.items() for number in numbers
  }
  return {
      own: place for own, place in frames.items()
      if not finding.matches(own, fields.exclude)
  }
