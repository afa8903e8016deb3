"""File systems that are too small: in memory, mounted for a while by root."""

import contextlib
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator

# Room for any tiny run.
_ENOUGH = '64m'


def may_mount() -> bool:
  """Whether this process may mount a file system."""
  return hasattr(os, 'geteuid') and os.geteuid() == 0


@contextlib.contextmanager
def mounted(place: pathlib.Path, kib: int) -> Iterator[pathlib.Path]:
  """A file system of so many KiB; it is gone afterwards, whatever happens."""
  place.mkdir()
  subprocess.run(
      ['mount', '-t', 'tmpfs', '-o', f'size={kib}k', 'tmpfs', str(place)],
      check=True,
  )  # fmt: skip
  try:
    yield place
  finally:
    # Lazily where somebody still looks into it.
    if subprocess.run(['umount', str(place)]).returncode:
      subprocess.run(['umount', '--lazy', str(place)], check=True)


def enlarge(place: pathlib.Path) -> None:
  """Makes room in a mounted file system."""
  subprocess.run(
      ['mount', '-o', f'remount,size={_ENOUGH}', str(place)], check=True
  )


def fault(code: int, said: str) -> list[str]:
  """What is wrong with the end of a run on a full disk.

  Args:
    code: the exit code.
    said: standard error.
  """
  wrong = []
  if code != 2:
    wrong.append(f'exit code {code}, expected 2')
  # A progress bar ends without a new line where the process is in a hurry.
  count = sum(
      part.startswith('error: ')
      for part in said.replace('\r', '\n').splitlines()
  )
  if count != 1:
    wrong.append(f"{count} lines of 'error:', expected one")
  if 'Traceback' in said:
    wrong.append('a traceback')
  return wrong


def full_at(line: str) -> str:
  """What below the workdir `run` could not be written, by the last line."""
  found = re.search(r'/run/([^\s:;]+)', line)
  return found.group(1) if found else '?'
