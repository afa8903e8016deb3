"""Signals: the first stops the program with care, the second at once.

Schedulers send SIGTERM some seconds before they take a machine away; Ctrl-C
sends SIGINT, and a closed terminal SIGHUP. Where work would be lost, a first
signal waits for the end of a `deferred` block, whose body asks for it and
saves; elsewhere it raises. A second one ends the process wherever it is, even
in the middle of a long compilation.
"""

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Seconds within which a repeated signal counts once: `timeout` and some
# schedulers send it to a process and to its group.
_SAME = 0.1

# The first signal, or 0, and whether it has been answered.
_asked = 0
_answered = False
_deferring = 0
# Signals that `_again` has made.
_repeated = 0


class Interrupted(KeyboardInterrupt):
  """A signal has ended the work; `code` is the exit code, 128 + its number."""

  def __init__(self, number: int):
    super().__init__(signal.Signals(number).name)
    self.code = 128 + number


@contextlib.contextmanager
def handled() -> Iterator[None]:
  """Handles this process's signals; the main thread must enter it."""
  global _asked, _answered, _repeated
  _asked, _answered, _repeated = 0, False, 0
  # Python runs handlers between two bytecodes of the main thread, which may be
  # minutes away. The signal itself writes to the pipe.
  ours, theirs = socket.socketpair()
  theirs.setblocking(False)
  pipe = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
  before = {
      number: signal.signal(number, _take)
      for number in _SIGNALS
      # `nohup` ignores SIGHUP.
      if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
  }
  threading.Thread(target=_count, args=(ours,), daemon=True).start()
  hook, sys.unraisablehook = sys.unraisablehook, _again
  try:
    yield
  finally:
    sys.unraisablehook = hook
    for number, handler in before.items():
      signal.signal(number, handler)
    signal.set_wakeup_fd(pipe)
    theirs.close()  # which ends the thread


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int]]:
  """Delays `Interrupted` for a first signal until the end of the block.

  Yields:
    A function that returns the signal's number, or 0.
  """
  global _deferring
  _deferring += 1
  try:
    yield lambda: _asked
  finally:
    _deferring -= 1
  _answer()


def _take(number: int, _: Any) -> None:
  """The handler, in the main thread."""
  global _asked
  _asked = _asked or number
  _answer()


def _answer() -> None:
  """Raises for a first signal, once: what it unwinds is not disturbed."""
  global _answered
  if _asked and not _answered and not _deferring:
    _answered = True
    raise Interrupted(_asked)


def _again(unraisable: Any) -> None:
  """Raises again what was raised where Python drops errors, as in `__del__`."""
  global _answered
  if not isinstance(unraisable.exc_value, Interrupted):
    sys.__unraisablehook__(unraisable)
    return
  _answered = False
  threading.Timer(0.01, _repeat).start()


def _repeat() -> None:
  global _repeated
  _repeated += 1
  _thread.interrupt_main(_asked)


def _count(signals: socket.socket) -> None:
  """Announces the first signal, and ends the process at the second."""
  global _repeated
  first: float | None = None
  with signals:
    while received := signals.recv(64):
      for number in received:
        if number not in _SIGNALS:
          continue
        if _repeated:
          _repeated -= 1
          continue
        now = time.monotonic()
        if first is None:
          first = now
          name = signal.Signals(number).name
          # Not buffered: the process may be about to end.
          with contextlib.suppress(OSError):  # a closed stream
            sys.stderr.write(f'\n{name}: stopping; once more to stop at once\n')
            sys.stderr.flush()
        elif now - first > _SAME:
          os._exit(128 + number)
