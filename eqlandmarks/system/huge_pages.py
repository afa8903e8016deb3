"""Memory in pages of 2 MiB, for arrays on a CPU."""

import os
import pathlib
import sys

VARIABLE, WISH = 'GLIBC_TUNABLES', 'glibc.malloc.hugetlb=1'

_KERNEL = pathlib.Path('/sys/kernel/mm/transparent_hugepage/enabled')


def restart() -> None:
  """Starts the process again with huge pages, where they must be asked for.

  On a CPU, XLA allocates the memory of each step anew, and the kernel clears
  each page at its first touch: see docs/performance.md. glibc reads the wish
  for larger pages from the environment when a process starts. Setting the
  variable, even to nothing, prevents the restart.
  """
  if not wanted() or not _whole_process():
    return
  os.environ[VARIABLE] = WISH
  try:
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
  except OSError:
    del os.environ[VARIABLE]  # slower, and nothing else


def _whole_process() -> bool:
  """Whether Python was started for this script, and for nothing around it."""
  options = sys.orig_argv[: -len(sys.argv)]
  return (
      sys.orig_argv[-len(sys.argv) :] == sys.argv
      and '-m' not in options  # python -m pdb main.py
      and sys.gettrace() is None
  )


def wanted() -> bool:
  """Whether the user has not chosen, and glibc and the kernel support them."""
  if VARIABLE in os.environ or not sys.executable:
    return False
  try:
    name, version = os.confstr('CS_GNU_LIBC_VERSION').split()
    numbers = tuple(int(part) for part in version.split('.')[:2])
    if name != 'glibc' or numbers < (2, 35):
      return False
    # With "always", the kernel gives them unasked.
    return '[madvise]' in _KERNEL.read_text(encoding='ascii')
  except (AttributeError, OSError, ValueError):
    return False
