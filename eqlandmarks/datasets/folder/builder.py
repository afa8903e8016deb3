"""The dataset `folder`: any folder of images, with or without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations import splits
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import output_folders
from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import images
from eqlandmarks.system import fingerprints


class Folder(builder.ImageBuilder):
  """A folder of images, with or without labels.

  The splits are those of 'train' (with labels), 'unlabelled' and 'test' that
  are not empty. The listing and the labels are checked here, before anything is
  written; images are decoded by `download_and_prepare`. The prepared copy is
  found again by a fingerprint of the fields and the files, so changed data are
  prepared anew.

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
    self._found = finding.find_images(place, leave_out=written)
    paths.check_distinct(self._found)
    return (
        self._fields.to_json(),
        fingerprints.of_stats(place, self._found),
        labels.state(self._fields),
    )

  def _plan(self) -> builder.Plan:
    names, poses, description = splits.make_plan(self._fields, self._found)
    points = dict(zip(poses.images, poses.points, strict=True))
    missing = np.full((len(poses.names), 2), np.nan)
    items = {
        split: [
            builder.Item(
                path, self._fields.root / path, points.get(path, missing)
            )
            for path in paths_of
        ]
        for split, paths_of in names.items()
    }
    return builder.Plan(items, description)
