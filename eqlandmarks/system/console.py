"""Standard output and error that may end before the program does.

Their reader can go away (`| head`, a closed terminal, `tee` at Ctrl-C), and the
disk that they are written to can fill up. That ends no run: what matters is in
the workdir.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _Lasting:
  """A stream that is silent once it cannot be written to."""

  def __init__(self, stream: TextIO):
    self._stream = stream

  def write(self, text: str) -> int:
    try:
      return self._stream.write(text)
    except OSError:
      self._end()
      return len(text)

  def flush(self) -> None:
    try:
      self._stream.flush()
    except OSError:
      self._end()

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)

  def _end(self) -> None:
    """Drops all that any library will write to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, self._stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
  """Makes the end of standard output and error no error within the block."""
  before = sys.stdout, sys.stderr
  with open(os.devnull, 'w') as nowhere:
    for stream in before:
      # Letters that the locale lacks become escapes, as on stderr by default.
      if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors='backslashreplace')
    # Python has None for one that was closed from the start.
    sys.stdout, sys.stderr = (_Lasting(stream or nowhere) for stream in before)
    try:
      yield
    finally:
      for stream in (sys.stdout, sys.stderr):
        stream.flush()
      sys.stdout, sys.stderr = before
