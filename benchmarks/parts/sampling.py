"""Looks at its own process while something else runs in it (on Linux)."""

import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_PROCESS = pathlib.Path('/proc/self')
_PAGE_KIB = os.sysconf('SC_PAGE_SIZE') // 1024
# Much less than what training does between two samples.
_SECONDS = 0.05

# By how much each may grow: pools open the last of their threads late.
_GROWTH = {'files': 0, 'threads': 2}


class Sampler:
  """A thread that takes a sample every so many steps; a context manager.

  Args:
    step: tells how many steps have been done.
    every: steps between two samples.

  Attributes:
    samples: rows of (step, KiB of resident memory, open files, threads).
  """

  def __init__(self, step: Callable[[], int], every: int):
    self._step, self._every = step, every
    self.samples: list[tuple[int, int, int, int]] = []
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._watch, daemon=True)

  def __enter__(self) -> 'Sampler':
    self._thread.start()
    return self

  def __exit__(self, *_: Any) -> None:
    self._stop.set()
    self._thread.join()

  def _watch(self) -> None:
    following = 0
    while not self._stop.wait(_SECONDS):
      step = self._step()
      if step >= following:
        self.samples.append((step, *look()))
        following = step + self._every


def look() -> tuple[int, int, int]:
  """KiB of resident memory, open files, and threads of this process."""
  pages = int((_PROCESS / 'statm').read_text().split()[1])
  files = len(os.listdir(_PROCESS / 'fd')) - 1  # without the listing's own
  return pages * _PAGE_KIB, files, len(os.listdir(_PROCESS / 'task'))


def summary(samples: Any) -> dict[str, float]:
  """Growth and medians of the columns that `Sampler` describes.

  The first tenth is left out: what is opened once, at the first checkpoint, is
  no growth.
  """
  table = np.asarray(samples, np.float64)[len(samples) // 10 :]
  first, second = np.split(table, [len(table) // 2])
  slope = np.polyfit(second[:, 0] / 1000, second[:, 1], 1)[0]
  found = {'kib_per_1000_steps': float(slope)}
  for column, name in enumerate(('kib', 'files', 'threads'), start=1):
    for half, rows in (('first', first), ('second', second)):
      found[f'{name}_{half}_median'] = float(np.median(rows[:, column]))
      found[f'{name}_{half}_least'] = float(rows[:, column].min())
  return found


def faults(found: dict[str, float], most_kib: float) -> list[str]:
  """What grows that must not; see `summary`."""
  wrong = []
  if not found['kib_per_1000_steps'] <= most_kib:
    wrong.append(
        f'memory grows by {found["kib_per_1000_steps"]:.0f} KiB in 1,000 '
        f'steps, expected at most {most_kib:.0f}'
    )
  for name, most in _GROWTH.items():
    before, after = (found[f'{name}_{h}_least'] for h in ('first', 'second'))
    if after > before + most:
      wrong.append(f'{name}: {before:.0f} at first, {after:.0f} later')
  return wrong


def thinned(samples: list[Any], count: int) -> list[Any]:
  """So many of the samples, evenly spread, with the first and the last."""
  rows = np.linspace(0, len(samples) - 1, min(count, len(samples)))
  return [samples[int(row)] for row in rows.round()]
