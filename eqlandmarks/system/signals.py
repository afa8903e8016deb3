"""What signals do: the first one stops with care, the second one at once.

Schedulers send SIGTERM some seconds before they take a machine away; Ctrl-C
sends SIGINT, and a terminal that is closed SIGHUP. Where work would be lost, a
first signal waits for the end of a `deferred` block, whose body asks for it and
saves; elsewhere it raises. A second one ends the process wherever it is, also
within a long compilation.
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
# `timeout` and some schedulers send one and the same signal twice, to a process
# and to its group: so soon, in seconds, it is not a second one.
_SAME = 0.1

# The first signal that has come, 0 for none, and whether it has been answered.
_asked = 0
_answered = False
_deferring = 0
# Those that `_again` has made.
_repeated = 0


class Interrupted(KeyboardInterrupt):
  """A signal has ended the work.

  Args:
    number: of the signal.

  Attributes:
    code: the exit code, as shells count: 128 and the signal's number.
  """

  def __init__(self, number: int):
    super().__init__(signal.Signals(number).name)
    self.code = 128 + number


def _outlives_terminal() -> bool:
  """Whether this process is to outlive its terminal, as under `nohup`."""
  return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@contextlib.contextmanager
def handled() -> Iterator[None]:
  """Takes the signals of this process; to be called by its main thread."""
  global _asked, _answered, _repeated
  _asked, _answered, _repeated = 0, False, 0
  # Python itself runs handlers between two bytecodes of the main thread, which
  # may be minutes away. The pipe is written to when the signal comes.
  ours, theirs = socket.socketpair()
  theirs.setblocking(False)
  pipe = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
  before = {
      number: signal.signal(number, _take)
      for number in _SIGNALS
      if number != signal.SIGHUP or not _outlives_terminal()
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
    theirs.close()  # by which the thread ends


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int]]:
  """Holds a first signal back; its body asks whether there is one.

  Yields:
    From nothing to the number of the signal that has come, or 0.

  Raises:
    Interrupted: at the end of the block, for a signal that has come in it and
      has not ended it.
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
  """Raises a little later what was raised where Python drops all errors.

  A handler can run within a callback of the garbage collector, say.
  """
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
  """Ends the process at the second signal; the first one is said."""
  global _repeated
  first: float | None = None
  with signals:
    while received := signals.recv(64):
      for number in received:
        if number not in _SIGNALS:
          continue  # somebody else's
        if _repeated:
          _repeated -= 1
          continue
        now = time.monotonic()
        if first is None:
          first = now
          _tell(
              f'\n{signal.Signals(number).name}: stopping; once more to stop '
              'at once\n'
          )
        elif now - first > _SAME:
          os._exit(128 + number)


def _tell(text: str) -> None:
  """Writes at once: the process may be about to end."""
  with contextlib.suppress(OSError):  # nobody is there to be told
    sys.stderr.write(text)
    sys.stderr.flush()
