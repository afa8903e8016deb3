"""Refusals of the disk that libraries speak of, where one line says it.

A checkpoint is written by threads of Orbax. Where the disk is full, each of
them, and each that waits for another, logs its traceback: thousands of lines
beside the error that the caller raises.
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from absl import logging as absl_logging

from eqlandmarks.system import files

# What threads say that find their program at its end.
_ENDS = ('loop is closed', 'after interpreter shutdown')


@contextlib.contextmanager
def unspoken() -> Iterator[None]:
  """Keeps loggers and threads from speaking of what a disk refuses.

  All else is logged and shown as ever. Where a refusal ends the block, threads
  may still be ending: they stay silent.
  """
  handlers = {
      *logging.root.handlers, absl_logging.get_absl_handler(),
      logging.lastResort,
  }  # fmt: skip
  hooks = threading.excepthook, sys.unraisablehook, sys.excepthook
  for handler in handlers:
    handler.addFilter(_is_other)
  threading.excepthook, sys.unraisablehook = map(_of_others, hooks[:2])
  sys.excepthook = _of_other_types(hooks[2])
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
  """Whether a record does not speak of a refusal."""
  error = record.exc_info[1] if record.exc_info else None
  return not (_is_refused(error) or _is_refused(Exception(record.getMessage())))


def _of_others(hook: Callable[[Any], None]) -> Callable[[Any], None]:
  """A hook for errors that nobody catches, which passes over refusals."""

  def call(arguments: Any) -> None:
    if not _is_refused(arguments.exc_value):
      hook(arguments)

  return call


def _of_other_types(hook: Callable[..., None]) -> Callable[..., None]:
  """The same for what TensorStore's threads do not catch."""

  def call(kind: Any, error: BaseException, trace: Any) -> None:
    is_main = threading.current_thread() is threading.main_thread()
    if is_main or not _is_refused(error):
      hook(kind, error, trace)

  return call
