"""The tfds builder of videos."""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.datasets.video import frame_labels
from eqlandmarks.datasets.video import planning
from eqlandmarks.datasets.video import sources
from eqlandmarks.media import finding
from eqlandmarks.media import images
from eqlandmarks.media import videos
from eqlandmarks.system import fingerprints


class Video(builder.ImageBuilder):
  """The frames of videos, with or without labels for some of them.

  The splits are those of 'train' (with labels), 'unlabelled' and 'test' that
  are not empty. Test frames are whole videos or blocks of time, and what is
  near them is left out; see `time_gap`. Videos are opened and labels are
  checked before anything is written. Image files that the labels name are
  stored, too, with their labels.

  The root is a video, or a folder that is searched for videos at any depth; for
  how labels name frames, see `frame_labels.read`.
  """

  name = 'video'

  REMEDY = images.REMEDY

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    folder, names, written = sources.find(root, outputs)
    self._fields = given = fields.Fields.of(
        self._options, folder, output_folders.patterns(written)
    )
    self._crop = crop = crops.from_text(self._options.crop_box)
    self._notes: list[str] = []
    self._names = sources.without_drawn(names, self._notes)
    self._marks = frame_labels.read(given, self._names)
    project = self._marks.project
    own = project.crops.items() if project else ()
    return (
        given.to_json(),
        self._options.every,
        crop and vars(crop),
        project and [project.cropping, {n: vars(box) for n, box in own}],
        fingerprints.of_stats(folder, [*self._names, *self._marks.files]),
        labels.state(given),
    )

  def _plan(self) -> builder.Plan:
    given, notes = self._fields, list(self._notes)
    names = [n for n in self._names if not finding.matches(n, given.exclude)]
    probed = sources.probe_all(
        given.root, names, self._crop, given.skip_bad, notes
    )
    return planning.make_plan(
        given, probed, self._marks, self._options.every, self._crop, notes
    )

  def _examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    by_video: dict[pathlib.Path, list[tuple[int, str, planning.Frame]]] = {}
    for split, items in self._planned.splits.items():
      files = [i for i in items if not isinstance(i, planning.Frame)]
      for item in examples.with_progress(files, split) if files else ():
        yield split, self._example(item)
      for item in items:
        if isinstance(item, planning.Frame):
          frames = by_video.setdefault(item.path, [])
          frames.append((item.number, split, item))
    for path, frames in by_video.items():
      # A video is decoded once, in order.
      frames.sort(key=lambda frame: frame[0])
      pictures = videos.pick(path, (number for number, *_ in frames))
      bar = examples.with_progress(frames, path.name, doing='decode')
      with contextlib.closing(bar):
        for (_, split, item), (_, pixels) in zip(bar, pictures, strict=False):
          yield split, self._cut(
              item, Image.fromarray(pixels), pixels.tobytes(), item.points
          )
