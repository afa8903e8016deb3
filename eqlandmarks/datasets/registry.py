"""From a config's `dataset` fields to the builder of that dataset."""

import os
import textwrap
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from eqlandmarks.datasets import bbc_pose
from eqlandmarks.datasets import cat_head
from eqlandmarks.datasets import celeba
from eqlandmarks.datasets import signer
from eqlandmarks.datasets import video
from eqlandmarks.datasets.base import run_outputs as run_outputs_lib
from eqlandmarks.datasets.folder import Folder
from eqlandmarks.errors import UserError

NAMES = ('signer', 'folder', 'video', 'bbc_pose', 'cat_head', 'celeba')


def make_builder(
    dataset: Any,
    *,
    image_size: int,
    data_dir: str,
    outputs: Sequence[str | os.PathLike[str]] = (),
) -> tfds.core.DatasetBuilder:
  """The tfds builder that a config names, not prepared yet.

  Args:
    dataset: the config's `dataset` fields.
    image_size: side of the stored images, in pixels.
    data_dir: where prepared datasets are kept.
    outputs: folders that the run writes to, the workdir first; they may lie
      among the images.

  Raises:
    UserError: a field, or the data it names, is not as it must be.
  """
  if dataset.name != 'video' and (dataset.crop_box or dataset.every != 1):
    raise UserError(
        f'config.dataset.crop_box is {dataset.crop_box!r} and every '
        f"{dataset.every}, expected '' and 1: they are for the dataset video, "
        f'not for {dataset.name}'
    )
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
  common['root'] = dataset.root
  if dataset.name == 'bbc_pose':
    return bbc_pose.BBCPose(
        crop=dataset.crop,
        crop_margin=dataset.crop_margin,
        partial=dataset.partial,
        **common,
    )
  if dataset.name == 'cat_head':
    return cat_head.CatHead(
        crop=dataset.crop,
        exclude_list=dataset.exclude_list,
        partial=dataset.partial,
        **common,
    )
  if dataset.name == 'celeba':
    return celeba.CelebA(
        crop=dataset.crop,
        stage_rule=dataset.stage_rule,
        fit_rule=dataset.fit_rule,
        partial=dataset.partial,
        **common,
    )
  common |= {
      'labels': dataset.labels,
      'eyes': dataset.eyes,
      'groups': dataset.groups,
      'test': dataset.test,
      'test_share': dataset.test_share,
      'exclude': dataset.exclude,
      'skip_bad': dataset.skip_bad,
      'outside': dataset.outside,
      'min_likelihood': dataset.min_likelihood,
      'outputs': [os.fspath(builder) for builder in outputs],
  }
  if outputs:
    run_outputs_lib.check_apart(outputs[0], dataset.root)
  if dataset.name == 'video':
    return video.Video(
        every=dataset.every, crop_box=dataset.crop_box, **common
    )
  return Folder(**common)


def instructions(name: str) -> str:
  """How to get a dataset, and how it must lie on disk; '' of our own ones."""
  classes = (bbc_pose.BBCPose, cat_head.CatHead, celeba.CelebA)
  texts = {one.name: one.MANUAL_DOWNLOAD_INSTRUCTIONS for one in classes}
  return textwrap.dedent(texts.get(name, '')).rstrip()
