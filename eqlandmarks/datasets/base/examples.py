"""What every dataset of eqlandmarks looks like once it is prepared.

Each dataset is a tfds builder, written as array_record without TensorFlow. Its
examples have the features of `features`, and its metadata is a
`Description`, so that the loader, the training and the evaluation need not know
which dataset they read.

**Convention.** `points` are (row, column) in pixels of the stored square image,
on [0, size] x [0, size]: the centre of the top-left pixel is (0.5, 0.5). A
point without an annotation is NaN.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

# Of the seven joints of BBC Pose, in the paper's tables.
JOINT_GROUPS = {'head': ['head']} | {
    f'{part}s': [f'right_{part}', f'left_{part}']
    for part in ('wrist', 'elbow', 'shoulder')
}


@dataclasses.dataclass(frozen=True)
class Description:
  """What a reader must know of a dataset beside its examples.

  Attributes:
    point_names: the annotated points, in the order of `points`; may be empty.
    groups: group name -> names of the points whose scores are averaged under
      it, for example `{'wrists': ['right_wrist', 'left_wrist']}`.
    eyes: the two point names whose distance normalises the inter-ocular error,
      or `()`.
    stage_split: the tfds split expression that feeds both training stages.
    fit_split: the split on which the regressor is fitted, or ''.
    test_split: the split on which everything is scored, or ''.
    notes: lines that the program shows once (counts of left-out files, say).
    protocol: what every figure depends on besides the split: the crop, say, and
      which images were trained on.
    partial: '', or in words how much of the dataset is there.
    differs: '', or in words how the data differ from those on which figures
      have been published.
  """

  point_names: tuple[str, ...]
  groups: dict[str, list[str]]
  eyes: tuple[str, ...]
  stage_split: str
  fit_split: str
  test_split: str
  notes: tuple[str, ...] = ()
  protocol: dict[str, str] = dataclasses.field(default_factory=dict)
  partial: str = ''
  differs: str = ''

  @property
  def shown_split(self) -> str:
    """What is measured on and drawn; without labels, what was trained on."""
    return self.test_split or self.stage_split

  def to_metadata(self) -> tfds.core.MetadataDict:
    """The form that tfds stores beside the records."""
    return tfds.core.MetadataDict(dataclasses.asdict(self))

  @classmethod
  def from_metadata(cls, metadata: dict[str, Any]) -> 'Description':
    """Reads back what `to_metadata` wrote."""
    fields = dict(metadata)
    for name in ('point_names', 'eyes', 'notes'):
      fields[name] = tuple(fields[name])
    return cls(**fields)


def features(size: int, num_points: int) -> tfds.features.FeaturesDict:
  """The features of an example of `size` x `size` pixels.

  Without points, one row of NaN is stored, since array_record holds no empty
  tensor; the reader drops it.
  """
  return tfds.features.FeaturesDict({
      # Plain: PNG takes half of the room, and ten times as long to read.
      'image': tfds.features.Tensor(
          shape=(size, size, 3), dtype=np.uint8, encoding='bytes'
      ),
      'points': tfds.features.Tensor(
          shape=(max(num_points, 1), 2), dtype=np.float32,
          doc='(row, column) in pixels of the stored image, the centre of its '
          'top-left pixel at (0.5, 0.5); NaN where missing, and outside '
          '[0, size] where a crop leaves the point out',
      ),
      'original_size': tfds.features.Tensor(
          shape=(2,), dtype=np.float32,
          doc="(height, width) of what the picture shows, in the file's pixels",
      ),
      'id': tfds.features.Text(
          doc="the file's path below the dataset's root, or the like"
      ),
      'digest': tfds.features.Text(
          doc="SHA-256 of the file's bytes; equal files have equal ones"
      ),
  })  # fmt: skip


def with_progress(
    items: Sequence[Any], split: str, *, doing: str = 'prepare'
) -> Iterator[Any]:
  """Yields what a split is prepared from, under a bar on standard error."""
  # The context ends the bar's line before an error is reported.
  with tqdm.tqdm(
      items, desc=f'{doing} {split}', unit=' images', mininterval=0.5
  ) as bar:
    yield from bar
