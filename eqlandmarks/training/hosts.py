"""Several processes that train one model, on one machine or on many.

JAX's own runtime finds the processes and moves the numbers. All of them run the
same steps on their own rows of each batch. The first one alone reads and writes
the workdir, measures and reports; what it decides, the others hear from it.

When a process dies, JAX ends the others too: only after a heartbeat is missed,
and with pages of its own log. So each process also holds a connection to the
first, which the system closes the moment that one of its ends is gone: see
`eqlandmarks.training.peers`.
"""

import contextlib
import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import jax
import numpy as np
from jax._src import distributed
from jax.experimental import multihost_utils
from orbax.checkpoint import multihost

from eqlandmarks import errors
from eqlandmarks.system import journal
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import peers as peers_lib

# A barrier ends by a lost process, not by time: preparing a large dataset, or
# measuring, takes the first process as long as it takes.
_FOR_EVER_MS = 30 * 24 * 3600 * 1000
# Once all have found each other, they say hello within seconds.
_MEETING_MS = 60_000
_ADDRESS = 'eqlandmarks/watch'
# How long, in seconds, an error of the runtime may wait for the reason, who is
# gone; and how long others are waited for without a word.
_PATIENCE = 10.0

_barriers = itertools.count()
_watch: peers_lib.Watch | None = None


def join(
    detect: bool,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
) -> None:
  """Joins the other processes of a run; to be called before JAX is used.

  Args:
    detect: JAX is to ask Slurm, Cloud TPU, Kubernetes or Open MPI.
    coordinator: otherwise, HOST:PORT of the first process;
    num_processes: how many there are, and
    process_id: the number of this one, from 0.

  Raises:
    UserError: the arguments do not say who joins whom, or nobody answers.
  """
  explicit = {
      'coordinator_address': coordinator,
      'num_processes': num_processes,
      'process_id': process_id,
  }
  given = {name: v for name, v in explicit.items() if v is not None}
  if not detect and not given:
    return
  if given:
    _check(detect, explicit)
  # It would take SIGTERM for a warning, which nobody here waits for.
  jax.config.update('jax_enable_preemption_service', False)
  try:
    # Only so many seconds: a process that ends waits for those that are stuck.
    with _said_to_wait(coordinator):
      jax.distributed.initialize(**given, shutdown_timeout_seconds=60)
    if distributed.global_state.num_processes > 1:
      _start_watch(coordinator)
  except (RuntimeError, ValueError, OSError) as error:
    raise errors.UserError(_explain(error, given)) from error


def is_first() -> bool:
  """Whether this process writes, measures and reports: one does."""
  return jax.process_index() == 0


def wait() -> None:
  """Waits until all processes have come here."""
  if jax.process_count() > 1:
    key = f'eqlandmarks_{next(_barriers)}'
    multihost.get_barrier_sync_fn()(key=key, timeout_ms=_FOR_EVER_MS)


def from_first(tree: Any) -> Any:
  """The first process's arrays, of a tree that all have in these shapes."""
  if jax.process_count() == 1:
    return tree
  wait()  # a collective operation by itself would not wait long enough
  return multihost_utils.broadcast_one_to_all(tree)


def agreed(answer: bool) -> bool:
  """What the first process answers, whatever the others would say."""
  return bool(from_first(np.asarray(answer)))


def finish() -> None:
  """Says good-bye to the other processes, when all of them have come here.

  A run has gone well, or all stop together: what ends now is not missed.
  """
  global _watch
  if _watch is not None:
    wait()
    _watch.finish()
    _watch = None


def leave(code: int) -> None:
  """Exits; the other processes of the run are told, and stop too."""
  if _watch is None:
    sys.exit(code)
  _watch.leave()
  sys.stdout.flush()
  sys.stderr.flush()
  # JAX would wait for the others to end well.
  os._exit(code)


