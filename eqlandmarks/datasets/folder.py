"""The dataset `folder`: any folder of images, with or without labels."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks.datasets import fields
from eqlandmarks.datasets import images
from eqlandmarks.datasets import labels
from eqlandmarks.datasets import splits
from eqlandmarks.datasets.examples import Description
from eqlandmarks.datasets.examples import example_features
from eqlandmarks.datasets.examples import with_progress
from eqlandmarks.errors import UserError


class Folder(tfds.core.GeneratorBasedBuilder):
  """Prepares a folder of images.

  The splits are those of 'train' (with labels), 'unlabelled' and 'test' that
  are not empty. The listing and the labels are checked here, before anything is
  written; images are decoded by `download_and_prepare`. The prepared copy is
  found again by a fingerprint of the fields and the files, so changed data are
  prepared anew.

  Args:
    root: the folder; images are found at any depth, hidden names are skipped.
    labels: '' for none, 'deeplabcut', or the path of a csv table, absolute or
      relative to the working directory or to `root`.
    eyes: two point names, or both in one string with a comma, or empty.
    groups: group name -> point names, or a string such as
      'ears=left_ear+right_ear,eyes=left_eye+right_eye', or empty.
    test: glob patterns with commas between, matched against the path below
      `root` ('*' matches slashes too): which labelled images are test.
    test_share: the share of the labelled images to hold out where neither the
      labels nor `test` say what is test; 0 for no test split.
    exclude: like `test`: images that are left out of everything.
    skip_bad: leave out images that do not decode, rather than stop.
    outside: 'error', or 'missing' to count points outside their image as such.
    image_size: side of the stored square images, in pixels.
    **kwargs: for the tfds builder: `data_dir`, `file_format`.
  """

  # Raise it when decoding or storing changes, so that copies are made anew.
  VERSION = tfds.core.Version('1.0.0')

  def __init__(
      self,
      *,
      root: str | os.PathLike,
      labels: str = '',
      eyes: str | Sequence[str] = (),
      groups: str | Mapping[str, Sequence[str]] | None = None,
      test: str = '',
      test_share: float = 1 / 3,
      exclude: str = '',
      skip_bad: bool = False,
      outside: str = 'error',
      image_size: int = 128,
      **kwargs,
  ):
    if image_size < 1:
      raise UserError(
          f'dataset.image_size: found {image_size}, expected at least 1'
      )
    groups = fields.groups(groups)
    self._fields = fields.Fields(
        root=fields.checked_root(root),
        labels=str(labels or '').strip(),
        eyes=fields.names(eyes),
        groups=groups,
        test=fields.names(test),
        test_share=test_share,
        exclude=fields.names(exclude),
        skip_bad=skip_bad,
        outside=outside,
    )
    self._image_size = image_size
    self._found = images.find_images(self._fields.root)
    fingerprint = _fingerprint(self._fields, image_size, self._found)
    config = tfds.core.BuilderConfig(name=f'{image_size}px-{fingerprint}')
    kwargs.setdefault('file_format', 'array_record')
    super().__init__(config=config, **kwargs)
    # tfds pickles a builder as the arguments of its constructor.
    self._original_state = dict(
        kwargs, root=root, labels=labels, eyes=eyes, groups=groups, test=test,
        test_share=test_share, exclude=exclude, skip_bad=skip_bad,
        outside=outside, image_size=image_size,
    )  # fmt: skip

  @functools.cached_property
  def _plan(self) -> splits.Plan:
    return splits.make_plan(self._fields, self._found)

  def _info(self) -> tfds.core.DatasetInfo:
    # A prepared copy has passed all checks; its fingerprint says that nothing
    # has changed since.
    if (self.data_path / 'dataset_info.json').exists():
      stored = json.loads((self.data_path / 'metadata.json').read_text())
      description = Description.from_metadata(stored)
    else:
      description = self._plan.description
    return tfds.core.DatasetInfo(
        builder=self,
        description='Images of a folder.',
        features=example_features(
            self._image_size, len(description.point_names)
        ),
        metadata=description.to_metadata(),
    )

  def download_and_prepare(self, **kwargs) -> None:
    """Prepares the images; on failure nothing stays behind in `data_dir`."""
    try:
      super().download_and_prepare(**kwargs)
    finally:
      # tfds removes its half-written files, but not the folders that it made,
      # nor its place for downloads, of which there are none.
      downloads = pathlib.Path(self.data_dir_root) / 'downloads'
      parents = pathlib.Path(self.data_dir).parents[:2]
      for folder in (downloads / 'extracted', downloads, *parents):
        with contextlib.suppress(OSError):  # it is absent, or not empty
          folder.rmdir()

  def _split_generators(self, dl_manager):
    del dl_manager  # nothing is downloaded
    return {
        split: self._generate_examples(split, paths)
        for split, paths in self._plan.splits.items()
    }

  def _generate_examples(self, split, paths):
    num_points = len(self._plan.description.point_names)
    size = self._image_size
    for path in with_progress(paths, split):
      encoded, original_size = images.load_resized(
          self._fields.root / path, size
      )
      points = np.full((max(num_points, 1), 2), np.nan, np.float32)
      if path in self._plan.points:
        points = labels.to_stored(
            self._plan.points[path], original_size, size
        )
      yield path, {
          'image': encoded,
          'points': points,
          'original_size': np.array(original_size, np.int32),
          'id': path,
      }


def _fingerprint(
    given: fields.Fields, image_size: int, found: list[str]
) -> str:
  """A hash of all that decides what is written."""
  digest = hashlib.sha256()
  state = dict(vars(given), root=str(given.root.resolve()), size=image_size)
  digest.update(json.dumps(state).encode())
  for path in found:
    with contextlib.suppress(OSError):  # a broken link: decoding will say so
      stat = (given.root / path).stat()
      entry = (path, stat.st_size, stat.st_mtime_ns // 1_000_000)
      digest.update(json.dumps(entry).encode())
  for path in labels.label_files(given.labels, given.root, given.exclude):
    digest.update(str(path).encode())
    with contextlib.suppress(OSError):  # reading the labels will say so
      digest.update(hashlib.sha256(path.read_bytes()).digest())
  return digest.hexdigest()[:16]
