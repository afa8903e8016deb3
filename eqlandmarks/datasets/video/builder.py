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
  near them is left out; see `blocks`. Videos are opened and labels are checked
  here, before anything is written; `download_and_prepare` decodes each video
  once, in order. The prepared copy is found again by a fingerprint of the
  fields and the files.

  Image files that the labels name are stored, too, with their labels.

  The root is a video, or a folder that is searched for videos at any depth; for
  how labels name frames, see `frame_labels.read`.
  """

  name = 'video'

  REMEDY = images.REMEDY

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    folder, found, written = sources.find(root, outputs)
    self._fields = given = fields.Fields.of(
        self._options, folder, output_folders.patterns(written)
    )
    self._crop = crop = crops.from_text(self._options.crop_box)
    self._notes: list[str] = []
    self._found = sources.without_drawn(found, self._notes)
    self._marks = frame_labels.read(given, self._found)
    project = self._marks.project
    own = project.crops.items() if project else ()
    return (
        given.to_json(),
        self._options.every,
        crop and vars(crop),
        project and [project.cropping, {n: vars(box) for n, box in own}],
        fingerprints.of_stats(folder, [*self._found, *self._marks.files]),
        labels.state(given),
    )

  def _plan(self) -> builder.Plan:
    given, notes = self._fields, list(self._notes)
    names = [n for n in self._found if not finding.matches(n, given.exclude)]
    known = sources.probe_all(
        given.root, names, self._crop, given.skip_bad, notes
    )
    return planning.make_plan(
        given, known, self._marks, self._options.every, self._crop, notes
    )

  def _examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    by_video: dict[pathlib.Path, list[tuple[int, str, planning.Frame]]] = {}
    for split, items in self._planned.splits.items():
      files = []
      for item in items:
        if isinstance(item, planning.Frame):
          frames = by_video.setdefault(item.path, [])
          frames.append((item.number, split, item))
        else:
          files.append(item)
      for item in examples.with_progress(files, split) if files else ():
        yield split, self._example(item)
    for path, frames in by_video.items():
      yield from self._decoded(path, sorted(frames, key=lambda each: each[0]))

  def _decoded(
      self, path: pathlib.Path, frames: list[tuple[int, str, planning.Frame]]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    """The examples of a video, which is decoded once, in order."""
    pictures = videos.pick(path, (number for number, *_ in frames))
    bar = examples.with_progress(frames, path.name, doing='decode')
    with contextlib.closing(bar):
      for (_, split, item), (_, pixels) in zip(bar, pictures, strict=False):
        yield split, self._cut(
            item, Image.fromarray(pixels), pixels.tobytes(), item.points
        )
