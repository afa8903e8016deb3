"""The dataset `folder`: a folder of images, with labels for some of them."""

from typing import Any

from eqlandmarks.datasets.base.fields import Options

__all__ = ['Options', 'build']


def build(options: Options, **place: Any) -> Any:
  """The builder; see `datasets.by_name`."""
  from eqlandmarks.datasets.folder.builder import Folder  # takes a second

  return Folder(options, **place)
