"""Memory in pages of 2 MiB, for arrays on a CPU."""

import os
import pathlib
import sys

VARIABLE, WISH = 'GLIBC_TUNABLES', 'glibc.malloc.hugetlb=1'

_KERNEL = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')


def restart() -> None:
  """Starts the process again with huge pages, where they have to be asked for.

  On a CPU, XLA asks malloc for the memory of each step anew, and the kernel
  clears each page at its first touch: with pages of 4 KiB that is a sixth of a
  step. glibc reads the wish for larger ones from the environment, when a
  process starts. Whoever sets the variable, be it to nothing, is left alone.
  """
  if wanted():
    os.environ[VARIABLE] = WISH
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def wanted() -> bool:
  """Whether glibc and the kernel know huge pages, and nobody chose already."""
  if VARIABLE in os.environ or not sys.executable or not _glibc_knows_them():
    return False
  try:
    # "always" gives them unasked.
    return '[madvise]' in _KERNEL.read_text()
  except OSError:
    return False


def _glibc_knows_them() -> bool:
  try:
    name, version = os.confstr('CS_GNU_LIBC_VERSION').split()
    return name == 'glibc' and _numbers(version) >= (2, 35)
  except (AttributeError, OSError, ValueError):
    return False


def _numbers(version: str) -> tuple[int, ...]:
  return tuple(int(part) for part in version.split('.')[:2])
