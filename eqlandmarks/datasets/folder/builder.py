"""The dataset `folder`: any folder of images, with or without labels."""

import collections
import functools
import posixpath
from collections.abc import Sequence
from typing import Any

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import deeplabcut_project
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations import splits
from eqlandmarks.datasets.annotations import unread
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import images
from eqlandmarks.system import fingerprints


class Folder(builder.ImageBuilder):
  """A folder of images, with or without labels.

  The splits are those of 'train' (with labels), 'unlabelled' and 'test' that
  are not empty. The listing and the labels are checked before any image is
  decoded.

  Images are found at any depth; hidden names, and what runs have written, are
  skipped.
  """

  REMEDY = images.REMEDY

  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    place = fields.checked_root(root)
    output_folders.check_apart(outputs, place)
    written = output_folders.below(place, outputs)
    self._fields = fields.Fields.of(
        self._options, place, output_folders.patterns(written)
    )
    self._names = finding.find_images(place, leave_out=written)
    paths.check_distinct(self._names)
    return (
        self._fields.to_json(),
        self._options.clip_fps,
        fingerprints.of_stats(place, self._names),
        labels.state(self._fields),
    )

  def _plan(self) -> builder.Plan:
    given, root = self._fields, self._fields.root
    notes: list[str] = []
    kept = [p for p in self._names if not finding.matches(p, given.exclude)]
    if given.exclude:
      count = len(self._names) - len(kept)
      notes.append(f'exclude: {count} images are left out')
    left_out = unread.note(root, given.unread)
    notes += [left_out] if left_out else []
    matched = checks.matched_labels(given, kept)
    poses = matched.poses
    checks.check_names(given, poses.names)
    notes += matched.notes
    kept = deeplabcut_project.without_drawn_pictures(
        root, kept, poses.images, matched.form, notes
    )
    if given.skip_bad:
      kept = checks.without_bad(root, kept, notes)
    if len(kept) < 2:
      raise UserError(
          f'config.dataset.root: found {len(kept)} images below {root}, '
          f'expected at least 2{"; " * bool(left_out)}{left_out}'
      )
    numbers = poses.number_of
    poses = poses.take([numbers[path] for path in kept if path in numbers])
    size_of = functools.cache(lambda path: images.displayed_size(root / path))
    checks.check_sizes(poses, matched.form, size_of, lambda p: root / p)
    poses = checks.inside(
        given, poses, notes, lambda path: crops.Box(0, 0, *size_of(path))
    )
    in_clips = self._in_clips(kept)
    return splits.plan(
        given, kept, poses, notes,
        lambda path, points: builder.Item(
            path, root / path, points, **in_clips.get(path, {})
        ),
    )  # fmt: skip

  def _in_clips(self, kept: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Clip and time of the images, where sub-folders are clips."""
    fps, counts = self._options.clip_fps, collections.Counter()
    in_clips = {}
    for path in sorted(kept, key=finding.natural_key) if fps else ():
      clip = posixpath.dirname(path)
      if clip:
        in_clips[path] = {'clip_name': clip, 'time': counts[clip] / fps}
        counts[clip] += 1
    return in_clips
