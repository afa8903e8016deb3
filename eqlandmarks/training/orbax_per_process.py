"""Orbax where several processes train: each saves and reads by itself.

Each device of each process holds the whole state, so that one process can save
it at a time of its own, and any can read it.
"""

import contextlib
import pathlib
from typing import Any

import jax
import orbax.checkpoint as orbax
from orbax.checkpoint import v1 as ocp


class Checkpointer:
  """Writes what Orbax's v1 `Checkpointer` does, but waits for no other process.

  `kept` is its preservation policy.
  """

  def __init__(self, folder: pathlib.Path, kept: Any):
    self._manager = orbax.CheckpointManager(
        folder,
        options=orbax.CheckpointManagerOptions(
            preservation_policy=kept,
            create=False,
            cleanup_tmp_directories=True,
            multiprocessing_options=orbax.options.MultiprocessingOptions(
                **_only_this_process()
            ),
        ),
    )
    # Wait for what is being saved; and end the work on checkpoints.
    self.result = self._manager.wait_until_finished
    self.close = self._manager.close

  def save_async(self, number: int, state: Any, **about: Any) -> 'Checkpointer':
    """Like Orbax's; the result to wait for is this object's."""
    self._manager.save(
        number,
        args=orbax.args.Composite(state=orbax.args.StandardSave(state)),
        **about,
    )
    return self


def alone() -> contextlib.AbstractContextManager[Any]:
  """Keeps Orbax from waiting for other processes."""
  if jax.process_count() == 1:
    return contextlib.nullcontext()
  return ocp.Context(
      multiprocessing_options=ocp.options.MultiprocessingOptions(
          **_only_this_process()
      )
  )


def own(state: Any) -> Any:
  """The state as Orbax takes it: with several processes, as numpy arrays."""
  return state if jax.process_count() == 1 else jax.device_get(state)


def _only_this_process() -> dict[str, Any]:
  me = jax.process_index()
  return {
      'primary_host': me,
      'active_processes': {me},
      'barrier_sync_key_prefix': f'process_{me}',
  }
