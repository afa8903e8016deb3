"""Checkpoints of a stage: what bridges the stages, and what resume reads.

Orbax's v1 training `Checkpointer`: it writes atomically, keeps the last N, and
is what Orbax teaches for new code. It still moves between minor versions, so
setup.py bounds it to one. A stage's folder holds

    checkpoints/N/   the state after N updates, with a seal (`training.seals`)
    done.json        written last, when the stage is finished
"""

import contextlib
import errno
import functools
import hashlib
import json
import os
import pathlib
import shutil
from concurrent import futures
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax
from orbax.checkpoint import v1 as ocp

from eqlandmarks import disk
from eqlandmarks import errors
from eqlandmarks import journal
from eqlandmarks.training import seals
from eqlandmarks.training import step

_DONE = 'done.json'
# What Orbax calls a checkpoint that it has not finished.
_UNFINISHED = '*.orbax-checkpoint-tmp'
# Bytes that Orbax writes of each array beside its values, by measurement.
_PER_ARRAY = 4096

# What a stage that goes on from another one takes over.
_TAKEN_OVER = ('checkpoints', 'metrics.csv')


class Checkpointer:
  """The checkpoints of a stage, opened for writing; a context manager.

  Args:
    folder: the stage's folder.
    keep: how many of the newest checkpoints stay.
  """

  def __init__(self, folder: pathlib.Path, *, keep: int):
    self._stage = folder
    self._folder = _folder(folder)
    self._keep = keep
    self._saving: futures.Future[None] | None = None
    self._pool = futures.ThreadPoolExecutor(1)

  def __enter__(self) -> 'Checkpointer':
    return self

  def __exit__(self, kind: Any, *_: Any) -> None:
    try:
      with self._written():
        self._close()
    except errors.UserError:
      if kind is None:  # else, what ended the block says more
        raise
    finally:
      # What a full disk has cut short only takes up room.
      for half in self._folder.glob(_UNFINISHED):
        shutil.rmtree(half, ignore_errors=True)

  def _close(self) -> None:
    try:
      self.wait()
    finally:
      self._pool.shutdown()
      if '_orbax' in vars(self):
        self._orbax.close()

  def save(self, number: int, state: Any) -> None:
    """Saves and seals the state after a number of updates.

    Raises:
      UserError: the file system refuses. The checkpoints before it stay.
    """
    self.save_async(number, state)
    self.wait()

  def save_async(self, number: int, state: Any) -> None:
    """Like `save`, but most of it in the background, after that of before.

    The state is copied before the call returns.
    """
    self.wait()
    with self._written():
      self._folder.mkdir(parents=True, exist_ok=True)
      _check_room(self._folder, state)
      response = self._orbax.save_async(number, _own(state))
    self._saving = self._pool.submit(self._seal, response, number)

  def wait(self) -> None:
    """Waits for what is being saved, and raises what went wrong with it."""
    saving, self._saving = self._saving, None
    if saving is not None:
      with self._written():
        saving.result()

  def restore(self, state: Any) -> tuple[Any, int]:
    """The newest sound state, or the given one where nothing is saved.

    Damaged checkpoints are named, and removed when one before them is sound,
    since they will be saved anew.

    Args:
      state: a fresh state, whose structure the saved one must have.

    Returns:
      The state, and the number of updates that it has seen.

    Raises:
      UserError: there are checkpoints, but none of them is sound.
    """
    damaged: dict[int, str] = {}
    for number in reversed(_numbers(self._folder)):
      loaded, fault = self._load(number, state)
      if fault is None:
        for bad in damaged:
          shutil.rmtree(self._folder / str(bad))
        journal.say(f'{self._stage.name} goes on from step {number}')
        return loaded, number
      damaged[number] = fault
      journal.say(f'{self._folder / str(number)} is damaged: {fault}')
    if damaged:
      raise _none_sound(self._stage, damaged)
    return state, 0

  @functools.cached_property
  def _orbax(self) -> 'ocp.training.Checkpointer | _OneOfMany':
    """Opened at the first save: it reads all checkpoints, damaged ones too."""
    if jax.process_count() > 1:
      return _OneOfMany(self._folder, self._keep)
    return ocp.training.Checkpointer(
        self._folder,
        preservation_policy=ocp.training.preservation_policies.LatestN(
            self._keep
        ),
        cleanup_tmp_directories=True,
    )

  def _load(self, number: int, state: Any) -> tuple[Any, str | None]:
    """A saved state, or what is wrong with it."""
    fault = seals.fault(self._folder / str(number))
    if fault is not None:
      return None, fault
    try:
      with _alone():
        return ocp.load(self._folder / str(number), _own(state)), None
    # A checkpoint without a seal, or of another structure, can make Orbax
    # raise nearly anything.
    except Exception as error:
      return None, _short(error)

  def _seal(self, response: Any, number: int) -> None:
    response.result()
    seals.write(self._folder / str(number))

  def _written(self) -> Any:
    return disk.written(
        self._folder,
        'expected a folder with room that can be written to; the same command '
        'goes on from the last checkpoint',
    )


