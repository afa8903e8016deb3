"""Saving the state of a stage while it trains, and reading it again.

Orbax's v1 training `Checkpointer`: it writes atomically, keeps the last N, and
is what Orbax teaches for new code. It still moves between minor versions, so
setup.py bounds it to one. Each checkpoint has a seal (`checkpoint_seals`), and
one that differs from its seal is not used.
"""

import contextlib
import errno
import functools
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from eqlandmarks import errors
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.training import checkpoint_seals
from eqlandmarks.training import orbax_per_process

_policies = ocp.training.preservation_policies

# Bytes that Orbax writes of each array beside its values, by measurement.
_PER_ARRAY = 4096


class Checkpointer:
  """The checkpoints of a stage, opened for writing; a context manager.

  Args:
    folder: the stage's folder.
    keep: how many of the newest checkpoints stay.
    best: a metric; the checkpoint where it was lowest stays too. '' for none.
  """

  def __init__(self, folder: pathlib.Path, *, keep: int, best: str = ''):
    self._stage, self._folder = folder, folder_of(folder)
    self._best = best
    kept = [_policies.LatestN(keep)]
    if best:
      kept.append(_policies.BestN(
          n=1,
          # Those later in ascending order are kept.
          get_metric_fn=lambda metrics: -metrics.get(best, math.inf),
          keep_checkpoints_without_metrics=False,
      ))  # fmt: skip
    self._kept = _policies.AnyPreservationPolicy(kept)
    self._saving: futures.Future[None] | None = None
    self._pool = futures.ThreadPoolExecutor(1)

  def __enter__(self) -> 'Checkpointer':
    return self

  def __exit__(self, kind: Any, *_: Any) -> None:
    try:
      with self._written():
        try:
          self.wait()
        finally:
          self._pool.shutdown()
          if '_orbax' in vars(self):
            self._orbax.close()
    except errors.UserError:
      if kind is None:  # what ended the block says more
        raise
    finally:
      # What a full disk has cut short only takes up room.
      for half in self._folder.glob('*.orbax-checkpoint-tmp'):
        shutil.rmtree(half, ignore_errors=True)

  def save(self, number: int, state: Any, **about: Any) -> None:
    """Saves and seals a state; see `save_async`."""
    self.save_async(number, state, **about)
    if not self.wait():
      # If this fails too, more is wrong than the clock.
      self.save_async(number, state, **about)
      with self._written():
        self._saving.result()

  def save_async(
      self,
      number: int,
      state: Any,
      *,
      rows: Sequence[Any] = (),
      metrics: Mapping[str, float] | None = None,
  ) -> None:
    """Saves and seals a state in the background, after the one before.

    Args:
      number: of updates that made the state.
      state: with arrays as leaves; they are copied before the call returns.
      rows: what the method `rows` returns later; JSON can hold them.
      metrics: by which the best one is chosen.
    """
    self.wait()
    with self._written():
      self._folder.mkdir(parents=True, exist_ok=True)
      _check_room(self._folder, state)
      response = self._orbax.save_async(
          number,
          orbax_per_process.own(state),
          metrics=dict(metrics) if self._best and metrics else None,
          custom_metadata={'rows': rows, 'metrics': metrics},
      )
    self._saving = self._pool.submit(self._seal, response, number)

  def wait(self) -> bool:
    """Waits for what is being saved; returns whether it has been saved.

    Orbax goes by the clock on the wall. When that jumps ahead, as after a sleep
    of the machine, Orbax gives up the save, and the next one does its work.
    """
    saving, self._saving = self._saving, None
    if saving is None:
      return True
    try:
      with self._written():
        saving.result()
      return True
    except TimeoutError as error:
      journal.say(f'{self._folder}: a checkpoint was given up ({short(error)})')
      # This Orbax cannot save any more.
      with contextlib.suppress(Exception):
        self._orbax.close()
      vars(self).pop('_orbax', None)
      return False

  def restore(self, state: Any) -> tuple[Any, int]:
    """The newest sound state, or the given one where nothing is saved.

    Damaged checkpoints are named, and removed when one before them is sound,
    since they will be saved anew.

    Args:
      state: a fresh state, whose structure the saved one must have.

    Returns:
      The state, and the number of updates that it has seen.

    Raises:
      UserError: there are checkpoints, but none of them is sound; or one cannot
        be read now. Nothing is removed then.
    """
    damaged = {}
    for number in reversed(numbers(self._folder)):
      path = self._folder / str(number)
      restored, fault = loaded(
          path, lambda p: ocp.load(p, orbax_per_process.own(state))
      )
      if fault is None:
        for bad in damaged:
          shutil.rmtree(self._folder / str(bad))
        journal.say(f'{self._stage.name} resumes from step {number}')
        return restored, number
      damaged[number] = fault
      journal.say(f'{path} is damaged: {fault}')
    if damaged:
      raise none_sound(self._stage, damaged)
    return state, 0

  def rows(self, number: int) -> list[Any]:
    """The rows that a checkpoint was saved with."""
    return _about(self._folder, number).get('rows') or []

  def best(self) -> dict[str, Any] | None:
    """Step and value of the metric in the best of the checkpoints, if any."""
    values = []
    for number in numbers(self._folder) if self._best else ():
      metrics = _about(self._folder, number).get('metrics') or {}
      if self._best in metrics:
        values.append((metrics[self._best], number))
    if not values:
      return None
    value, step = min(values)
    return {'step': step, 'metric': self._best, 'value': value}

  @functools.cached_property
  def _orbax(self) -> Any:
    """Opened at the first save: it reads all checkpoints, damaged ones too."""
    if jax.process_count() > 1:
      return orbax_per_process.Checkpointer(self._folder, self._kept)
    return ocp.training.Checkpointer(
        self._folder,
        preservation_policy=self._kept,
        cleanup_tmp_directories=True,
    )

  def _seal(self, response: Any, number: int) -> None:
    response.result()
    checkpoint_seals.write(self._folder / str(number))

  def _written(self) -> Any:
    return files.written(
        self._folder,
        'expected a folder with room that can be written to; the same command '
        'resumes from the last checkpoint',
    )


