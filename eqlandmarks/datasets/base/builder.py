"""What all builders share: reading, cropping, resizing and storing images.

A builder decides in `_plan` what is stored. array_record files are written
without TensorFlow, and a preparation that fails leaves nothing behind.
"""

import abc
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import fitting
from eqlandmarks.datasets.base import storage
from eqlandmarks.errors import UserError
from eqlandmarks.media import images
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints


class Builder(tfds.core.DatasetBuilder, abc.ABC):
  """Base of the builders.

  The prepared copy is found again by a fingerprint of all that decides what is
  written, so that other fields or changed data are prepared anew. A subclass
  looks at the data in `_open`, which is called first.

  Args:
    options: the dataset's `Options`.
    root: the folder of the data, as the user gives it.
    image_size: side of the stored square images, in pixels.
    data_dir: where the prepared copy goes.
    outputs: folders that this run writes to, the workdir first; they may lie
      below `root`.

  Raises:
    UserError: the options or the data are not as they must be.
  """

  # Raise a builder's own when what it stores changes, so that copies are made
  # anew.
  VERSION = tfds.core.Version('2.1.0')
  # Whose the dataset is: homepage, citation and license.
  ABOUT: ClassVar[dict[str, str]] = {}

  def __init__(
      self,
      options: Any,
      *,
      root: str = '',
      image_size: int = 128,
      data_dir: str | os.PathLike[str] | None = None,
      outputs: Sequence[str] = (),
  ):
    self._options, self._image_size = options, image_size
    state = fingerprints.of_values(*self._open(root, outputs))
    config = tfds.core.BuilderConfig(name=f'{image_size}px-{state[:16]}')
    with caching.readable(self):
      super().__init__(config=config, data_dir=data_dir)
      self.info.set_file_format('array_record')
    # tfds pickles a builder as the arguments of its constructor.
    self._original_state = dict(
        options=options, root=root, image_size=image_size, data_dir=data_dir,
        outputs=outputs,
    )  # fmt: skip

  @abc.abstractmethod
  def _open(self, root: str, outputs: Sequence[str]) -> Sequence[Any]:
    """Looks at the data, and returns all that decides what is written."""

  @abc.abstractmethod
  def _describe(self) -> examples.Description:
    """Describes the dataset; called only where it is not prepared yet."""

  @abc.abstractmethod
  def _examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    """Splits and examples, with the features of `examples.features`."""

  def split_sizes(self) -> dict[str, int]:
    """Images of each split, before they are prepared as well."""
    if self.info.splits:
      return {n: s.num_examples for n, s in self.info.splits.items()}
    return self._counts()

  @abc.abstractmethod
  def _counts(self) -> dict[str, int]:
    """Images of each split that are to be stored."""

  def _info(self) -> tfds.core.DatasetInfo:
    # A prepared copy has passed all checks; its fingerprint says that nothing
    # has changed since.
    if (self.data_path / 'dataset_info.json').exists():
      stored = json.loads((self.data_path / 'metadata.json').read_bytes())
      description = examples.Description.from_metadata(stored)
    else:
      description = self._describe()
    return tfds.core.DatasetInfo(
        builder=self,
        features=examples.features(
            self._image_size, len(description.point_names)
        ),
        metadata=description.to_metadata(),
        description=type(self).__doc__,
        **self.ABOUT,
    )

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Prepares the images; on failure nothing stays behind in `data_dir`."""
    try:
      super().download_and_prepare(**kwargs)
    except (OSError, RuntimeError) as error:
      reason = _why_not_written(error)
      if reason is None:
        raise
      raise UserError(
          f'{self.data_dir_root}: the dataset cannot be prepared there '
          f'({reason}), expected a folder that can be written to, with room'
      ) from error
    finally:
      caching.tidy(self)

  def _download_and_prepare(self, dl_manager: Any, download_config: Any):
    del dl_manager, download_config  # nothing is downloaded
    info = self._info()  # of the folder that tfds renames once it is whole
    storage.write(info, self._counts(), self._examples())
    self.info.set_splits(info.splits)

  def _as_dataset(self, *args: Any, **kwargs: Any):
    raise NotImplementedError('needs TensorFlow; there is as_data_source()')


@dataclasses.dataclass(frozen=True)
class Item:
  """An image to be stored.

  Attributes:
    id: unique in its split; what users know the image by.
    path: its file.
    points: `[J, 2]`, (row, column) in pixels of the image as displayed, the
      centre of its top-left pixel at (0.5, 0.5), NaN where missing; may lie
      outside the image. None if they are known only once the item is
      read; none is missing then.
    box: what is cut out; None for the whole image.
    clip: whether the box ends where the image does, instead of beyond.
    shape: (height, width) that the image must have; None for any.
    clip_name: of the clip whose frame it is; '' for a still.
    time: where it is in the clip, in seconds.
  """

  id: str
  path: pathlib.Path
  points: np.ndarray | None
  box: crops.Box | None = None
  clip: bool = False
  shape: tuple[int, int] | None = None
  clip_name: str = ''
  time: float = 0.0


@dataclasses.dataclass(frozen=True)
class Plan:
  """What to store: the items of each split, and their description."""

  splits: dict[str, Sequence[Item]]
  description: examples.Description


class ImageBuilder(Builder):
  """Base of the builders that prepare image files."""

  # What messages advise about a file that does not decode.
  REMEDY = 'put an intact copy in its place'

  @abc.abstractmethod
  def _plan(self) -> Plan:
    """Decides what is stored, and checks the data."""

  def _read(self, item: Item) -> tuple[bytes, np.ndarray]:
    """The encoded bytes of an item's image, and its points."""
    return images.read(item.path), item.points

  @functools.cached_property
  def _planned(self) -> Plan:
    plan = self._plan()
    plan = Plan(*fitting.without_unfitted(plan.splits, plan.description))
    for split, items in plan.splits.items():
      ids: set[str] = set()
      for item in items:
        if item.id in ids:
          raise UserError(
              f'{item.path}: is in split {split} twice, expected each image '
              'once'
          )
        ids.add(item.id)
    return plan

  def _describe(self) -> examples.Description:
    return self._planned.description

  def _counts(self) -> dict[str, int]:
    return {split: len(items) for split, items in self._planned.splits.items()}

  def _examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
    for split, items in self._planned.splits.items():
      for item in examples.with_progress(items, split):
        yield split, self._example(item)

  def _example(self, item: Item) -> dict[str, Any]:
    content, points = self._read(item)
    image = images.decode(item.path, content, remedy=self.REMEDY)
    return self._cut(item, image, content, points)

  def _cut(
      self, item: Item, image: Image.Image, content: bytes, points: np.ndarray
  ) -> dict[str, Any]:
    """The example of an item, of its whole image, bytes and points."""
    box, size = _checked_box(item, image.height, image.width), self._image_size
    moved = np.full((max(len(points), 1), 2), np.nan, np.float32)
    moved[: len(points)] = box.to_stored(points, size)
    return {
        'image': np.asarray(crops.cut(image, box, size)),
        'points': moved,
        'original_size': np.array(box.shape, np.float32),
        'id': item.id,
        'digest': hashlib.sha256(content).hexdigest(),
        'clip': item.clip_name,
        'time': item.time,
    }


def _checked_box(item: Item, height: int, width: int) -> crops.Box:
  if item.shape not in (None, (height, width)):
    raise UserError(
        f'{item.path}: is {width} x {height} pixels, expected '
        f'{item.shape[1]} x {item.shape[0]}'
    )
  box = item.box or crops.Box(0.0, 0.0, height, width)
  if not box.is_sound(height, width):
    raise UserError(
        f'{item.path}: its points ask for a crop of {box.shape[1]:.0f} x '
        f'{box.shape[0]:.0f} pixels from ({box.left:.0f}, {box.top:.0f}), '
        f'expected a part of the {width} x {height} image'
    )
  return box.clipped(height, width) if item.clip else box


def _why_not_written(error: OSError | RuntimeError) -> str | None:
  """The system's reason; None for an error of something else."""
  if isinstance(error, OSError):
    return files.reason(error)
  # array_record has no error of its own: 'write() failed: No space left on
  # device; writing FILE; at byte 307200; ...'.
  quoted = re.search(r'\b\w+\(\) failed: ([^;\n]+);', str(error))
  return quoted and quoted[1]
