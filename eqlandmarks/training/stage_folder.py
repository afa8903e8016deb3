"""The folder of a stage, which the next stage reads.

It holds

    checkpoints/N/   the state after N updates (`training.checkpoints`)
    metrics.csv      what was logged
    done.json        written last, when the stage is finished
"""

import json
import pathlib
import shutil
from types import NoneType
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from eqlandmarks import errors
from eqlandmarks.system import data_files
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints
from eqlandmarks.system import journal
from eqlandmarks.training import checkpoint_seals
from eqlandmarks.training import checkpoints
from eqlandmarks.training import step

_DONE = 'done.json'
# What a stage that trains another one on copies.
_COPIED = ('checkpoints', 'metrics.csv')
# By which the folder of a stage is recognised.
FILES = (*_COPIED, _DONE)


class StageFolder:
  """The folder of one stage of one run, at `path`."""

  def __init__(self, path: pathlib.Path):
    self.path = pathlib.Path(path)

  @property
  def is_done(self) -> bool:
    """Whether the stage has been finished here."""
    return (self.path / _DONE).exists()

  @property
  def is_begun(self) -> bool:
    """Whether there is something of the stage to resume from."""
    return self.is_done or bool(
        checkpoints.numbers(checkpoints.folder_of(self.path))
    )

  def summary(self) -> dict[str, Any]:
    """What `finish` wrote; the stage must be finished, and the file sound."""
    if not self.is_done:
      raise errors.UserError(
          f'{self.path} holds no finished stage: found no {_DONE}.'
      )
    return data_files.read_json(
        self.path / _DONE,
        'without it, the stage is finished anew from its last checkpoint',
        _check_summary,
    )

  def finish(self, summary: dict[str, Any]) -> None:
    """Marks the stage as finished, atomically."""
    with files.replacing(self.path / _DONE) as partial:
      partial.write_text(json.dumps(summary, indent=2) + '\n')

  def reopen_if_damaged(self) -> None:
    """Makes a finished stage whose last state is damaged an unfinished one.

    Its end is trained again then, from a checkpoint before, to the same state.

    Raises:
      UserError: no checkpoint before it is sound.
    """
    if not self.is_done:
      return
    last, folder = self.summary()['steps'], checkpoints.folder_of(self.path)
    fault = checkpoint_seals.fault(folder / str(last))
    if fault is None:
      return
    faults = {
        number: checkpoint_seals.fault(folder / str(number))
        for number in {last, *checkpoints.numbers(folder)}
    }
    if all(faults.values()):
      raise checkpoints.none_sound(self.path, faults)
    journal.say(f'{folder / str(last)} is damaged: {fault}')
    (self.path / _DONE).unlink()

  def start_from(
      self, other: 'StageFolder', *, finished: bool = False
  ) -> None:
    """Copies a finished stage here, unless this one is begun.

    Args:
      other: where it is.
      finished: whether it is to count as finished here, too; otherwise, it is
        there to be trained on.
    """
    if self.path.exists():
      return
    # Under another name first: a half copy must not be taken for a state.
    with files.replacing(self.path) as partial:
      partial.mkdir()
      for name in FILES if finished else _COPIED:
        source = other.path / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, partial / name)

  def checkpointer(
      self, *, keep: int, best: str = ''
  ) -> checkpoints.Checkpointer:
    """Opens the stage's checkpoints for writing; a context manager."""
    return checkpoints.Checkpointer(self.path, keep=keep, best=best)

  def load_variables(self, which: str = 'last') -> dict[str, Any]:
    """Net name -> Flax variables at the end of the stage, as numpy arrays.

    Args:
      which: 'last', or 'best' for the saved state with the lowest metric of
        `checkpoint.best`.

    Raises:
      UserError: the checkpoint is missing or damaged. An earlier one is no
        substitute: its parameters differ.
    """
    number = self._last() if which == 'last' else self._best()
    path = checkpoints.folder_of(self.path) / str(number)
    variables, fault = checkpoints.loaded(path, _variables)
    is_last = self.is_done and number == self._last()
    if fault is None and is_last and (
        fingerprints.of_parameters(variables) != self.summary()['sha256']
    ):
      fault = f'its parameters are not those of {_DONE}'
    if fault is not None:
      remedy = '; training mode resumes from the one before, if there is one'
      raise errors.UserError(
          f'{path}: found no readable checkpoint ({fault}), expected the '
          f'{which} one of the stage' + remedy * (which == 'last')
      )
    return variables

  def _best(self) -> int:
    """The number of the best checkpoint."""
    best = self.summary().get('best')
    try:
      return int(best['step'])
    except (KeyError, TypeError, ValueError) as error:
      raise errors.UserError(
          f'{self.path} has kept no best checkpoint, expected a stage trained '
          "with config.checkpoint.best, or config.evaluation.checkpoint='last'."
      ) from error

  def _last(self) -> int:
    """The number of the last checkpoint."""
    if self.is_done:
      return self.summary()['steps']
    return max(checkpoints.numbers(checkpoints.folder_of(self.path)), default=0)


def _variables(path: pathlib.Path) -> dict[str, Any]:
  """The variables in a checkpoint."""
  # As numpy arrays, whatever the devices that held them.
  abstract = jax.tree.map(
      lambda leaf: np.empty(leaf.shape, leaf.dtype),
      ocp.metadata(path).metadata,
  )
  state = ocp.load(path, abstract)
  trained = {
      net: step.join(params, (state['batch_stats'] or {}).get(net))
      for net, params in state['params'].items()
  }
  return {**(state['frozen'] or {}), **trained}


def _check_summary(summary: Any) -> None:
  data_files.field(summary, 'steps', int)
  data_files.field(summary, 'sha256', str)
  seconds = summary.get('seconds_per_step')
  data_files.typed(seconds, (int, float, NoneType), 'seconds_per_step')
  data_files.typed(summary.get('best'), (dict, NoneType), 'best')