def check_devices(batch_size: int, accumulate: int) -> None:
  """Checks that a batch can be spread over the devices of all processes.

  Args:
    batch_size: images per step, over all devices together.
    accumulate: parts that each device takes its images in.

  Raises:
    UserError: it cannot, or processes differ in their number of devices.
  """
  devices, processes = devices_lib.all_devices(), jax.process_count()
  count = len(devices)
  if processes > batch_size:
    raise errors.UserError(
        f'config.batch_size is {batch_size}, but there are {processes} '
        'processes; expected at most as many as images in a batch.'
    )
  each = [0] * processes
  for device in devices:
    each[device.process_index] += 1
  if len(set(each)) > 1:
    raise errors.UserError(
        f'the processes have {each} devices, expected the same number each.'
    )
  if batch_size % (count * accumulate):
    of = f' of {processes} processes' * (processes > 1)
    of += f' times config.accumulate, {accumulate}' * (accumulate > 1)
    raise errors.UserError(
        f'config.batch_size is {batch_size}, expected a multiple of '
        f'{count * accumulate}, the number of devices{of}.'
    )


def _check(detect: bool, explicit: dict[str, Any]) -> None:
  """Checks that explicit flags are whole."""
  if detect:
    raise errors.UserError(
        '--distributed asks JAX to find the processes, expected it without '
        + ', '.join(f'--{name}' for name in explicit) + '.'
    )
  for name, value in explicit.items():
    if value is None:
      raise errors.UserError(
          f'--{name} is missing, expected it beside the other two of '
          + ', '.join(f'--{other}' for other in explicit) + '.'
      )
  if not re.fullmatch(r'.+:\d{1,5}', explicit['coordinator_address']):
    raise errors.UserError(
        f"--coordinator_address is {explicit['coordinator_address']!r}, "
        'expected HOST:PORT of process 0.'
    )
  count = explicit['num_processes']
  if not 0 <= explicit['process_id'] < count:
    raise errors.UserError(
        f"--process_id is {explicit['process_id']}, expected a number from 0 "
        f'to {count - 1}, below --num_processes.'
    )


def _explain(error: Exception, given: dict[str, Any]) -> str:
  reason = ' '.join(str(error).split())[:200]
  if given:
    return (
        f"--coordinator_address {given['coordinator_address']}: the "
        f"{given['num_processes']} processes did not find each other "
        f'({reason}), expected all of them to be started within 5 minutes, '
        'and the port of process 0 to be free and open to the others.'
    )
  return (
      f'--distributed: JAX found no other processes ({reason}), expected '
      'Slurm, Cloud TPU, Kubernetes or Open MPI; otherwise give '
      '--coordinator_address, --num_processes and --process_id.'
  )


def _start_watch(coordinator: str | None) -> None:
  """Connects all processes to the first, to notice when one is gone.

  This comes before anything is asked of JAX's devices: to find them, each
  process waits for all others, for minutes if one of them is gone. So the
  address goes by JAX's store of keys and values, to which JAX has no public
  way; Orbax takes the same one.
  """
  global _watch
  state = distributed.global_state
  me, count, client = state.process_id, state.num_processes, state.client
  server = peers_lib.Server(count) if me == 0 else None
  if server is not None:
    client.key_value_set(_ADDRESS, server.address)
  address = client.blocking_key_value_get(_ADDRESS, _MEETING_MS)
  host = coordinator.rpartition(':')[0].strip('[]') if coordinator else None
  _watch = server or peers_lib.connect(address, me, count, host=host)
  sys.excepthook = _on_error
  # From here on, whoever is gone is missed.
  client.wait_at_barrier(f'{_ADDRESS}/connected', _MEETING_MS)


@contextlib.contextmanager
def _said_to_wait(coordinator: str | None) -> Iterator[None]:
  """Says in one line that others are waited for, if it takes a while."""
  where = f', at {coordinator}' if coordinator else ''
  line = f'waiting for the other processes{where}, for 5 minutes at most'
  timer = threading.Timer(_PATIENCE, journal.say, [line])
  timer.daemon = True
  timer.start()
  try:
    yield
  finally:
    timer.cancel()


def _on_error(
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
  """An error that nobody has explained ends all processes."""
  if isinstance(error, jax.errors.JaxRuntimeError):
    # Mostly what the loss of another process looks like from here.
    time.sleep(_PATIENCE)
  sys.__excepthook__(kind, error, trace)
  leave(1)
