"""Checkpoints of a stage: what bridges the stages, and what resume reads.

Orbax's v1 training `Checkpointer`: it writes atomically, keeps the last N, and
is what Orbax teaches for new code. It still moves between minor versions, so
setup.py bounds it to one. A stage's folder holds

    checkpoints/N/   the state after N updates
    done.json        written last, when the stage is finished
"""

import hashlib
import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
from absl import logging
from orbax.checkpoint import v1 as ocp

from eqlandmarks import errors
from eqlandmarks.training import step

_DONE = 'done.json'

# What a stage that goes on from another one takes over.
_TAKEN_OVER = ('checkpoints', 'metrics.csv')


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
      UserError: the stage is not finished here.
    """
    if not self.is_done:
      raise errors.UserError(
          f'{self.path} holds no finished stage: found no {_DONE}.'
      )
    return json.loads((self.path / _DONE).read_text())

  def finish(self, summary: dict[str, Any]) -> None:
    """Marks the stage as finished, atomically."""
    partial = self.path / (_DONE + '.partial')
    partial.write_text(json.dumps(summary, indent=2) + '\n')
    partial.rename(self.path / _DONE)

  def start_from(self, other: 'StageFolder') -> None:
    """Becomes a copy of a finished stage, to be trained on; else stays."""
    if self.path.exists():
      return
    # Under another name first: a half copy must not be taken for a state.
    partial = self.path.with_name(self.path.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in _TAKEN_OVER:
      source = other.path / name
      copy = shutil.copytree if source.is_dir() else shutil.copy2
      copy(source, partial / name)
    partial.rename(self.path)

  def checkpointer(self, *, keep: int) -> ocp.training.Checkpointer:
    """Opens the stage's checkpoints for writing; a context manager."""
    return ocp.training.Checkpointer(
        self._checkpoints(),
        preservation_policy=ocp.training.preservation_policies.LatestN(keep),
        cleanup_tmp_directories=True,
    )

  def load_variables(self) -> dict[str, Any]:
    """The variables of both nets, or of F, at the end of the stage.

    Returns:
      Net name -> Flax variables, as numpy arrays.

    Raises:
      UserError: there is no checkpoint that can be read.
    """
    try:
      with ocp.training.Checkpointer(self._checkpoints()) as checkpointer:
        latest = checkpointer.latest
        # As numpy: where the arrays lay when they were saved is no matter.
        abstract = jax.tree.map(
            lambda leaf: np.empty(leaf.shape, leaf.dtype),
            checkpointer.metadata(latest).metadata,
        )
        state = checkpointer.load(latest, abstract_state=abstract)
    except (OSError, ValueError, KeyError, AttributeError) as error:
      raise errors.UserError(
          f'{self._checkpoints()}: found no readable checkpoint '
          f'({type(error).__name__}).'
      ) from error
    trained = {
        net: step.join(params, (state['batch_stats'] or {}).get(net))
        for net, params in state['params'].items()
    }
    return {**(state['frozen'] or {}), **trained}

  def _checkpoints(self) -> pathlib.Path:
    return (self.path / 'checkpoints').absolute()


def restore(
    checkpointer: ocp.training.Checkpointer, state: Any
) -> tuple[Any, int]:
  """The newest saved state, or the given one where nothing is saved.

  Args:
    checkpointer: an open checkpointer.
    state: a fresh state, whose structure the saved one must have.

  Returns:
    The state, and the number of updates that it has seen.
  """
  latest = checkpointer.latest
  if latest is None:
    return state, 0
  logging.info('Resuming from step %d.', latest.step)
  return checkpointer.load(latest, abstract_state=state), latest.step


def parameter_digest(params: Any) -> str:
  """SHA-256 of parameters: all leaves' bytes, in sorted path order."""
  leaves = jax.tree_util.tree_flatten_with_path(params)[0]
  named = sorted((jax.tree_util.keystr(path), leaf) for path, leaf in leaves)
  digest = hashlib.sha256()
  for _, leaf in named:
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()
