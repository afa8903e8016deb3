"""Messages of a run: to the user, and with the time to the workdir's log.txt.

Nothing is logged before a run has passed all checks, so that a wrong command
leaves a workdir as it was.
"""

import contextlib
import logging
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from eqlandmarks import errors
from eqlandmarks.errors import UserError
from eqlandmarks.system import regular_files

_LOGGER = logging.getLogger('eqlandmarks.system.journal')
_LOGGER.setLevel(logging.INFO)
_LOGGER.propagate = False  # absl would show each line a second time


class _File(logging.FileHandler):
  """A log that never ends a run: a full disk is found where it matters."""

  def emit(self, record: logging.LogRecord) -> None:
    with contextlib.suppress(OSError, UserError):  # of opening
      super().emit(record)

  def _open(self) -> TextIO:
    return open(
        self.baseFilename, self.mode, encoding=self.encoding,
        errors=self.errors, opener=regular_files.open_own,
    )  # fmt: skip

  def handleError(self, record: logging.LogRecord) -> None:
    pass


def say(line: str) -> None:
  """Tells the user what is being done, apart from the results."""
  if not _LOGGER.disabled:
    line = errors.printable(line)
    print(line, file=sys.stderr, flush=True)
  note(line)


def note(line: str) -> None:
  """Puts a line into the log alone."""
  _LOGGER.info('%s', errors.printable(' '.join(line.split())))


@contextlib.contextmanager
def silent() -> Iterator[None]:
  """Silences this process; another process of the run reports."""
  _LOGGER.disabled = True
  try:
    yield
  finally:
    _LOGGER.disabled = False


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
  """Appends all messages within, and an error that ends them, to a log.

  The file is made at the first line. It is not written through a link.
  """
  if path.is_symlink() or (path.exists() and not path.is_file()):
    say(f'warning: {path} is no file of its own, so no log is written; '
        'remove it')
  handler = _File(path, delay=True, encoding='utf-8', errors='replace')
  formatter = logging.Formatter('%(asctime)s %(message)s', '%Y-%m-%dT%H:%M:%SZ')
  formatter.converter = time.gmtime
  handler.setFormatter(formatter)
  _LOGGER.addHandler(handler)
  try:
    yield
  except BaseException as error:
    text = f'error: {type(error).__name__}: {error}'
    if isinstance(error, KeyboardInterrupt):
      text = f'interrupted {error}'.rstrip()
    note('stopped' if isinstance(error, SystemExit) else text)
    raise
  finally:
    _LOGGER.removeHandler(handler)
    with contextlib.suppress(OSError):
      handler.close()
