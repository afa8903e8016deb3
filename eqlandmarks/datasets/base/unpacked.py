"""Prepared splits, decoded once: training reads pixels, and decodes nothing.

tfds keeps images as PNG. Beside its files there is, for each split, an
array_record of plain pixels in the order of the ids, and a .npz of everything
else. They are made when the dataset is prepared, under another name until they
are whole.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_data_source
from array_record.python import array_record_module

from eqlandmarks import errors
from eqlandmarks.datasets.base import examples
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints
from eqlandmarks.system import stored

_FOLDER = 'unpacked'
_ROOM = 'expected a folder with room'
_REMEDY = 'without {}, it is prepared anew'
# Plain pixels are read six times as fast as compressed ones, and are half as
# large again.
_OPTIONS = 'group_size:1,uncompressed'
_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Table:
  """All of a split but its pixels.

  Attributes:
    ids: `[N]`.
    points: float32 `[N, J, 2]`, (row, column) in pixels of the stored images.
    original_sizes: float32 `[N, 2]`, (height, width).
    digests: `[N]`, SHA-256 of the images' files.
    pixels: uint8 `[N, 32]`, SHA-256 of the stored pixels.
  """

  ids: np.ndarray
  points: np.ndarray
  original_sizes: np.ndarray
  digests: np.ndarray
  pixels: np.ndarray

  def __len__(self) -> int:
    return len(self.ids)


class Pixels:
  """The images of splits on disk, uint8 `[N, S, S, 3]`, read as asked for.

  Args:
    paths: one file for each split.
    order: image number -> number of its record, counted over all files.
    shape: of one image.
  """

  def __init__(
      self,
      paths: Sequence[pathlib.Path],
      order: np.ndarray,
      shape: tuple[int, ...],
  ):
    self._source = array_record_data_source.ArrayRecordDataSource(
        [str(path) for path in paths]
    )
    self._order = order
    self._folder = paths[0].parent
    self.shape = (len(order), *shape)

  def __len__(self) -> int:
    return len(self._order)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    """The images `[B, S, S, 3]` of some rows."""
    batch = np.empty((len(rows), *self.shape[1:]), np.uint8)
    with _prepared(self._folder, self._folder.parent):
      for place, row in enumerate(rows):
        record = self._source[int(self._order[row])]
        batch[place] = np.frombuffer(record, np.uint8).reshape(self.shape[1:])
    return batch


def unpack(builder: tfds.core.DatasetBuilder) -> None:
  """Decodes all splits of a prepared dataset, unless that is done already.

  Raises:
    UserError: the folder of the dataset cannot be written, or is full.
  """
  folder = pathlib.Path(builder.data_dir) / _FOLDER
  if folder.exists():
    return
  try:
    with files.replacing(folder, _ROOM) as partial:
      partial.mkdir()
      for split in builder.info.splits:
        _unpack_split(builder, split, partial)
  except errors.UserError:
    raise
  # array_record raises errors of its own for a disk that is full.
  except (OSError, RuntimeError, ValueError) as error:
    reason = ' '.join(str(error).split())
    raise errors.UserError(
        f'{folder}: cannot be written ({reason}), {_ROOM}'
    ) from error


def is_there(builder: tfds.core.DatasetBuilder) -> bool:
  """Whether `unpack` has been done, by whatever process."""
  return (pathlib.Path(builder.data_dir) / _FOLDER).exists()


def open_table(builder: tfds.core.DatasetBuilder, split: str) -> Table:
  """All but the pixels of a split, such as 'train+unlabelled', by id."""
  tables = _tables(builder, split)
  fields = {
      field.name: np.concatenate([getattr(t, field.name) for t in tables])
      for field in dataclasses.fields(Table)
  }
  order = np.argsort(fields['ids'], kind='stable')
  return Table(**{name: array[order] for name, array in fields.items()})


def open_pixels(builder: tfds.core.DatasetBuilder, split: str) -> Pixels:
  """The pixels of a split, such as 'train+unlabelled', in the order of ids."""
  ids = np.concatenate([table.ids for table in _tables(builder, split)])
  folder = pathlib.Path(builder.data_dir) / _FOLDER
  paths = [folder / f'{name}.array_record' for name in split.split('+')]
  with _prepared(folder, folder.parent):
    for path in paths:
      path.stat()  # array_record takes seconds to find out
    return Pixels(
        paths,
        np.argsort(ids, kind='stable'),
        builder.info.features['image'].shape,
    )


def write_pixels(
    path: pathlib.Path, pictures: Iterable[np.ndarray]
) -> np.ndarray:
  """Writes uint8 images in the form that `Pixels` reads.

  Returns:
    Their fingerprints, uint8 `[N, 32]`.
  """
  prints = []
  writer = array_record_module.ArrayRecordWriter(str(path), _OPTIONS)
  for picture in pictures:
    writer.write(picture.tobytes())
    prints.append(fingerprints.of_picture(picture))
  writer.close()
  return np.array(prints, np.uint8).reshape(-1, 32)


def _tables(builder: tfds.core.DatasetBuilder, split: str) -> list[Table]:
  folder = pathlib.Path(builder.data_dir) / _FOLDER
  tables = []
  for name in split.split('+'):
    path = folder / f'{name}.npz'
    with _prepared(path, folder.parent):
      arrays = stored.read_arrays(path, _REMEDY.format(folder.parent))
      tables.append(Table(**arrays))
  return tables


def _prepared(
    path: pathlib.Path, data_dir: pathlib.Path
) -> contextlib.AbstractContextManager[None]:
  """Says in one line that a prepared file is not there or is damaged."""
  return stored.intact(path, _REMEDY.format(data_dir))


def _unpack_split(
    builder: tfds.core.DatasetBuilder, split: str, folder: pathlib.Path
) -> None:
  source = builder.as_data_source(split)
  raw = builder.as_data_source(
      split, decoders={'image': tfds.decode.SkipDecoding()}
  )
  rows = []
  for i in range(len(raw)):
    row = raw[i]
    del row['image']  # all of them would not fit into memory
    rows.append(row)
  # tfds stores examples in the order of a hash; users expect that of names.
  order = sorted(range(len(rows)), key=lambda i: rows[i]['id'])
  path = folder / f'{split}.array_record'
  prints = write_pixels(path, _decoded(source, order, split))
  # A full disk is no error to array_record as long as it has not noticed.
  if len(rows) != _count(path):
    raise OSError('not all images have been written')
  np.savez(
      folder / f'{split}.npz',
      ids=np.array([rows[i]['id'].decode() for i in order]),
      points=np.stack([rows[i]['points'] for i in order]),
      original_sizes=np.stack([rows[i]['original_size'] for i in order]),
      digests=np.array([rows[i]['digest'].decode() for i in order]),
      pixels=prints,
  )


def _decoded(
    source: Sequence[dict[str, np.ndarray]], order: list[int], split: str
) -> Iterator[np.ndarray]:
  """The images in an order, some decoded ahead of their turn."""
  with futures.ThreadPoolExecutor(_THREADS) as pool:
    ahead: list[futures.Future[np.ndarray]] = []
    for i in examples.with_progress(order, split, doing='unpack'):
      ahead.append(pool.submit(lambda i=i: source[i]['image']))
      if len(ahead) > 8 * _THREADS:
        yield ahead.pop(0).result()
    for future in ahead:
      yield future.result()


def _count(path: pathlib.Path) -> int:
  return len(array_record_data_source.ArrayRecordDataSource(str(path)))
