"""What main.py and the command `eqlandmarks` start with."""

import os
import signal
from typing import Any

from eqlandmarks.system import huge_pages


def run() -> None:
  """Imports the program, which takes seconds, and runs it.

  Nothing is there to be saved until then: a signal ends the process at once.
  """
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, _exit)
  huge_pages.restart()
  from eqlandmarks.program import cli

  cli.run()


def _exit(number: int, _: Any) -> None:
  os._exit(128 + number)