class _OneOfMany:
  """The checkpointer of one process among several: Orbax's older interface.

  The v1 `Checkpointer` waits for all processes in every save. This one writes
  the same files.

  Args:
    folder: of the checkpoints, which is there.
    keep: how many of the newest stay.
  """

  def __init__(self, folder: pathlib.Path, keep: int):
    self._manager = orbax.CheckpointManager(
        folder,
        options=orbax.CheckpointManagerOptions(
            max_to_keep=keep,
            create=False,
            cleanup_tmp_directories=True,
            multiprocessing_options=orbax.options.MultiprocessingOptions(
                **_only_this_process()
            ),
        ),
    )

  def save_async(self, number: int, state: Any) -> '_OneOfMany':
    """Like Orbax's; the result to wait for is this object's."""
    self._manager.save(
        number, args=orbax.args.Composite(state=orbax.args.StandardSave(state))
    )
    return self

  def result(self) -> None:
    """Waits for what is being saved."""
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Ends the threads."""
    self._manager.close()


class StageFolder:
  """The folder of one stage of one run.

  Attributes:
    path: the folder.
  """

  def __init__(self, path: pathlib.Path):
    self.path = pathlib.Path(path)

  @property
  def is_done(self) -> bool:
    """Whether the stage has been finished here."""
    return (self.path / _DONE).exists()

  def summary(self) -> dict[str, Any]:
    """What `finish` wrote.

    Raises:
      UserError: the stage is not finished here, or the file is damaged.
    """
    if not self.is_done:
      raise errors.UserError(
          f'{self.path} holds no finished stage: found no {_DONE}.'
      )
    try:
      summary = json.loads((self.path / _DONE).read_text())
      return {**summary, 'steps': int(summary['steps'])}
    except (ValueError, KeyError, TypeError) as error:
      raise errors.UserError(
          f'{self.path / _DONE} is damaged ({type(error).__name__}), expected '
          'what a finished stage writes; without the file, the stage is '
          'finished anew from its last checkpoint'
      ) from error

  def finish(self, summary: dict[str, Any]) -> None:
    """Marks the stage as finished, atomically."""
    with disk.replacing(self.path / _DONE) as partial:
      partial.write_text(json.dumps(summary, indent=2) + '\n')

  def reopen_if_damaged(self) -> None:
    """Makes a finished stage whose last state is damaged an unfinished one.

    Its end is trained again then, from a checkpoint before, to the same state.

    Raises:
      UserError: no checkpoint before it is sound.
    """
    if not self.is_done:
      return
    last, folder = self.summary()['steps'], _folder(self.path)
    fault = seals.fault(folder / str(last))
    if fault is None:
      return
    damaged = {n: seals.fault(folder / str(n)) for n in _numbers(folder)}
    damaged[last] = fault
    if all(damaged.values()):
      raise _none_sound(self.path, damaged)
    journal.say(f'{folder / str(last)} is damaged: {fault}')
    (self.path / _DONE).unlink()

  def start_from(self, other: 'StageFolder') -> None:
    """Becomes a copy of a finished stage, to be trained on; else stays."""
    if self.path.exists():
      return
    # Under another name first: a half copy must not be taken for a state.
    partial = self.path.with_name(self.path.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    with disk.written(self.path):
      partial.mkdir(parents=True)
      for name in _TAKEN_OVER:
        source = other.path / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, partial / name)
      partial.rename(self.path)

  def checkpointer(self, *, keep: int) -> Checkpointer:
    """Opens the stage's checkpoints for writing; a context manager."""
    return Checkpointer(self.path, keep=keep)

  def load_variables(self) -> dict[str, Any]:
    """The variables of both nets, or of F, at the end of the stage.

    Returns:
      Net name -> Flax variables, as numpy arrays.

    Raises:
      UserError: the last checkpoint is not there or is damaged. An earlier one
        is no substitute: its parameters are others.
    """
    folder, last = _folder(self.path), self._last()
    fault = seals.fault(folder / str(last))
    if fault is None:
      variables, fault = _read_variables(folder, last)
    if fault is None and self.is_done:
      fault = _other_parameters(variables, self.summary().get('sha256'))
    if fault is not None:
      raise errors.UserError(
          f'{folder / str(last)}: found no readable checkpoint ({fault}), '
          'expected the last one of the stage; training mode goes on from the '
          'one before, if there is one'
      )
    return variables

  def _last(self) -> int:
    """The number of the last checkpoint."""
    if self.is_done:
      return self.summary()['steps']
    return max(_numbers(_folder(self.path)), default=0)


