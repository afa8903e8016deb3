"""The memory of this process, as Linux tells it."""

import pathlib
import resource
import sys


def status_mib(field: str) -> float:
  """A line of /proc/self/status in MiB; 0 where there is none."""
  path = pathlib.Path('/proc/self/status')
  for line in path.read_text().splitlines() if path.exists() else ():
    if line.startswith(field):
      return int(line.split()[1]) / 2**10
  return 0.0


def peak_mib() -> float:
  """The most memory that the process has had, its parents' left out."""
  # The system's own figure is that of the parent to begin with.
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  unit = 2**20 if sys.platform == 'darwin' else 2**10
  return status_mib('VmHWM') or peak / unit
