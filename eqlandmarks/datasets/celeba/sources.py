"""Where CelebA's images and landmarks come from: files, or tfds's celeb_a."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks.datasets.base import benchmark
from eqlandmarks.datasets.base import builder as builder_lib
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.errors import UserError
from eqlandmarks.media import images
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


@dataclasses.dataclass(frozen=True)
class Files:
  """The aligned images and the text files, or Kaggle's csv files.

  Args:
    root: the dataset's folder.
    audit: takes what is missing.
  """

  root: pathlib.Path
  audit: benchmark.Audit

  @functools.cached_property
  def _folder(self) -> pathlib.Path:
    return benchmark.required(self.root, _IMAGES, 'folder of aligned images')

  @functools.cached_property
  def _files(self) -> tuple[pathlib.Path, pathlib.Path]:
    return (
        benchmark.required(self.root, _LANDMARKS, 'landmarks'),
        benchmark.required(self.root, _PARTITION, 'list of partitions'),
    )

  @functools.cached_property
  def _ending(self) -> str:
    return '.png' if self._folder.name.endswith('_png') else '.jpg'

  def state(self) -> list[Any]:
    """What decides the images and landmarks, for a fingerprint."""
    names = [path.name for path in benchmark.listing(self._folder)]
    return [
        str(self._folder),
        fingerprints.of_stats(self._folder, names),
        [*map(fingerprints.of_file, self._files)],
    ]

  def partition(self) -> dict[str, int]:
    """Name, which has no ending -> 0 train, 1 validation, 2 test."""
    path = self._files[1]
    found = lists.read_partition(path)
    counts = np.bincount([*found.values()], minlength=3)
    for part, expected in enumerate(lists.PARTITIONS):
      self.audit.expect(
          f'{path}: images of partition {part}', int(counts[part]), expected,
          'a list that was cut',
      )  # fmt: skip
    return {stem(name): part for name, part in found.items()}

  @functools.cached_property
  def _landmarks(self) -> dict[str, np.ndarray]:
    path = self._files[0]
    found = lists.read_landmarks(path)
    self.audit.expect(
        f'{path}: rows', len(found), lists.NUM_IMAGES, 'a list that was cut'
    )
    return {stem(name): points for name, points in found.items()}

  def items(self, names: list[str], listed: str) -> list[builder_lib.Item]:
    """What to store for these images, without a crop.

    Args:
      names: of the images.
      listed: what names them, for messages.
    """
    files = [f'{name}{self._ending}' for name in names]
    paths = [self._folder / name for name in files]
    without = [name for name in names if name not in self._landmarks]
    if without:
      raise UserError(
          f'{self._files[0]}: has no row for {without[0]}.jpg, expected one '
          'for each image that the other lists name'
      )
    return [
        builder_lib.Item(
            id=names[i], path=paths[i], points=self._landmarks[names[i]],
            shape=lists.SHAPE,
        )
        for i in self.audit.existing(files, paths, listed)
    ]  # fmt: skip

  def read(self, item: builder_lib.Item) -> tuple[bytes, np.ndarray]:
    """The encoded bytes of an item's image, and its points."""
    return images.read(item.path), item.points


class Prepared:
  """What tfds's own builder celeb_a has prepared, as array_record.

  Its examples have no file names. But tfds orders them by a hash of the names,
  and these are known: the partitions are 000001 to 162770, and so on.

  Args:
    folder: the prepared dataset, such as `DATA_DIR/celeb_a/2.1.0`.
    audit: takes what is missing.
  """

  def __init__(self, folder: pathlib.Path, audit: benchmark.Audit):
    self._folder, self._audit = folder, audit
    with _intact(folder):
      self._open()

  def _open(self) -> None:
    folder = self._folder
    builder = tfds.builder_from_directory(folder)
    if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
      raise UserError(
          f'{folder}: is prepared as {builder.info.file_format.value}, '
          'expected array_record (tfds build celeb_a '
          '--file_format=array_record)'
      )
    self._sources, self._names, self._counts = [], [], []
    start = 1
    for split, count in zip(_TFDS_SPLITS, lists.PARTITIONS, strict=True):
      # Undecoded: only the crop of what is needed is decoded, once.
      source = builder.as_data_source(
          split=split, decoders={'image': tfds.decode.SkipDecoding()}
      )
      self._sources.append(source)
      self._names.append(_hashed_order(split, start, len(source)))
      self._counts.append((len(source), count))
      start += count

  def state(self) -> list[Any]:
    """See `Files`."""
    names = [path.name for path in benchmark.listing(self._folder)]
    return [
        str(self._folder),
        self._counts,
        fingerprints.of_stats(self._folder, names),
    ]

  def partition(self) -> dict[str, int]:
    """See `Files`."""
    for split, (found, expected) in zip(
        _TFDS_SPLITS, self._counts, strict=True
    ):
      self._audit.expect(
          f'{self._folder}: images of split {split}', found, expected,
          'a dataset that was prepared in part',
      )  # fmt: skip
    return {
        name: part for part, names in enumerate(self._names) for name in names
    }

  @functools.cached_property
  def _places(self) -> dict[str, tuple[int, int]]:
    return {
        name: (part, row)
        for part, names in enumerate(self._names)
        for row, name in enumerate(names)
    }

  def items(self, names: list[str], listed: str) -> list[builder_lib.Item]:
    """See `Files`."""
    unknown = [name for name in names if name not in self._places]
    if unknown:
      self._audit.fail(
          f'{self._folder}: has not {len(unknown)} of the {len(names)} images '
          f'that {listed} names, the first is {unknown[0]}.jpg; expected all',
          'a dataset that was prepared in part',
      )
    return [
        builder_lib.Item(
            id=name, path=self._folder / f'{name}.jpg', points=None,
            shape=lists.SHAPE,
        )
        for name in names if name in self._places
    ]  # fmt: skip

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
    reason = ' '.join(str(error).split()) or type(error).__name__
    raise UserError(
        f"{folder}: cannot be read ({reason[:200]}), expected tfds's celeb_a, "
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
  return name.split('/')[-1].rpartition('.')[0] or name


def _hashed_order(split: str, start: int, count: int) -> list[str]:
  """Names of consecutive files in the order in which tfds has stored them."""
  hasher = tfds.core.hashing.Hasher(split)
  names = [f'{number:06d}' for number in range(start, start + count)]
  return sorted(names, key=lambda name: hasher.hash_key(f'{name}.jpg'))