def restore(checkpointer: Checkpointer, state: Any) -> tuple[Any, int]:
  """See `Checkpointer.restore`."""
  return checkpointer.restore(state)


def parameter_digest(params: Any) -> str:
  """SHA-256 of parameters: all leaves' bytes, in sorted path order."""
  leaves = jax.tree_util.tree_flatten_with_path(params)[0]
  named = sorted((jax.tree_util.keystr(path), leaf) for path, leaf in leaves)
  digest = hashlib.sha256()
  for _, leaf in named:
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()


def _alone() -> contextlib.AbstractContextManager[Any]:
  """Keeps Orbax from waiting for other processes."""
  if jax.process_count() == 1:
    return contextlib.nullcontext()
  return ocp.Context(
      multiprocessing_options=ocp.options.MultiprocessingOptions(
          **_only_this_process()
      )
  )


def _only_this_process() -> dict[str, Any]:
  """Options by which Orbax leaves the other processes out.

  The state is not shared out: each device of each process holds all of it, so
  that one process can save it, at a time of its own, and any can read it.
  """
  me = jax.process_index()
  return {
      'primary_host': me,
      'active_processes': {me},
      'barrier_sync_key_prefix': f'process_{me}',
  }


def _own(state: Any) -> Any:
  """The state as Orbax takes it: of several processes' JAX, as numpy arrays."""
  return state if jax.process_count() == 1 else jax.device_get(state)


def _folder(stage: pathlib.Path) -> pathlib.Path:
  return (stage / 'checkpoints').absolute()


def _check_room(folder: pathlib.Path, state: Any) -> None:
  """Sees that a checkpoint fits, before its threads fail one by one.

  Orbax keeps the values twice, of each process and merged.
  """
  leaves = jax.tree.leaves(state)
  needed = sum(2 * leaf.nbytes + _PER_ARRAY for leaf in leaves)
  if shutil.disk_usage(folder).free < needed:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _numbers(folder: pathlib.Path) -> list[int]:
  """The steps of which there is a checkpoint, sorted."""
  if not folder.is_dir():
    return []
  names = [path.name for path in folder.iterdir() if path.is_dir()]
  return sorted(int(name) for name in names if name.isdecimal())


def _read_variables(
    folder: pathlib.Path, number: int
) -> tuple[dict[str, Any], str | None]:
  """The variables in a checkpoint, or what is wrong with it."""
  try:
    path = folder / str(number)
    # As numpy: where the arrays lay when they were saved is no matter.
    with _alone():
      abstract = jax.tree.map(
          lambda leaf: np.empty(leaf.shape, leaf.dtype),
          ocp.metadata(path).metadata,
      )
      state = ocp.load(path, abstract)
    trained = {
        net: step.join(params, (state['batch_stats'] or {}).get(net))
        for net, params in state['params'].items()
    }
    return {**(state['frozen'] or {}), **trained}, None
  except Exception as error:  # as in `Checkpointer._load`
    return {}, _short(error)


def _other_parameters(
    variables: dict[str, Any], expected: str | None
) -> str | None:
  found = parameter_digest({n: v['params'] for n, v in variables.items()})
  if expected in (None, found):
    return None
  return f'its parameters are not those of {_DONE}'


def _none_sound(
    stage: pathlib.Path, damaged: dict[int, str | None]
) -> errors.UserError:
  newest = max(damaged)
  return errors.UserError(
      f'{_folder(stage)}: none of its {len(damaged)} checkpoints can be read '
      f'(step {newest}: {damaged[newest]}), expected one at least; remove '
      f'{stage} to start the stage again'
  )


def _short(error: Exception) -> str:
  """An error in a few words; Orbax can fill a page."""
  said = f'{type(error).__name__}: {" ".join(str(error).split())}'
  return said if len(said) <= 160 else said[:159] + '…'
