"""Reading prepared datasets: whole splits for evaluation, batches for training.

Grain draws the order from (seed, epoch) by index, so that batch number i is a
function of the seed alone: a run resumes at any step without iterator state.
"""

import dataclasses
from collections.abc import Iterator

import grain
import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks import errors
from eqlandmarks.datasets import examples


@dataclasses.dataclass(frozen=True)
class Split:
  """A split in memory.

  Attributes:
    images: uint8 `[N, S, S, 3]`.
    points: float32 `[N, J, 2]`, (row, column) in pixels of the images, NaN
      where missing.
    ids: `N` paths or numbers.
    original_sizes: `[N, 2]`, (height, width) of what each image shows, in the
      pixels that it had before it was resized.
  """

  images: np.ndarray
  points: np.ndarray
  ids: tuple[str, ...]
  original_sizes: np.ndarray

  def __len__(self) -> int:
    return len(self.images)


def describe(builder: tfds.core.DatasetBuilder) -> examples.Description:
  """What the builder says of its dataset."""
  return examples.Description.from_metadata(builder.info.metadata)


def load(builder: tfds.core.DatasetBuilder, split: str) -> Split:
  """Decodes a split into memory, in the stored order of its ids.

  Args:
    builder: a prepared builder of `eqlandmarks.datasets`.
    split: a tfds split expression, such as 'train+unlabelled'.
  """
  source = builder.as_data_source(split=split)
  records = [source[i] for i in range(len(source))]
  # tfds stores examples in the order of a hash; users expect that of names.
  records.sort(key=lambda record: record['id'])
  num_points = len(describe(builder).point_names)
  return Split(
      images=np.stack([record['image'] for record in records]),
      points=np.stack([record['points'] for record in records])[:, :num_points],
      ids=tuple(record['id'].decode() for record in records),
      original_sizes=np.stack([record['original_size'] for record in records]),
  )


def steps_per_epoch(num_images: int, batch_size: int) -> int:
  """Batches in an epoch; images that do not fill one wait for another epoch.

  Raises:
    UserError: there are fewer images than one batch holds.
  """
  if num_images < batch_size:
    raise errors.UserError(
        f'batch_size is {batch_size}, but the training images are only '
        f'{num_images}; expected a batch_size of at most {num_images}.'
    )
  return num_images // batch_size


def batches(
    images: np.ndarray, *, batch_size: int, seed: int, start: int
) -> Iterator[np.ndarray]:
  """Batches of images, newly shuffled in every epoch, without end.

  Args:
    images: `[N, ...]`.
    batch_size: images per batch.
    seed: what the order depends on.
    start: number of the first batch to yield.

  Yields:
    `[batch_size, ...]`.
  """
  order = (
      grain.MapDataset.source(range(len(images)))
      .shuffle(seed=seed)
      .batch(batch_size, drop_remainder=True)
      .repeat()
  )
  for number in range(start, len(order)):
    yield images[order[number]]
