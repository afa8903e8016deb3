"""Several processes that train one model, on one machine or on many.

JAX's runtime connects the processes. All of them run the same steps, each on
its own rows of a batch. Only the first one reads and writes the workdir,
measures and reports; it broadcasts its decisions to the others.

When a process dies, JAX ends the others too, but only after a missed heartbeat,
and with pages of its own log. So each process also holds a connection to the
first, which the system closes as soon as one end is gone: see
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

# A lost process ends a barrier, not a timeout: the first process may prepare a
# large dataset, or measure, for hours.
_FOR_EVER_MS = 30 * 24 * 3600 * 1000
# Once all processes have found each other, they connect within seconds.
_MEETING_MS = 60_000
_ADDRESS = 'eqlandmarks/watch'
# Seconds before an error of the runtime is shown, in which the watch may name
# the lost process; and before a line says that others are awaited.
_PATIENCE = 10.0

_barriers = itertools.count()
_watch: peers_lib.Watch | None = None


def join(
    detect: bool,
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
) -> None:
  """Joins the other processes of a run; call it before JAX is used.

  Args:
    detect: whether JAX asks Slurm, Cloud TPU, Kubernetes or Open MPI; the other
      arguments are None then.
    coordinator: HOST:PORT of the first process.
    num_processes: in the run.
    process_id: from 0.

  Raises:
    UserError: arguments are missing or wrong, or other processes do not answer.
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
  # It would take SIGTERM for a warning, which `system.signals` handles.
  jax.config.update('jax_enable_preemption_service', False)
  try:
    # A process that ends waits this long for those that are stuck.
    with _announced(coordinator):
      jax.distributed.initialize(**given, shutdown_timeout_seconds=60)
    if distributed.global_state.num_processes > 1:
      _start_watch(coordinator)
  except (RuntimeError, ValueError, OSError) as error:
    raise errors.UserError(_explain(error, given)) from error


def is_first() -> bool:
  """Whether this is the process that writes, measures and reports."""
  return jax.process_index() == 0


def wait() -> None:
  """Waits until all processes have reached this point."""
  if jax.process_count() > 1:
    key = f'eqlandmarks_{next(_barriers)}'
    multihost.get_barrier_sync_fn()(key=key, timeout_ms=_FOR_EVER_MS)


def from_first(tree: Any) -> Any:
  """The first process's arrays, of a tree with the same shapes in all."""
  if jax.process_count() == 1:
    return tree
  wait()  # a collective operation by itself would not wait long enough
  return multihost_utils.broadcast_one_to_all(tree)


def agreed(answer: bool) -> bool:
  """The answer of the first process, which holds for all."""
  return bool(from_first(np.asarray(answer)))


def finish() -> None:
  """Ends the watch once all processes have reached this point."""
  global _watch
  if _watch is not None:
    wait()
    _watch.finish()
    _watch = None


def leave(code: int) -> None:
  """Exits, and makes the other processes of the run stop too."""
  if _watch is None:
    sys.exit(code)
  _watch.leave()
  sys.stdout.flush()
  sys.stderr.flush()
  # `sys.exit` would wait in JAX for the others to end well.
  os._exit(code)


def check_devices(batch_size: int, accumulate: int) -> None:
  """Checks that a batch of images divides evenly over all devices."""
  devices, processes = devices_lib.all_devices(), jax.process_count()
  count = len(devices)
  if processes > batch_size:
    raise errors.UserError(
        f'config.batch_size is {batch_size}, but there are {processes} '
        'processes; expected at most as many as images in a batch.'
    )
  owners = [device.process_index for device in devices]
  each = [owners.count(process) for process in range(processes)]
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
  """Checks that the flags are complete, and in range."""
  flags = ', '.join(f'--{name}' for name in explicit)
  if detect:
    raise errors.UserError(
        '--distributed asks JAX to find the processes, expected it without '
        f'{flags}.'
    )
  for name, value in explicit.items():
    if value is None:
      raise errors.UserError(
          f'--{name} is missing, expected it beside the other two of {flags}.'
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
  """Connects all processes to the first, to notice when one is gone."""
  global _watch
  # This comes before JAX looks for devices, where each process waits for all
  # others, for minutes if one is gone. So the address travels in JAX's store of
  # keys and values, which has no public interface; Orbax uses it in this way.
  state = distributed.global_state
  me, count, client = state.process_id, state.num_processes, state.client
  server = peers_lib.Server(count) if me == 0 else None
  if server is not None:
    client.key_value_set(_ADDRESS, server.address)
  address = client.blocking_key_value_get(_ADDRESS, _MEETING_MS)
  host = coordinator.rpartition(':')[0].strip('[]') if coordinator else None
  _watch = server or peers_lib.connect(address, me, count, host=host)
  sys.excepthook = _on_error
  # From here on, each process notices when another is gone.
  client.wait_at_barrier(f'{_ADDRESS}/connected', _MEETING_MS)


@contextlib.contextmanager
def _announced(coordinator: str | None) -> Iterator[None]:
  """Says in one line that the block waits for others, if it takes a while."""
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
  """Makes an uncaught error end all processes."""
  if isinstance(error, jax.errors.JaxRuntimeError):
    # Mostly the loss of another process, which the watch reports better.
    time.sleep(_PATIENCE)
  sys.__excepthook__(kind, error, trace)
  leave(1)
