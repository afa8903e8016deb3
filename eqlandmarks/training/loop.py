"""The one training loop, for every stage."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from eqlandmarks import errors
from eqlandmarks.system import journal
from eqlandmarks.system import memory
from eqlandmarks.system import signals
from eqlandmarks.training import checkpoints as checkpoints_lib
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import hosts
from eqlandmarks.training import nonfinite
from eqlandmarks.training import progress
from eqlandmarks.training import refusals
from eqlandmarks.training import stage_folder
from eqlandmarks.training import step as step_lib

# Verbs and fields of the config.
Changes = Sequence[tuple[str, str]]
# From such changes to how they are made, in words.
Advise = Callable[[Changes], str]


def in_words(changes: Changes) -> str:
  """Changes of fields: 'lower config.a, config.b, or set config.c'."""
  verbs: dict[str, list[str]] = {}
  for verb, name in changes:
    verbs.setdefault(verb, []).append(f'config.{name}')
  return ', or '.join(f'{v} {", ".join(names)}' for v, names in verbs.items())


@dataclasses.dataclass(frozen=True)
class Trained:
  """The end of a stage.

  Attributes:
    state: the final state, also saved.
    seconds_per_step: see `progress.Tracker`.
    best: the best checkpoint's `step`, `metric` and `value`, if one is kept.
  """

  state: step_lib.TrainState
  seconds_per_step: float | None
  best: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Stage:
  """A stage that is to be trained, as a function of the step's number.

  Attributes:
    title: its name, for the progress bar.
    step: a mapped step, see `devices_lib.parallelize`.
    state: the fresh state; kept, to begin with it again.
    batches: from a step's number to the uint8 batches from that step on, of
      the form that `step` takes, `[devices, B / devices, H, W, 3]`.
    key: the stage's PRNG key.
    num_steps: updates of the whole stage.
    epoch: how many of them are a pass over the images.
    devices: this process's, of those that `step` is mapped over.
    less_memory: changes of fields by which a step needs less memory.
    less_steep: those by which numbers stay finite.
    advise: says how such changes can be made.
    probe: finds in which layer a step is not finite; None does not look.
    names: from a step's number to the names of its batch's images.
    sign: what a logged row is a bad sign of, in a sentence, or None.
  """

  title: str
  step: Callable[..., tuple[step_lib.TrainState, dict[str, jax.Array]]]
  state: step_lib.TrainState
  batches: Callable[[int], Iterator[jax.Array]]
  key: jax.Array
  num_steps: int
  devices: list[jax.Device]
  epoch: float = math.inf
  less_memory: Changes = (('lower', 'batch_size'),)
  less_steep: Changes = (('lower', 'learning_rate'),)
  advise: Advise = in_words
  probe: nonfinite.Probe | None = None
  names: Callable[[int], list[str]] | None = None
  sign: Callable[[dict[str, float]], str | None] | None = None


def train(
    stage: Stage, *, folder: stage_folder.StageFolder, checkpoint: Any
) -> Trained:
  """Runs a stage to its end, from its newest checkpoint if it has one.

  All processes of a run call it; the first one's state is everybody's, and it
  alone writes.

  Args:
    stage: what is trained.
    folder: where checkpoints and metrics go.
    checkpoint: fields `every_seconds`, `every_steps`, `keep` and `best`.

  Raises:
    UserError: the loss or a gradient is not finite, or memory is exhausted.
    Interrupted: the process was told to stop, and the state is saved.
  """
  with (
      memory.enough(stage.title, lambda: stage.advise(stage.less_memory)),
      refusals.unspoken(),
      _opened(folder, checkpoint) as saved,
      signals.deferred() as asked,
  ):
    try:
      return _train(stage, folder, checkpoint, saved, _Stop(stage, asked))
    except progress.NotFiniteError as error:
      raise _explained(stage, saved, error) from error


@contextlib.contextmanager
def _opened(
    folder: stage_folder.StageFolder, checkpoint: Any
) -> Iterator[checkpoints_lib.Checkpointer | None]:
  """The checkpoints in the first process; None in the others."""
  if not hosts.is_first():
    yield None
    return
  with folder.checkpointer(
      keep=checkpoint.keep, best=checkpoint.best
  ) as saved:
    yield saved


def _train(
    stage: Stage,
    folder: stage_folder.StageFolder,
    checkpoint: Any,
    saved: checkpoints_lib.Checkpointer | None,
    stop: '_Stop',
) -> Trained:
  """`train`, within all that it opens."""
  state, start, rows = _begin(stage, saved)
  key = devices_lib.replicate(stage.key, stage.devices)
  with progress.Tracker(
      stage.title,
      folder,
      start=start,
      num_steps=stage.num_steps,
      epoch=stage.epoch,
      rows=rows,
      sign=stage.sign,
  ) as tracker:
    saver = _Saver(saved, tracker, checkpoint)
    for number, images in zip(
        range(start, stage.num_steps), stage.batches(start), strict=False
    ):
      state, metrics = stage.step(state, images, key)
      done = number + 1
      tracker.record(done, metrics, images.shape[0] * images.shape[1])
      signal = stop.asked(done)
      if done == stage.num_steps:
        saver.save(done, state)
      elif signal:
        saver.save(done, state)
        stop.now(signal, done)
      else:
        saver.save_if_due(done, state)
    best = saved.best() if saved is not None else None
  return Trained(state, tracker.seconds_per_step, best)


def _begin(
    stage: Stage, saved: checkpoints_lib.Checkpointer | None
) -> tuple[step_lib.TrainState, int, list[Any]]:
  """The state to resume from on all devices, its number, and its rows."""
  # Copied, since the step uses up what it is given.
  state = jax.tree.map(np.array, stage.state)
  start, rows = 0, []
  if saved is not None:
    saved.wait()
    state, start = saved.restore(state)
    rows = saved.rows(start) if start else []
  state, start = hosts.from_first((state, start))
  return devices_lib.replicate(state, stage.devices), int(start), rows


class _Saver:
  """Saves when it is time to."""

  def __init__(
      self,
      saved: checkpoints_lib.Checkpointer | None,
      tracker: progress.Tracker,
      checkpoint: Any,
  ):
    self._saved, self._tracker = saved, tracker
    self._seconds = checkpoint.every_seconds
    self._steps = checkpoint.every_steps
    self._last = time.monotonic()  # which no change of the clock moves

  def save_if_due(self, done: int, state: step_lib.TrainState) -> None:
    """Saves in the background, by the time or by the number of steps.

    By the time only where no metrics are waited for on their account.
    """
    late = time.monotonic() - self._last > self._seconds
    by_time = late and self._tracker.at_log_step
    by_steps = self._steps and done % self._steps == 0
    if self._saved is None or not (by_time or by_steps):
      return
    try:
      about = self._about()
    except progress.NotFiniteError:
      return  # raised at the next log step, by all processes together
    self._saved.save_async(done, state, **about)
    self._last = time.monotonic()

  def save(self, done: int, state: step_lib.TrainState) -> None:
    """Saves, and returns when it is on the disk."""
    about = self._about()
    if self._saved is not None:
      self._saved.save(done, state, **about)

  def _about(self) -> dict[str, Any]:
    """What is saved with a state, when its metrics are known to be finite."""
    rows = self._tracker.settle()
    return {'rows': rows, 'metrics': self._tracker.means}


class _Stop:
  """Decides, in agreement with all processes, whether to stop.

  Args:
    stage: what is trained.
    own: the signal that this process has been sent, or 0.
  """

  def __init__(self, stage: Stage, own: Callable[[], int]):
    self._stage, self._own = stage, own
    self._largest = devices_lib.largest(devices_lib.all_devices())
    self._vote: jax.Array | None = None

  def asked(self, done: int) -> int:
    """The signal that ends the run after this step; 0 for none."""
    if jax.process_count() == 1:
      return self._own()
    # Of several, each may be told at another time. What all know is known one
    # log step later, so that nobody waits for it.
    if done % progress.LOG_EVERY:
      return 0
    before, devices = self._vote, self._stage.devices
    own = np.full(len(devices), self._own(), np.int32)
    self._vote = self._largest(devices_lib.share(own, devices))
    return 0 if before is None else int(jax.device_get(before))

  def now(self, signal: int, done: int) -> None:
    """Stops, when all processes have come here.

    Raises:
      Interrupted: always.
    """
    error = signals.Interrupted(signal)
    title = self._stage.title
    journal.say(f'\n{error}: {title} stops at step {done}, which is saved')
    hosts.finish()
    raise error


def _explained(
    stage: Stage,
    saved: checkpoints_lib.Checkpointer | None,
    error: progress.NotFiniteError,
) -> errors.UserError:
  """Finds where numbers stopped being finite, and keeps the state before."""
  journal.say(f'\n{stage.title}: {error}; going back to find out where')
  last = error.done - 1
  state, start, rows = _begin(stage, saved)
  key = devices_lib.replicate(stage.key, stage.devices)
  batches = stage.batches(start)
  for number in range(start, last):
    state, metrics = stage.step(state, next(batches), key)
    rows.append((number + 1, jax.device_get(metrics)))
  if saved is not None and last > start:
    logged = last - last % progress.LOG_EVERY
    pending = progress.plain([row for row in rows if row[0] > logged])
    saved.save(last, state, rows=pending)
  where = ''
  if stage.probe is not None:
    place = stage.probe.find(state, next(batches), key)
    if place == nonfinite.NOWHERE and error.name == 'update_norm':
      place = "in the optimiser's update of finite gradients"
    where = ', ' + place
  if stage.names is not None:
    names = stage.names(last)
    journal.note(f'images of step {error.done}: {", ".join(names)}')
    where += f', with the images {nonfinite.named(names)}'
  before = f'before, {last}, is kept' if last else 'before is the initial one'
  return errors.UserError(
      f'{stage.title}: {error}{where}; expected a finite number. The state '
      f'{before}. To be tried: {stage.advise(stage.less_steep)}.'
  )