def folder_of(stage: pathlib.Path) -> pathlib.Path:
  """Where the checkpoints of a stage's folder are."""
  return (stage / 'checkpoints').absolute()


def numbers(folder: pathlib.Path) -> list[int]:
  """The steps of the checkpoints, sorted."""
  if not folder.is_dir():
    return []
  names = [path.name for path in folder.iterdir() if path.is_dir()]
  return sorted(int(name) for name in names if name.isdecimal())


def _about(folder: pathlib.Path, number: int) -> dict[str, Any]:
  """What was saved with a checkpoint beside its state."""
  with orbax_per_process.alone():
    return ocp.metadata(folder / str(number)).custom_metadata or {}


def loaded(
    path: pathlib.Path, load: Callable[[pathlib.Path], Any]
) -> tuple[Any, str | None]:
  """What `load` makes of a checkpoint, or what is wrong with the checkpoint."""
  fault = checkpoint_seals.fault(path)
  if fault is not None:
    return None, fault
  try:
    with checkpoint_seals.spared(path), orbax_per_process.alone():
      return load(path), None
  except errors.UserError:
    raise
  # A checkpoint without a seal, or of another structure, can make Orbax raise
  # nearly anything.
  except Exception as error:
    return None, short(error)


def none_sound(
    stage: pathlib.Path, damaged: dict[int, str | None]
) -> errors.UserError:
  """The error of a stage without a sound checkpoint: step -> its fault."""
  newest = max(damaged)
  return errors.UserError(
      f'{folder_of(stage)}: none of its {len(damaged)} checkpoints can be read '
      f'(step {newest}: {damaged[newest]}), expected at least one; remove '
      f'{stage} to start the stage again'
  )


def short(error: Exception) -> str:
  """An error in a few words; Orbax can fill a page."""
  text = f'{type(error).__name__}: {" ".join(str(error).split())}'
  return text if len(text) <= 160 else text[:159] + '…'


def _check_room(folder: pathlib.Path, state: Any) -> None:
  """Checks that a checkpoint fits, before its threads fail one by one."""
  leaves = jax.tree.leaves(state)
  # Orbax keeps the values twice, those of each process and merged.
  needed = sum(2 * leaf.nbytes + _PER_ARRAY for leaf in leaves)
  if shutil.disk_usage(folder).free < needed:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
