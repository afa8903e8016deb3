"""The dataset `folder`: any folder of images, with or without labels."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations import splits
from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import fields
from eqlandmarks.datasets.base import run_outputs as run_outputs_lib
from eqlandmarks.errors import UserError
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

  Args:
    root: the folder; images are found at any depth, hidden names are skipped.
    labels: '' for none, 'deeplabcut' for a project, 'pts' for points files
      beside the images, or the path of a label file in any format of
      `eqlandmarks.formats` (or of a folder of points files), absolute or
      relative to the working directory or to `root`.
    eyes: two point names, or both in one string with a comma, or empty.
    groups: group name -> point names, or a string such as
      'ears=left_ear+right_ear,eyes=left_eye+right_eye', or empty.
    test: glob patterns with commas between, matched against the path below
      `root` ('*' matches slashes too): which labelled images are test.
    test_share: the share of the labelled images to hold out where neither the
      labels nor `test` say what is test; 0 for no test split.
    exclude: like `test`: images that are left out of everything.
    skip_bad: leave out images that do not decode, rather than stop.
    outside: 'error', or 'missing' to count points outside their image as such.
    min_likelihood: points that the labels give a lower likelihood, as
      predictions do, count as missing.
    outputs: folders that this run writes to. What lies there is no data, nor is
      what other runs have written below `root`.
    image_size: side of the stored square images, in pixels.
    **kwargs: for the tfds builder: `data_dir`, `file_format`.
  """

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
      outputs: Sequence[str | os.PathLike] = (),
      image_size: int = 128,
      **kwargs,
  ):
    if image_size < 1:
      raise UserError(
          f'dataset.image_size: found {image_size}, expected at least 1'
      )
    groups = fields.groups(groups)
    place = fields.checked_root(root)
    written = run_outputs_lib.below(place, outputs)
    self._fields = fields.Fields(
        root=place,
        labels=str(labels or '').strip(),
        eyes=fields.names(eyes),
        groups=groups,
        test=fields.names(test),
        test_share=test_share,
        exclude=fields.names(exclude),
        skip_bad=skip_bad,
        outside=outside,
        min_likelihood=min_likelihood,
        outputs=run_outputs_lib.patterns(written),
    )
    self._found = finding.find_images(place, leave_out=written)
    paths.check_distinct(self._found)
    super().__init__(
        image_size=image_size,
        fingerprint=_fingerprint(self._fields, self._found),
        arguments=dict(
            root=root, labels=labels, eyes=eyes, groups=groups, test=test,
            test_share=test_share, exclude=exclude, skip_bad=skip_bad,
            outside=outside, min_likelihood=min_likelihood, outputs=outputs,
        ),
        **kwargs,
    )  # fmt: skip

  def _plan(self) -> builder.Plan:
    plan = splits.make_plan(self._fields, self._found)
    missing = np.full((len(plan.description.point_names), 2), np.nan)
    items = {
        split: [
            builder.Item(
                id=path,
                path=self._fields.root / path,
                points=labels.to_ours(plan.points.get(path, missing)),
            )
            for path in names
        ]
        for split, names in plan.splits.items()
    }
    return builder.Plan(items, plan.description)


def _fingerprint(given: fields.Fields, found: list[str]) -> str:
  """A hash of all that decides what is written."""
  return fingerprints.of_values(
      given.to_json(),
      fingerprints.of_stats(given.root, found),
      [
          (str(path), fingerprints.of_file(path))
          for path in labels.label_files(
              given.labels, given.root, given.unread
          )
      ],
  )
