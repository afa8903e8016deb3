"""The machine's memory: how much there is, and one line where it ends."""

import contextlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator

import jax

from eqlandmarks import errors

# What XLA, CUDA and C++ say when memory is exhausted.
_EXHAUSTED = ('RESOURCE_EXHAUSTED', 'Out of memory', 'bad_alloc')


def available() -> int:
  """Bytes of memory that the devices of this process have, all together."""
  limits = [
      (device.memory_stats() or {}).get('bytes_limit')
      for device in jax.local_devices()
      if device.platform != 'cpu'
  ]
  if limits and None not in limits:
    return sum(limits)
  # A CPU has that of the machine, or what the container is allowed.
  sizes = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')]
  with contextlib.suppress(OSError, ValueError):  # 'max' is no number
    limit = pathlib.Path('/sys/fs/cgroup/memory.max').read_text('ascii')
    sizes.append(int(limit))
  return min(sizes)


@contextlib.contextmanager
def enough(title: str, advice: Callable[[], str]) -> Iterator[None]:
  """Turns a lack of memory, on a device or the host, into a UserError.

  Args:
    title: what is being done.
    advice: returns how it would need less memory, in words.
  """
  try:
    yield
  except (jax.errors.JaxRuntimeError, MemoryError) as error:
    text = str(error)
    if not isinstance(error, MemoryError) and not any(
        sign in text for sign in _EXHAUSTED
    ):
      raise
    size = re.search(r'allocat\w+ (\d[\d.]*\s?([KMGT]i?B|bytes))', text)
    asked = f' (asked for {size.group(1)})' if size else ''
    raise errors.UserError(
        f'{title}: out of memory{asked}; expected less work at once: '
        f'{advice()}.'
    ) from error
