"""Silences what libraries log of failed writes, which one line of ours reports.

Threads of Orbax write a checkpoint. When the disk is full, each of them, and
each that waits for another, logs its traceback: thousands of lines beside the
error that the caller raises.
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from absl import logging as absl_logging

from eqlandmarks.system import files

# What threads say when they find their program at its end.
_ENDS = ('loop is closed', 'after interpreter shutdown')


@contextlib.contextmanager
def unspoken() -> Iterator[None]:
  """Keeps loggers and threads from reporting what a disk refuses.

  All else is logged as usual. If a refusal ends the block, threads may still be
  ending: they stay silent.
  """
  handlers = {
      *logging.root.handlers, absl_logging.get_absl_handler(),
      logging.lastResort,
  }  # fmt: skip
  hooks = threading.excepthook, sys.unraisablehook, sys.excepthook
  for handler in handlers:
    handler.addFilter(_is_other)
  threading.excepthook, sys.unraisablehook, sys.excepthook = map(_hook, hooks)
  refused = False
  try:
    yield
  except BaseException as error:
    refused = _is_refused(error)
    raise
  finally:
    if not refused:
      threading.excepthook, sys.unraisablehook, sys.excepthook = hooks
      for handler in handlers:
        handler.removeFilter(_is_other)


def _is_refused(error: BaseException | None) -> bool:
  """Whether an error comes of a refusal, or of the end after one."""
  return files.refusal(error) is not None or any(
      end in str(error) for end in _ENDS
  )


def _is_other(record: logging.LogRecord) -> bool:
  error = record.exc_info[1] if record.exc_info else None
  return not (_is_refused(error) or _is_refused(Exception(record.getMessage())))


def _hook(before: Callable[..., None]) -> Callable[..., None]:
  """A hook for uncaught errors, which ignores refusals in other threads."""

  def call(*args: Any) -> None:
    # Only `sys.excepthook` takes three arguments. TensorStore's threads call it
    # too; in the main thread, it shows the error that ends the program.
    error = args[1] if len(args) > 1 else args[0].exc_value
    is_main = threading.current_thread() is threading.main_thread()
    if (is_main and len(args) > 1) or not _is_refused(error):
      before(*args)

  return call
