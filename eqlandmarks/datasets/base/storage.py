"""Prepared splits on disk: plain pixels, which nothing has to decode.

tfds writes them as array_record, one file for each split. Beside it lies an
.npz of everything else, in the order of the records, so that a run starts
without reading all pixels.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_data_source

from eqlandmarks.system import data_files
from eqlandmarks.system import fingerprints

_REMEDY = 'without {}, it is prepared anew'
# Examples that are written, or read, together: each time costs something.
_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Table:
  """All of a split but its pixels.

  Attributes:
    ids: `[N]`.
    points: float32 `[N, J, 2]`, (row, column) in pixels of the stored images.
    original_sizes: float32 `[N, 2]`, (height, width).
    digests: `[N]`, SHA-256 of the images' files.
    pixels: uint8 `[N, 32]`, SHA-256 of the stored pixels.
    clips: `[N]`, names of the clips whose frames the images are; '' for stills.
    times: float64 `[N]`, where the frames are in their clips, in seconds.
  """

  ids: np.ndarray
  points: np.ndarray
  original_sizes: np.ndarray
  digests: np.ndarray
  pixels: np.ndarray
  clips: np.ndarray
  times: np.ndarray

  def __len__(self) -> int:
    return len(self.ids)


class Pixels:
  """The images of splits on disk, uint8 `[N, S, S, 3]`, read as asked for.

  `order` maps an image's number to its record's, counted over all splits.
  """

  def __init__(
      self,
      builder: tfds.core.DatasetBuilder,
      splits: Iterable[str],
      order: np.ndarray,
  ):
    self._folder = pathlib.Path(builder.data_dir)
    feature = builder.info.features['image']
    self._features = tfds.features.FeaturesDict({'image': feature})
    self._order = order
    self.shape = (len(order), *feature.shape)
    with self._intact():
      paths = [p for s in splits for p in builder.info.splits[s].filepaths]
      for path in paths:
        path.stat()  # array_record takes seconds to find out
      self._records = array_record_data_source.ArrayRecordDataSource(
          [*map(str, paths)]
      )

  def __len__(self) -> int:
    return len(self._order)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    """The images `[B, S, S, 3]` of some rows."""
    batch = np.empty((len(rows), *self.shape[1:]), np.uint8)
    with self._intact():
      for start in range(0, len(rows), _CHUNK):
        numbers = self._order[rows[start : start + _CHUNK]].tolist()
        records = self._records.__getitems__(numbers)  # several at a time
        for place, record in enumerate(records, start):
          batch[place] = self._features.deserialize_example_np(record)['image']
    return batch

  def _intact(self) -> contextlib.AbstractContextManager[None]:
    """Says in one line that a prepared file is not there or is damaged."""
    return data_files.intact(self._folder, _REMEDY.format(self._folder))


def write(
    info: tfds.core.DatasetInfo,
    splits: Iterable[str],
    examples: Iterable[tuple[str, dict[str, Any]]],
) -> None:
  """Writes a dataset into the folder that `info` names; it gets the splits.

  Each split has an example; the examples are in any order. Those of frames
  have a 'clip' and a 'time' as well.

  Raises:
    OSError: not all of it has been written. array_record raises errors of its
      own as well, which quote the system.
  """
  writer = tfds.core.SequentialWriter(
      info, max_examples_per_shard=2**40, file_format='array_record'
  )
  rows: dict[str, list[tuple[Any, ...]]] = {split: [] for split in splits}
  waiting: dict[str, list[dict[str, Any]]] = {split: [] for split in rows}
  writer.initialize_splits([*rows])
  for split, example in examples:
    rows[split].append((
        example['id'], example['points'], example['original_size'],
        example['digest'], fingerprints.of_picture(example['image']),
        example.pop('clip', ''), example.pop('time', 0.0),
    ))  # fmt: skip
    waiting[split].append(example)
    if len(waiting[split]) == _CHUNK:
      writer.add_examples({split: waiting[split]})
      waiting[split] = []
  writer.add_examples(waiting)
  writer.close_all()
  for split, of_split in rows.items():
    paths = [*map(str, info.splits[split].filepaths)]
    # A full disk is no error to array_record as long as it has not noticed.
    written = array_record_data_source.ArrayRecordDataSource(paths)
    if len(written) != len(of_split):
      raise OSError('not all images have been written')
    names = [field.name for field in dataclasses.fields(Table)]
    columns = map(np.array, zip(*of_split, strict=True))
    np.savez(
        pathlib.Path(info.data_dir) / f'{split}.npz',
        **dict(zip(names, columns, strict=True)),
    )


def is_there(builder: tfds.core.DatasetBuilder) -> bool:
  """Whether a dataset is prepared, by whatever process."""
  return (pathlib.Path(builder.data_dir) / 'dataset_info.json').exists()


def open_table(builder: tfds.core.DatasetBuilder, split: str) -> Table:
  """All but the pixels of a split, such as 'train+unlabelled', by id."""
  table = _table(builder, split)
  order = np.argsort(table.ids, kind='stable')
  return Table(**{name: array[order] for name, array in vars(table).items()})


def open_pixels(builder: tfds.core.DatasetBuilder, split: str) -> Pixels:
  """The pixels of a split, such as 'train+unlabelled', in the order of ids."""
  order = np.argsort(_table(builder, split).ids, kind='stable')
  return Pixels(builder, split.split('+'), order)


def _table(builder: tfds.core.DatasetBuilder, split: str) -> Table:
  """The table of a split, in the order of the records."""
  folder = pathlib.Path(builder.data_dir)
  tables = []
  for name in split.split('+'):
    path = folder / f'{name}.npz'
    with data_files.intact(path, _REMEDY.format(folder)):
      arrays = data_files.read_arrays(path, _REMEDY.format(folder))
      tables.append(Table(**arrays))
  return Table(*(
      np.concatenate([getattr(table, field.name) for table in tables])
      for field in dataclasses.fields(Table)
  ))
