"""Prepared datasets on disk: one process at a time writes one of them.

Several runs can share `dataset.cache`. Each dataset has a lock of its own there
(`eqlandmarks.system.locking`): the second run waits for the first, and finds
what it has prepared. What is prepared whole is read without a lock.
"""

import contextlib
import pathlib
import shutil
import time
from collections.abc import Iterator

import tensorflow_datasets as tfds

from eqlandmarks.datasets.base import storage
from eqlandmarks.system import data_files
from eqlandmarks.system import locking

# Seconds after which a half-written folder counts as abandoned where there are
# no locks to tell.
_ABANDONED = 24 * 3600


def prepare(builder: tfds.core.DatasetBuilder, doing: str) -> None:
  """Prepares a dataset, unless that has been done already.

  Args:
    builder: of the dataset.
    doing: what others who wait are told that this process does.

  Raises:
    UserError: the folder of the dataset cannot be written, or is full.
  """
  folder = pathlib.Path(builder.data_dir)
  if storage.is_there(builder):  # perhaps on a disk that is read-only
    _read_info(builder)
    _sweep(folder, False)
    return
  try:
    with locking.held(
        folder.parent, doing, f'{folder.name}.lock', wait=True
    ) as alone:
      _sweep(folder, alone)  # first, since it takes up room
      _read_info(builder)
      builder.download_and_prepare()
  finally:
    tidy(builder)  # of folders that were there before, and empty


def tidy(builder: tfds.core.DatasetBuilder) -> None:
  """Removes the empty folders that tfds leaves behind when it fails."""
  downloads = pathlib.Path(builder.data_dir_root) / 'downloads'
  parents = pathlib.Path(builder.data_dir).parents[:2]
  for folder in (downloads / 'extracted', downloads, *parents):
    with contextlib.suppress(OSError):  # it is absent, or not empty
      folder.rmdir()


@contextlib.contextmanager
def readable(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
  """Says in one line that what tfds keeps of a dataset is damaged.

  Errors of a dataset that is not prepared, so that they have other causes, are
  left as they are. The builder may be under construction.
  """
  try:
    yield
  except Exception:
    folder = pathlib.Path(getattr(builder, '_data_dir', None) or '/dev/null')
    if not (folder / 'dataset_info.json').exists():
      raise
    with data_files.intact(folder, f'without {folder}, it is prepared anew'):
      raise


def _read_info(builder: tfds.core.DatasetBuilder) -> None:
  """Reads what another process has prepared since the builder was made."""
  if storage.is_there(builder) and not builder.info.splits:
    with readable(builder):
      builder.info.read_from_directory(builder.data_dir)


def _sweep(folder: pathlib.Path, alone: bool) -> None:
  """Removes half-prepared copies; young ones only where no other can write."""
  for half in folder.parent.glob(f'incomplete.*_{folder.name}'):
    with contextlib.suppress(OSError):
      if alone or time.time() - half.stat().st_mtime > _ABANDONED:
        shutil.rmtree(half, ignore_errors=True)
