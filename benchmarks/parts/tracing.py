"""Where the time of a program goes, from a trace of the profiler."""

import collections
import gzip
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import jax


def trace(
    call: Callable[[], Any], compiled: Any, folder: str, *, calls: int = 5
) -> list[tuple[str, str, float]]:
  """Runs a program under the profiler, and adds up its operations' times.

  Args:
    call: runs the program once.
    compiled: the program.
    folder: where the trace is kept, for TensorBoard or Perfetto.
    calls: how often it runs.

  Returns:
    (operation, where it comes from, share of all operations' time), the
    largest first. Threads and devices are added up.
  """
  jax.block_until_ready(call())
  with jax.profiler.trace(folder):
    for _ in range(calls):
      jax.block_until_ready(call())
  newest = max(
      pathlib.Path(folder).rglob('*.trace.json.gz'),
      key=lambda path: path.stat().st_mtime,
  )
  with gzip.open(newest) as file:
    events = json.load(file)['traceEvents']
  sources = _sources(compiled)
  times: collections.Counter[str] = collections.Counter()
  for event in events:
    name = event.get('args', {}).get('hlo_op')
    if event.get('ph') == 'X' and name in sources:
      times[name] += event['dur']
  total = sum(times.values())
  return [(n, sources[n], t / total) for n, t in times.most_common()]


def _sources(compiled: Any) -> dict[str, str]:
  """From the compiler's names of operations to those in the program."""
  found = {}
  for line in compiled.as_text().splitlines():
    if match := re.match(r'\s*(?:ROOT )?%?([\w.-]+) = ', line):
      named = re.search(r'op_name="([^"]*)"', line)
      path = named.group(1) if named else ''
      found[match.group(1)] = '/'.join(path.split('/')[-4:])
  return found
