"""The tfds builder of videos."""

import contextlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from eqlandmarks.datasets.annotations import labels as labels_lib
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import run_outputs as run_outputs_lib
from eqlandmarks.datasets.video import frame_labels
from eqlandmarks.datasets.video import frame_store
from eqlandmarks.datasets.video import planning
from eqlandmarks.datasets.video import sources
from eqlandmarks.errors import UserError
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

  Args:
    root: a video, or a folder that is searched for videos at any depth. labels:
    as for `folder.Folder`; for how rows name frames, see `frame_labels.read`.
    eyes: two point names, or both in one string with a comma, or empty. groups:
    as for `folder.Folder`. test: glob patterns with commas between, matched
    against 'VIDEO/NUMBER',
      the video's path below `root` and six digits.
    test_share: the share of the labelled frames to hold out where neither the
      labels nor `test` say what is test; 0 for no test split.
    exclude: like `test`, or of whole videos: what is left out of everything.
    skip_bad: leave out videos that do not open, and image files that do not
      decode, rather than stop.
    outside: 'error', or 'missing' to count points outside their image (or
      `crop_box`) as such.
    min_likelihood: points that the labels give a lower likelihood, as
      predictions do, count as missing.
    every: of the frames without labels, every so many are used.
    crop_box: (top, left, height, width) in pixels of the frames, or that in a
      string with commas, or empty for all of the frames.
    outputs: as for `folder.Folder`.
    image_size: side of the stored square images, in pixels.
    **kwargs: for the tfds builder: `data_dir`, `file_format`.
  """

  name = 'video'

  REMEDY = images.REMEDY

  def __init__(
      self,
      *,
      root: str | os.PathLike,
      labels: str = '',
      eyes: str | Sequence[str] = (),
      groups: str | Mapping[str, Sequence[str]] | None = None,
      test: str = '',
      test_share: float = 1 / 3,
      exclude: str = '',
      skip_bad: bool = False,
      outside: str = 'error',
      min_likelihood: float = 0.6,
      every: int = 1,
      crop_box: str | Sequence[int] = '',
      outputs: Sequence[str | os.PathLike] = (),
      image_size: int = 128,
      **kwargs,
  ):
    folder, found, written = sources.find(root, outputs)
    self._fields = fields.Fields(
        root=folder,
        labels=str(labels or '').strip(),
        eyes=fields.names(eyes),
        groups=fields.groups(groups),
        test=fields.names(test),
        test_share=test_share,
        exclude=fields.names(exclude),
        skip_bad=skip_bad,
        outside=outside,
        min_likelihood=min_likelihood,
        outputs=run_outputs_lib.patterns(written),
    )
    self._every, self._crop = _checked_every(every), crops.from_text(crop_box)
    self._notes: list[str] = []
    self._found = sources.without_drawn(found, self._notes)
    self._marks = frame_labels.read(self._fields, self._found)
    self._spool: frame_store.Spool | None = None
    super().__init__(
        image_size=image_size,
        fingerprint=self._fingerprint(),
        arguments=dict(
            root=root, labels=labels, eyes=eyes, groups=groups, test=test,
            test_share=test_share, exclude=exclude, skip_bad=skip_bad,
            outside=outside, min_likelihood=min_likelihood, every=every,
            crop_box=crop_box, outputs=outputs,
        ),
        **kwargs,
    )  # fmt: skip

  def _fingerprint(self) -> str:
    """A hash of all that decides what is written."""
    given, crop, project = self._fields, self._crop, self._marks.project
    own = project.crops.items() if project else ()
    return fingerprints.of_values(
        given.to_json(),
        self._every,
        crop and vars(crop),
        project and [project.cropping, {n: vars(box) for n, box in own}],
        fingerprints.of_stats(given.root, [*self._found, *self._marks.files]),
        [
            (str(path), fingerprints.of_file(path))
            for path in labels_lib.label_files(
                given.labels, given.root, given.unread
            )
        ],
    )

  def _plan(self) -> builder.Plan:
    given, notes = self._fields, list(self._notes)
    names = [n for n in self._found if not finding.matches(n, given.exclude)]
    known = sources.probe_all(
        given.root, names, self._crop, given.skip_bad, notes
    )
    return planning.make_plan(
        given, known, self._marks, self._every, self._crop, notes
    )

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Prepares the frames; on failure nothing stays behind in `data_dir`."""
    try:
      super().download_and_prepare(**kwargs)
    finally:
      if self._spool is not None:
        self._spool.close()

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    self._spool = frame_store.Spool(self.data_dir_root)
    by_video: dict[pathlib.Path, list[planning.Frame]] = {}
    for items in self._planned.splits.values():
      for item in items:
        if isinstance(item, planning.Frame):
          by_video.setdefault(item.path, []).append(item)
    for path, items in by_video.items():
      self._decode(path, sorted(items, key=lambda item: item.number))
    return super()._split_generators(dl_manager)

  def _decode(self, path: pathlib.Path, items: list[planning.Frame]) -> None:
    """Decodes a video once, and lays its examples by."""
    pictures = videos.pick(path, (item.number for item in items))
    bar = examples.with_progress(items, path.name, doing='decode')
    with contextlib.closing(bar):
      for item, (_, pixels) in zip(bar, pictures, strict=False):
        self._spool[item.id] = self._encode(
            item, Image.fromarray(pixels), pixels.tobytes(), item.points
        )

  def _example(self, item: builder.Item) -> dict[str, Any]:
    if isinstance(item, planning.Frame):
      return self._spool[item.id]
    return super()._example(item)


def _checked_every(every: int) -> int:
  if every < 1:
    raise UserError(
        f'config.dataset.every: found {every}, expected at least 1'
    )
  return every
