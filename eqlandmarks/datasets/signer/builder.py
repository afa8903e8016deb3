"""The tfds builder of the drawn pictures."""

import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from eqlandmarks.datasets import signer
from eqlandmarks.datasets.base import buckets
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.signer.person import JOINTS
from eqlandmarks.datasets.signer.person import SPLITS
from eqlandmarks.datasets.signer.scene import render
from eqlandmarks.media import images
from eqlandmarks.system import files


class Signer(tfds.core.GeneratorBasedBuilder):
  """Draws the pictures.

  Args:
    options: how many of them, and from which seed.
    image_size: side of the images, in pixels.
    data_dir: where the prepared copy goes.
    root: not used, nor is `outputs`: nothing is read.
    outputs: see `root`.
  """

  name = 'signer'
  VERSION = tfds.core.Version('1.2.0')

  def __init__(
      self,
      options: signer.Options,
      *,
      image_size: int,
      data_dir: str | os.PathLike[str] | None = None,
      root: str = '',
      outputs: Sequence[str] = (),
  ):
    del root, outputs
    self._size, self._seed = image_size, options.seed
    counts = options.num_train, options.num_validation, options.num_test
    self._counts = dict(zip(SPLITS, counts, strict=True))
    # The name becomes part of the prepared folder's path.
    name = f'{image_size}px-{"-".join(map(str, counts))}-seed{options.seed}'
    with caching.readable(self):
      super().__init__(
          config=tfds.core.BuilderConfig(name=name), data_dir=data_dir,
          file_format='array_record',
      )  # fmt: skip
    # tfds pickles a builder as the arguments of its constructor.
    self._original_state = dict(
        options=options, image_size=image_size, data_dir=data_dir
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
        features=examples.example_features(self._size, len(JOINTS)),
        metadata=description.to_metadata(),
    )

  def split_sizes(self) -> dict[str, int]:
    """Images of each split, before they are drawn as well."""
    return dict(self._counts)

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
    for index in examples.with_progress(range(self._counts[split]), split):
      image, points = render(self._seed, split, index, self._size)
      # Arrays would need TensorFlow's encoder; tfds passes bytes through.
      encoded = images.to_png(Image.fromarray(image))
      yield index, {
          'image': encoded,
          'points': points,
          'original_size': np.full(2, self._size, np.float32),
          'id': f'{split}/{index:06d}',
          'digest': hashlib.sha256(encoded).hexdigest(),
      }
