"""The tfds builder of the drawn pictures."""

import hashlib
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from eqlandmarks.datasets.base import buckets
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.signer.person import JOINTS
from eqlandmarks.datasets.signer.person import SPLITS
from eqlandmarks.datasets.signer.scene import render
from eqlandmarks.errors import UserError
from eqlandmarks.media import images
from eqlandmarks.system import files

MIN_SIZE = 32


def _check(field: str, found: Any, least: int):
  """Raises unless `found` is an integer that is not below `least`."""
  whole = isinstance(found, (int, np.integer)) and not isinstance(found, bool)
  if not whole or found < least:
    raise UserError(
        f'config.{field} is {found!r}, expected an integer of at least {least}'
    )


class Signer(tfds.core.GeneratorBasedBuilder):
  """Builds the dataset; `as_data_source` works after `download_and_prepare`.

  Attributes:
    image_size: side of the images in pixels.
    counts: number of images of each split.
    seed: two seeds share no image.
  """

  name = 'signer'
  VERSION = tfds.core.Version('1.2.0')

  def __init__(
      self,
      *,
      image_size: int,
      num_train: int = 1000,
      num_validation: int = 500,
      num_test: int = 500,
      seed: int = 0,
      **kwargs: Any,
  ):
    counts = (num_train, num_validation, num_test)
    _check('image_size', image_size, MIN_SIZE)
    for split, count in zip(SPLITS, counts, strict=True):
      _check(f'dataset.num_{split}', count, 1)
    _check('dataset.seed', seed, 0)
    self.image_size, self.seed = image_size, seed
    self.counts = dict(zip(SPLITS, counts, strict=True))
    # The name becomes part of the prepared folder's path.
    name = f'{image_size}px-{"-".join(map(str, counts))}-seed{seed}'
    with caching.readable(self):
      super().__init__(config=tfds.core.BuilderConfig(name=name), **kwargs)
    # tfds pickles a builder as the arguments of its constructor.
    self._original_state = dict(
        kwargs,
        image_size=image_size,
        num_train=num_train,
        num_validation=num_validation,
        num_test=num_test,
        seed=seed,
    )

  def _info(self) -> tfds.core.DatasetInfo:
    description = examples.Description(
        point_names=JOINTS,
        groups=examples.JOINT_GROUPS,
        eyes=(),
        stage_split='train',
        fit_split='validation',
        test_split='test',
    )
    return tfds.core.DatasetInfo(
        builder=self,
        description='Drawn sign-language interpreters with seven joints.',
        features=examples.example_features(self.image_size, len(JOINTS)),
        metadata=description.to_metadata(),
    )

  def split_sizes(self) -> dict[str, int]:
    """Images of each split, before they are drawn as well."""
    return dict(self.counts)

  def download_and_prepare(self, **kwargs: Any) -> None:
    """Draws all images; on failure nothing stays behind in `data_dir`."""
    place = pathlib.Path(self.data_dir_root)
    try:
      # array_record raises errors of its own, which quote the system.
      with files.written(place), buckets.plain_files():
        super().download_and_prepare(**kwargs)
    finally:
      caching.tidy(self)

  def _split_generators(self, dl_manager):
    del dl_manager  # nothing to download
    return {split: self._generate_examples(split) for split in SPLITS}

  def _generate_examples(self, split: str):
    for index in examples.with_progress(range(self.counts[split]), split):
      image, points = render(self.seed, split, index, self.image_size)
      # Arrays would need TensorFlow's encoder; tfds passes bytes through.
      encoded = images.to_png(Image.fromarray(image))
      yield index, {
          'image': encoded,
          'points': points,
          'original_size': np.full(2, self.image_size, np.float32),
          'id': f'{split}/{index:06d}',
          'digest': hashlib.sha256(encoded).hexdigest(),
      }
