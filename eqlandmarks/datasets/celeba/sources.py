"""Where CelebA's images and landmarks come from: files, or tfds's celeb_a."""

import contextlib
import functools
import pathlib
import posixpath
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import hashing

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder as builder_lib
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.errors import UserError
from eqlandmarks.media import images
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints

# The original, a re-encoded copy that peers read, and layouts of other tools.
_IMAGES = (
    'Img/img_align_celeba', 'Img/img_align_celeba_hq',
    'Img/img_align_celeba_png', 'img_align_celeba/img_align_celeba',
    'img_align_celeba',
)  # fmt: skip
_LANDMARKS = (
    'Anno/list_landmarks_align_celeba.txt', 'list_landmarks_align_celeba.txt',
    'Anno/list_landmarks_align_celeba.csv', 'list_landmarks_align_celeba.csv',
)  # fmt: skip
_PARTITION = (
    'Eval/list_eval_partition.txt', 'list_eval_partition.txt',
    'Eval/list_eval_partition.csv', 'list_eval_partition.csv',
)  # fmt: skip
_TFDS_SPLITS = ('train', 'validation', 'test')


class Files:
  """The aligned images and the text files, or Kaggle's csv files."""

  def __init__(self, root: pathlib.Path, audit: benchmark.Audit):
    self._audit = audit
    self._folder = benchmark.required(
        root, _IMAGES, 'folder of aligned images'
    )
    self._ending = '.png' if self._folder.name.endswith('_png') else '.jpg'
    self._marks = benchmark.required(root, _LANDMARKS, 'landmarks')
    self._parts = benchmark.required(root, _PARTITION, 'list of partitions')

  def state(self) -> list[Any]:
    """What decides the images and landmarks, for a fingerprint."""
    return [
        str(self._folder),
        benchmark.state_of(self._folder),
        [fingerprints.of_file(path) for path in (self._marks, self._parts)],
    ]

  def partition(self) -> dict[str, int]:
    """Name, which has no ending -> 0 train, 1 validation, 2 test."""
    parts = lists.read_partition(self._parts)
    counts = np.bincount([*parts.values()], minlength=3)
    for part, expected in enumerate(lists.PARTITIONS):
      self._audit.expect(
          f'{self._parts}: images of partition {part}', int(counts[part]),
          expected, 'a list that was cut',
      )  # fmt: skip
    return {stem(name): part for name, part in parts.items()}

  @functools.cached_property
  def _landmarks(self) -> dict[str, np.ndarray]:
    rows = lists.read_landmarks(self._marks)
    self._audit.expect(
        f'{self._marks}: rows', len(rows), lists.NUM_IMAGES,
        'a list that was cut',
    )  # fmt: skip
    return {stem(name): points for name, points in rows.items()}

  def items(
      self, names: list[str], listed: str, box: crops.Box
  ) -> list[builder_lib.Item]:
    """What to store of the images that `listed` names."""
    files = [f'{name}{self._ending}' for name in names]
    paths = [self._folder / name for name in files]
    without = [name for name in names if name not in self._landmarks]
    if without:
      raise UserError(
          f'{self._marks}: has no row for {without[0]}.jpg, expected one '
          'for each image that the other lists name'
      )
    return [
        builder_lib.Item(
            names[i], paths[i], self._landmarks[names[i]], box,
            shape=lists.SHAPE,
        )
        for i in self._audit.existing(files, paths, listed)
    ]  # fmt: skip

  def read(self, item: builder_lib.Item) -> tuple[bytes, np.ndarray]:
    """The encoded bytes of an item's image, and its points."""
    return images.read(item.path), item.points


