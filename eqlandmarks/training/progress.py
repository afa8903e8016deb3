"""The metrics of a running stage: sent, checked, logged, and shown."""

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import tqdm

from eqlandmarks.system import journal
from eqlandmarks.training import hosts
from eqlandmarks.training import metric_files
from eqlandmarks.training import stage_folder

# Steps from one log step to the next: metrics are sent to the host at a log
# step, and read, checked and written at the next one, when they have arrived.
LOG_EVERY = 10
# Steps that may be on their way before the loop waits for the oldest of them:
# the devices have work, and a run that is to stop soon is not minutes ahead.
_AHEAD = 2

# What a stage is called while it runs, and the line about it.
_STAGES = {
    'pretrain': 'Stage 1 of 2: features',
    'two_stage': 'Stage 2 of 2: landmarks',
    'unfrozen': 'Stage 2 of 2: landmarks, features too',
    'end_to_end': 'End-to-end: features and landmarks',
}
_LINE = '{desc}, {rate_noinv_fmt}, {remaining} left{postfix} |{bar}|'

# (updates done, metrics of the last of them).
Rows = list[tuple[int, dict[str, Any]]]


class NotFiniteError(Exception):
  """A metric of update number `done`, from 1, is not a finite number."""

  def __init__(self, done: int, name: str, value: float):
    super().__init__(f'{name} is {value} at step {done}')
    self.done, self.name = done, name


class Tracker:
  """Metrics and progress of one call of the loop; a context manager.

  Args:
    title: the stage's name.
    folder: where metrics.csv goes.
    start: updates that are done already.
    num_steps: updates of the whole stage.
    epoch: how many of them are a pass over the images.
    rows: metrics of the updates done since the last log step.
    sign: what a logged row is a bad sign of, in a sentence, or None.
  """

  def __init__(
      self,
      title: str,
      folder: stage_folder.StageFolder,
      *,
      start: int,
      num_steps: int,
      epoch: float = math.inf,
      rows: Sequence[tuple[int, dict[str, float]]] = (),
      sign: Callable[[dict[str, float]], str | None] | None = None,
  ):
    self._title = title
    self._writer: metric_files.MetricWriter | None = None
    if hosts.is_first():
      self._writer = metric_files.MetricWriter(folder.path, start_step=start)
    # Of the steps since the last log step, and of those up to it, which are on
    # their way to the host while the devices work on the next ones.
    self._pending: Rows = [
        (done, {name: np.float32(value) for name, value in row.items()})
        for done, row in rows
    ]
    self._sent: Rows = []
    self._start, self._num_steps, self._epoch = start, num_steps, epoch
    self._sign = sign
    self._bar: tqdm.tqdm | None = None
    # (updates done, when), by which steps are timed, as the devices end them.
    self._marks: list[tuple[int, float]] = []
    # The shortest stages would have no two marks otherwise.
    self._ahead = min(_AHEAD, max(num_steps - start - 2, 0))
    # The newest logged row: means of the steps up to it.
    self._mean: dict[str, float] | None = None

  def __enter__(self) -> 'Tracker':
    return self

  def __exit__(self, *_: Any) -> None:
    if self._writer is not None:
      self._writer.close()
    if self._bar is not None:
      self._bar.close()

  def record(
      self, done: int, metrics: dict[str, jax.Array], batch_size: int
  ) -> None:
    """Takes the metrics of update number `done`; may raise NotFiniteError."""
    if self._bar is None:
      self._bar = tqdm.tqdm(
          desc=self._now(done),
          bar_format=_LINE,
          total=self._num_steps * batch_size,
          initial=self._start * batch_size,
          unit=' images',
          # A log file wants a line now and then, not an animation.
          mininterval=0.5 if sys.stderr.isatty() else 15.0,
          dynamic_ncols=True,
          disable=not hosts.is_first(),
      )
    self._pending.append((done, metrics))
    at_log_step = done % LOG_EVERY == 0 or done == self._num_steps
    if len(self._pending) > self._ahead:
      before, row = self._pending[-1 - self._ahead]
      jax.block_until_ready(row)
      # The clock starts after the first update, which is compiled.
      if before > self._start and (at_log_step or not self._marks):
        self._marks.append((before, time.monotonic()))
    if at_log_step:
      for value in jax.tree.leaves([metrics for _, metrics in self._pending]):
        if isinstance(value, jax.Array):
          value.copy_to_host_async()
      self._log()
      self._sent, self._pending = self._pending, []
    # A refresh here would show each step, also in a log file.
    self._bar.set_description_str(self._now(done), refresh=False)
    self._bar.update(batch_size)

  def settle(self) -> Rows:
    """Waits for all metrics, and logs those up to the last log step.

    Returns:
      Those of the steps since then, which count in the next row.
    """
    self._log()
    self._sent = []
    self._pending = _fetched(self._pending)
    return plain(self._pending)

  @property
  def means(self) -> dict[str, float]:
    """The newest logged row; before the first one, the pending rows' means."""
    return self._mean or _mean(self._pending)

  @property
  def seconds_per_step(self) -> float | None:
    """Median over all steps but the first, which compiles; None for one step.

    Steps between two log steps share their time equally.
    """
    each = [
        (later - sooner) / (last - first)
        for (first, sooner), (last, later) in itertools.pairwise(self._marks)
        for _ in range(first, last)
    ]
    return statistics.median(each) if each else None

  @property
  def at_log_step(self) -> bool:
    """Whether the last update made a log step."""
    return not self._pending

  def _now(self, done: int) -> str:
    """The stage and its epoch, in words; the epoch of update number `done`."""
    title = _STAGES.get(self._title, self._title)
    epoch, epochs = (
        math.ceil(steps / self._epoch - 1e-9)
        for steps in (done, self._num_steps)
    )
    return f'{title}, epoch {epoch} of {epochs}' if epochs else title

  def _log(self) -> None:
    """Logs the mean of what was sent at the last log step."""
    if not self._sent:
      return
    rows = _fetched(self._sent)
    done = rows[-1][0]
    self._mean = _mean(rows)
    if self._writer is None:
      return
    row = {'step': done, **self._mean}
    self._writer.write(row)
    self._bar.set_postfix_str(f"loss {self._mean['loss']:.4g}", refresh=False)
    sign = self._sign(row) if self._sign else None
    if sign:
      journal.say(f'\nwarning: {self._title}, step {done}: {sign}')


def plain(rows: Rows) -> Rows:
  """Rows of Python's own numbers, as JSON takes them."""
  return [
      (done, {name: float(value) for name, value in row.items()})
      for done, row in rows
  ]


def _fetched(rows: Rows) -> Rows:
  """Rows on the host, when they have arrived; all of them must be finite."""
  values = jax.device_get([row for _, row in rows])
  for (done, _), row in zip(rows, values, strict=True):
    for name in sorted(row, key=lambda name: name != 'loss'):
      if not math.isfinite(row[name]):
        raise NotFiniteError(done, name, float(row[name]))
  return [(done, row) for (done, _), row in zip(rows, values, strict=True)]


def _mean(rows: Rows) -> dict[str, float]:
  return {
      name: float(np.mean([row[name] for _, row in rows]))
      for name in rows[0][1]
  }
