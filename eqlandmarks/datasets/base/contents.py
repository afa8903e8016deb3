"""What a run is made from: the images that train it, and what scores it.

What is stored decides, not where it came from: a dataset that was moved, copied
or touched is the same, and one that differs in a pixel is not.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import storage
from eqlandmarks.system import fingerprints


@dataclasses.dataclass(frozen=True)
class Content:
  """The content of a prepared dataset.

  Attributes:
    ids: `[N]`, of the images that train.
    prints: uint64 `[N]`, of their pixels.
    images: the fingerprint of both.
    labels: the fingerprint of all that figures depend on beside the nets: the
      images that are fitted on and scored, their points, and their names.
  """

  ids: np.ndarray
  prints: np.ndarray
  images: str
  labels: str


def of(
    builder: tfds.core.DatasetBuilder, description: examples.Description
) -> Content:
  """The content of a prepared dataset, found without reading its images."""
  table = storage.open_table(builder, description.stage_split)
  about = dataclasses.asdict(description)
  del about['notes']  # which decide nothing
  fitted = description.test_split and description.fit_split
  scored = [
      part
      for split in (fitted, description.shown_split)
      if split
      for part in _parts(storage.open_table(builder, split))
  ]
  return Content(
      ids=table.ids,
      prints=table.pixels[:, :8].copy().view(np.uint64)[:, 0],
      images=fingerprints.of_values(*_parts(table)[:2]),
      labels=fingerprints.of_values(about, *scored),
  )


def _parts(table: storage.Table) -> list[bytes]:
  """The parts of a table: ids, pixels, points and sizes."""
  # A missing value has many forms.
  points = np.where(np.isnan(table.points), np.nan, table.points)
  return [
      '\n'.join(map(str, table.ids)).encode(),
      table.pixels.tobytes(),
      points.astype(np.float32).tobytes(),
      table.original_sizes.tobytes(),
  ]


def difference(ids: Sequence[str], prints: Sequence[int], now: Content) -> str:
  """Where the images that train differ from those before, in words."""
  before = dict(zip(map(str, ids), prints, strict=True))
  after = dict(zip(map(str, now.ids), now.prints, strict=True))
  changes = {
      'more': [name for name in after if name not in before],
      'fewer': [name for name in before if name not in after],
      'of other content': [
          name for name in after if before.get(name, after[name]) != after[name]
      ],
  }
  parts = [
      f'{len(names)} {what}, the first is {names[0]}'
      for what, names in changes.items() if names
  ]
  return f'{len(after)} now, {len(before)} then: {"; ".join(parts)}'
