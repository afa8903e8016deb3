"""Reading prepared datasets: whole splits for evaluation, batches for training.

Grain draws the order from (seed, epoch) by index, so that batch number i is a
function of the seed alone: a run resumes at any step without iterator state.
Epochs follow each other without a gap: every image is seen once in each, and a
batch may hold the last images of one and the first ones of the next.
"""

import dataclasses
from collections.abc import Iterator

import grain
import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks import errors
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import clips
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import storage

# A state counts its steps in 32 bits.
_MOST_STEPS = 2**31
# Batches that are read ahead of their turn, and by how many threads.
_AHEAD = 16
_THREADS = 4


@dataclasses.dataclass(frozen=True)
class LabelledImages:
  """Images in memory with their annotations, read together.

  Attributes:
    images: uint8 `[N, S, S, 3]`.
    points: float32 `[N, J, 2]`, as those of a `Split`.
  """

  images: np.ndarray
  points: np.ndarray

  def __len__(self) -> int:
    return len(self.images)

  def __getitem__(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Both fields of some rows."""
    return {'images': self.images[rows], 'points': self.points[rows]}


@dataclasses.dataclass(frozen=True)
class ClipImages:
  """Frames of clips, read in pairs.

  Attributes:
    images: uint8 `[N, S, S, 3]`, in memory or on disk.
    partners: of each image that has any; those are counted.
  """

  images: np.ndarray | storage.Pixels
  partners: clips.Partners

  def __len__(self) -> int:
    return len(self.partners.rows)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    """The pairs `[B, 2, S, S, 3]` of rows `[B, 2]`."""
    images = self.images[rows.ravel()]
    return images.reshape(*rows.shape, *images.shape[1:])


# Images `[N, S, S, 3]`, uint8, in memory or on disk.
Images = np.ndarray | storage.Pixels | LabelledImages | ClipImages


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
  with caching.readable(builder):  # tfds reads it now
    return examples.Description.from_metadata(builder.info.metadata)


def load(builder: tfds.core.DatasetBuilder, split: str) -> Split:
  """Reads a split, such as 'train+unlabelled', in the order of its ids."""
  table = storage.open_table(builder, split)
  pixels = storage.open_pixels(builder, split)
  num_points = len(describe(builder).point_names)
  return Split(
      images=pixels[np.arange(len(pixels))],
      points=table.points[:, :num_points],
      ids=tuple(map(str, table.ids)),
      original_sizes=table.original_sizes,
  )


def open_images(
    builder: tfds.core.DatasetBuilder, split: str, *, memory_gib: float
) -> Images:
  """The images of a split: in memory if they fit, or otherwise on disk."""
  pixels = storage.open_pixels(builder, split)
  if np.prod(pixels.shape, dtype=np.int64) > memory_gib * 2**30:
    return pixels
  return pixels[np.arange(len(pixels))]


def num_steps(
    num_images: int, batch_size: int, num_epochs: int, *, multiple: int = 1
) -> int:
  """Whole batches, whose size must be a `multiple`, in a number of epochs.

  Raises:
    UserError: there are fewer images than one batch holds, or more steps than
      a state counts.
  """
  if num_images < batch_size:
    most = num_images // multiple * multiple
    expected = f'a batch_size of at most {most}' if most else (
        f'at least {multiple} images, or fewer devices or parts of a batch'
    )
    raise errors.UserError(
        f'config.batch_size is {batch_size}, but the training images are only '
        f'{num_images}; expected {expected}.'
    )
  count = num_epochs * num_images // batch_size
  if count >= _MOST_STEPS:
    raise errors.UserError(
        f'{num_epochs} epochs of {num_images} images are {count} steps of '
        f'batch_size {batch_size}, expected fewer than {_MOST_STEPS}.'
    )
  return count


def batches(
    images: Images,
    *,
    batch_size: int,
    seed: int,
    start: int,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[np.ndarray]:
  """Batches of images, newly shuffled in every epoch, without end.

  They are read ahead of their turn. Those of `LabelledImages` are dicts.

  Args:
    images: what to read from.
    batch_size: images per batch, over all processes together.
    seed: what the order depends on.
    start: number of the first batch to yield.
    shard: number of this process, and how many there are: each gets its part
      `[batch_size / processes, ...]` of every batch.
  """
  rows = rows_of_batches(
      images, batch_size=batch_size, seed=seed, shard=shard
  )
  yield from (
      rows[start:]
      .map(images.__getitem__)
      .to_iter_dataset(
          grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_AHEAD)
      )
  )


def rows_of_batches(
    images: Images,
    *,
    batch_size: int,
    seed: int,
    shard: tuple[int, int] = (0, 1),
) -> grain.MapDataset[np.ndarray]:
  """Which images are in a batch: its number -> rows `[B / processes]`.

  Of clips they are `[B / processes, 2]`, with the partners that are drawn by
  the batch's number.

  Raises:
    ValueError: the batch cannot be shared equally.
  """
  number, count = shard
  if batch_size % count:
    raise ValueError(
        f'batch_size is {batch_size}, expected a multiple of {count} processes.'
    )
  part = slice(number * batch_size // count, (number + 1) * batch_size // count)
  partners = images.partners if isinstance(images, ClipImages) else None
  source = range(len(images)) if partners is None else partners.rows

  def with_partners(batch: int, rows: np.ndarray) -> np.ndarray:
    if partners is None:
      return rows
    numbers = np.random.default_rng((seed, batch)).random(len(rows))
    return np.stack([rows, partners.draw(rows, numbers)], -1)

  return (
      grain.MapDataset.source(source)
      .shuffle(seed=seed)
      .repeat()
      .batch(batch_size, drop_remainder=True, batch_fn=np.asarray)
      .map_with_index(with_partners)
      .map(lambda rows: rows[part])
  )
