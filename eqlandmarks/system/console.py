"""Standard output and error that may end before the program does.

Their reader can go away (`| head`, a closed terminal, `tee` at Ctrl-C), and
their disk can fill up. That ends no run: what matters is in the workdir.
"""

import contextlib
import io
import os
import shutil
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
    # Drops what any library writes to it from now on.
    with open(os.devnull, 'w') as nowhere:
      os.dup2(nowhere.fileno(), self._stream.fileno())


@contextlib.contextmanager
def lasting() -> Iterator[None]:
  """Makes the end of standard output and error no error within the block."""
  before = sys.stdout, sys.stderr
  with open(os.devnull, 'w') as nowhere:
    for stream in before:
      # Letters that the locale lacks become escapes, as on stderr by default.
      if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors='backslashreplace')
    # A stream that was closed from the start is None.
    sys.stdout, sys.stderr = (_Lasting(stream or nowhere) for stream in before)
    try:
      yield
    finally:
      for stream in (sys.stdout, sys.stderr):
        stream.flush()
      sys.stdout, sys.stderr = before


def width() -> int | None:
  """Columns of the terminal; None where the output goes to no terminal."""
  if not sys.stdout.isatty() and not os.environ.get('COLUMNS'):
    return None
  return shutil.get_terminal_size().columns