class Prepared:
  """What tfds's own builder celeb_a has prepared, as array_record; see `Files`.

  Its examples have no file names. But tfds orders them by a hash of the names,
  and these are known: the partitions are 000001 to 162770, and so on.

  The folder is such as `DATA_DIR/celeb_a/2.1.0`.
  """

  def __init__(self, folder: pathlib.Path, audit: benchmark.Audit):
    self._folder, self._audit = folder, audit
    # Name -> partition and number of the record.
    self._places: dict[str, tuple[int, int]] = {}
    with _intact(folder):
      builder = tfds.builder_from_directory(folder)
      if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise UserError(
            f'{folder}: is prepared as {builder.info.file_format.value}, '
            'expected array_record (tfds build celeb_a '
            '--file_format=array_record)'
        )
      # Undecoded: only the crop of what is needed is decoded, once.
      undecoded = {'image': tfds.decode.SkipDecoding()}
      self._sources = [
          builder.as_data_source(split=split, decoders=undecoded)
          for split in _TFDS_SPLITS
      ]
      for part, split in enumerate(_TFDS_SPLITS):
        names = _hashed_order(
            split, 1 + sum(lists.PARTITIONS[:part]), len(self._sources[part])
        )
        self._places |= {name: (part, row) for row, name in enumerate(names)}

  def state(self) -> list[Any]:
    """See `Files`."""
    counts = zip(map(len, self._sources), lists.PARTITIONS, strict=True)
    return [str(self._folder), [*counts], benchmark.state_of(self._folder)]

  def partition(self) -> dict[str, int]:
    """See `Files`."""
    for split, source, expected in zip(
        _TFDS_SPLITS, self._sources, lists.PARTITIONS, strict=True
    ):
      self._audit.expect(
          f'{self._folder}: images of split {split}', len(source), expected,
          'a dataset that was prepared in part',
      )  # fmt: skip
    return {name: part for name, (part, _) in self._places.items()}

  def items(
      self, names: list[str], listed: str, box: crops.Box
  ) -> list[builder_lib.Item]:
    """See `Files`."""
    absent = [name for name in names if name not in self._places]
    if absent:
      self._audit.fail(
          f'{self._folder}: has not {len(absent)} of the {len(names)} images '
          f'that {listed} names, the first is {absent[0]}.jpg; expected all',
          'a dataset that was prepared in part',
      )
    return [
        builder_lib.Item(
            name, self._folder / f'{name}.jpg', None, box, shape=lists.SHAPE
        )
        for name in names if name in self._places
    ]

  def read(self, item: builder_lib.Item) -> tuple[bytes, np.ndarray]:
    """See `Files`."""
    part, row = self._places[item.id]
    with _intact(self._folder):
      record = self._sources[part][row]
      values = [record['landmarks'][name] for name in lists.HEADER]
    points = np.array(values, np.float64).reshape(-1, 2)
    return record['image'], points[:, ::-1] + 0.5


@contextlib.contextmanager
def _intact(folder: pathlib.Path) -> Iterator[None]:
  """Reads what tfds has prepared, with one line for whatever is wrong."""
  try:
    yield
  except UserError:
    raise
  # Of damaged files, tfds and array_record raise nearly anything.
  except Exception as error:
    reason = files.reason(error)[:200]
    raise UserError(
        f"{folder}: cannot be read ({reason}), expected tfds's celeb_a, "
        'intact and prepared as array_record'
    ) from error


def find_prepared(root: pathlib.Path) -> pathlib.Path | None:
  """The celeb_a of tfds below a folder, or the folder itself.

  None where the official images are there, too.
  """
  if benchmark.first_existing(root, _IMAGES):
    return None
  for folder in (root, *sorted(root.glob('celeb_a/*'), reverse=True)):
    info = folder / 'dataset_info.json'
    if info.is_file() and b'"celeb_a"' in images.read(info):
      return folder
  return None


def stem(name: str) -> str:
  """A file name without its folder and ending, by which lists are matched."""
  return posixpath.splitext(posixpath.basename(name))[0]


def _hashed_order(split: str, start: int, count: int) -> list[str]:
  """Names of consecutive files in the order in which tfds has stored them."""
  hasher = hashing.Hasher(split)
  names = [f'{number:06d}' for number in range(start, start + count)]
  return sorted(names, key=lambda name: hasher.hash_key(f'{name}.jpg'))
