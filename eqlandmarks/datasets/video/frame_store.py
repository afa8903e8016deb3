"""A place on disk for frames between their decoding and their writing.

tfds writes one split after the other, and the frames of a video may belong to
all of them. A video is decoded once, in order, so its frames wait here.
"""

import os
import tempfile
from typing import Any

import numpy as np


class Spool:
  """Examples by key, in a file that has no name and goes with the process.

  Args:
    folder: on whose disk it lies.
  """

  def __init__(self, folder: str | os.PathLike):
    self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    self._starts: dict[str, tuple[int, dict[str, type]]] = {}

  def __setitem__(self, key: str, example: dict[str, Any]) -> None:
    """Lays an example of bytes, texts and arrays by."""
    kinds = {name: type(value) for name, value in example.items()}
    self._starts[key] = self._file.seek(0, os.SEEK_END), kinds
    for value in example.values():
      if isinstance(value, bytes):  # an array of bytes would lose zeros
        value = np.frombuffer(value, np.uint8)
      np.save(self._file, np.asarray(value), allow_pickle=False)

  def __getitem__(self, key: str) -> dict[str, Any]:
    start, kinds = self._starts[key]
    self._file.seek(start)
    example = {}
    for name, kind in kinds.items():
      array = np.load(self._file, allow_pickle=False)
      example[name] = array.tobytes() if kind is bytes else array
      if kind is str:
        example[name] = str(array)
    return example

  def close(self) -> None:
    """Gives the room back."""
    self._file.close()
