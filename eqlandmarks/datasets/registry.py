"""From a config's `dataset` fields to the builder of that dataset."""

from typing import Any

import tensorflow_datasets as tfds

from eqlandmarks.datasets import folder
from eqlandmarks.datasets import signer


def make_builder(
    dataset: Any, *, image_size: int, data_dir: str
) -> tfds.core.DatasetBuilder:
  """The tfds builder that a config names, not prepared yet.

  Args:
    dataset: the config's `dataset` fields.
    image_size: side of the stored images, in pixels.
    data_dir: where prepared datasets are kept.

  Raises:
    UserError: a field, or the data it names, is not as it must be.
  """
  common = {
      'image_size': image_size,
      'data_dir': data_dir,
      'file_format': 'array_record',
  }
  if dataset.name == 'signer':
    return signer.Signer(
        num_train=dataset.num_train,
        num_validation=dataset.num_validation,
        num_test=dataset.num_test,
        seed=dataset.seed,
        **common,
    )
  return folder.Folder(
      root=dataset.root,
      labels=dataset.labels,
      eyes=dataset.eyes,
      groups=dataset.groups,
      test=dataset.test,
      test_share=dataset.test_share,
      exclude=dataset.exclude,
      skip_bad=dataset.skip_bad,
      outside=dataset.outside,
      **common,
  )
