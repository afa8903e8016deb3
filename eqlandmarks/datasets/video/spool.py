"""A place on disk for frames between their decoding and their writing.

tfds writes one split after the other, and the frames of a video may belong to
all of them. A video is decoded once, in order, so its frames wait here.
"""

import os
import pickle
import tempfile
from typing import Any


class Spool:
  """Values by key, in a file that has no name and goes with the process.

  Args:
    folder: on whose disk it lies.
  """

  def __init__(self, folder: str | os.PathLike):
    self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    self._starts: dict[str, int] = {}

  def __setitem__(self, key: str, value: Any) -> None:
    self._starts[key] = self._file.seek(0, os.SEEK_END)
    pickle.dump(value, self._file, pickle.HIGHEST_PROTOCOL)

  def __getitem__(self, key: str) -> Any:
    self._file.seek(self._starts[key])
    return pickle.load(self._file)

  def close(self) -> None:
    """Gives the room back."""
    self._file.close()
