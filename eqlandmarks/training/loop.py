"""The one training loop, for every stage."""

import contextlib
import dataclasses
import itertools
import math
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import tqdm

from eqlandmarks import errors
from eqlandmarks.training import checkpoints
from eqlandmarks.training import hosts
from eqlandmarks.training import logs
from eqlandmarks.training import parallel
from eqlandmarks.training import saving
from eqlandmarks.training import step as step_lib

# Metrics are logged every so many steps: they are sent to the host then, and
# read, checked and written at the next such step, when they have arrived.
# Checkpoints fall on such steps too, so that a resumed run logs the very same
# rows, and wait for the metrics: a state that is not finite is never kept.
LOG_EVERY = 10

# What XLA, CUDA and C++ say when memory is exhausted.
_OUT_OF_MEMORY = ('RESOURCE_EXHAUSTED', 'Out of memory', 'bad_alloc')

# (updates done, metrics of the last of them).
_Metrics = list[tuple[int, dict[str, jax.Array]]]


@dataclasses.dataclass(frozen=True)
class Trained:
  """The end of a stage.

  Attributes:
    state: the final state, also saved.
    seconds_per_step: the median over this call's steps; None of fewer than two.
  """

  state: step_lib.TrainState
  seconds_per_step: float | None


def train(
    title: str,
    *,
    step: Callable[..., tuple[step_lib.TrainState, dict[str, jax.Array]]],
    state: step_lib.TrainState,
    batches: Callable[[int], Iterator[jax.Array]],
    key: jax.Array,
    num_steps: int,
    folder: checkpoints.StageFolder,
    checkpoint: Any,
    devices: list[jax.Device],
    memory_fields: Sequence[str] = ('batch_size',),
) -> Trained:
  """Runs a stage to its end, from its newest checkpoint if it has one.

  All processes of a run call it; the first one's state is everybody's, and it
  alone writes.

  Args:
    title: the stage's name, for the progress bar.
    step: a mapped step, see `parallel.parallelize`.
    state: the fresh state; it is used up.
    batches: from a step's number to the uint8 batches from that step on, of
      the form that `step` takes, `[devices, B / devices, H, W, 3]`.
    key: the stage's PRNG key.
    num_steps: updates of the whole stage.
    folder: where checkpoints and metrics go.
    checkpoint: fields `every_seconds` and `keep`.
    devices: this process's, of those that `step` is mapped over.
    memory_fields: fields of the config by which a step needs less memory.

  Raises:
    UserError: the loss or a gradient is not finite, or memory is exhausted.
  """
  with (
      _enough_memory(title, memory_fields),
      _opened(folder, checkpoint.keep) as saved,
  ):
    start = 0
    if saved is not None:
      state, start = saved.restore(state)
    state, start = hosts.from_first((state, start))
    start = int(start)
    state = parallel.replicate(state, devices)
    key = parallel.replicate(key, devices)
    with _Run(title, folder, start, num_steps) as run:
      last_save = time.monotonic()
      for number, images in zip(
          range(start, num_steps), batches(start), strict=False
      ):
        state, metrics = step(state, images, key)
        done = number + 1
        run.record(done, metrics, images.shape[0] * images.shape[1])
        late = time.monotonic() - last_save > checkpoint.every_seconds
        if saved is not None and late and run.may_save and done < num_steps:
          run.flush()
          saved.save_async(done, state)
          last_save = time.monotonic()
      run.flush()
      if saved is not None and start < num_steps:
        saved.save(num_steps, state)
  return Trained(state, run.seconds_per_step)


@contextlib.contextmanager
def _opened(
    folder: checkpoints.StageFolder, keep: int
) -> Iterator[saving.Checkpointer | None]:
  """The checkpoints in the first process; None in the others."""
  if not hosts.is_first():
    yield None
    return
  with folder.checkpointer(keep=keep) as saved:
    yield saved


@contextlib.contextmanager
def _enough_memory(title: str, fields: Sequence[str]) -> Iterator[None]:
  """Makes one line of an error of memory.

  Raises:
    UserError: there is not enough, on a device or on the host.
  """
  try:
    yield
  except (jax.errors.JaxRuntimeError, MemoryError) as error:
    said = str(error)
    if not isinstance(error, MemoryError) and not any(
        sign in said for sign in _OUT_OF_MEMORY
    ):
      raise
    asked = re.search(r'allocat\w+ (\d[\d.]*\s?([KMGT]i?B|bytes))', said)
    much = f' (asked for {asked.group(1)})' if asked else ''
    raise errors.UserError(
        f'{title}: out of memory{much}; expected less work at once: lower '
        + ', '.join(f'config.{field}' for field in fields)
        + ', or set config.accumulate=2.'
    ) from error


class _Run:
  """Metrics and progress of one call of `train`."""

  def __init__(
      self,
      title: str,
      folder: checkpoints.StageFolder,
      start: int,
      num_steps: int,
  ):
    self._title = title
    self._writer: logs.MetricWriter | None = None
    if hosts.is_first():
      self._writer = logs.MetricWriter(folder.path, start_step=start)
    # Of the steps since the last log step, and of those up to it, which are on
    # their way to the host while the devices work on the next ones.
    self._pending: _Metrics = []
    self._sent: _Metrics = []
    self._start, self._num_steps = start, num_steps
    self._bar: tqdm.tqdm | None = None
    # (updates done, when) at each arrival of metrics, when that work is done.
    self._marks: list[tuple[int, float]] = []

  def __enter__(self) -> '_Run':
    return self

  def __exit__(self, *_: Any) -> None:
    if self._writer is not None:
      self._writer.close()
    if self._bar is not None:
      self._bar.close()

  def record(
      self, done: int, metrics: dict[str, jax.Array], batch_size: int
  ) -> None:
    """Takes the metrics of the update that made `done` of them."""
    if self._bar is None:
      self._bar = logs.progress_bar(
          self._title,
          total=self._num_steps * batch_size,
          start=self._start * batch_size,
          shown=hosts.is_first(),
      )
      # The first update has been compiled and sent off by now.
      self._marks.append((done, time.monotonic()))
    self._pending.append((done, metrics))
    if done % LOG_EVERY == 0 or done == self._num_steps:
      for value in jax.tree.leaves([metrics for _, metrics in self._pending]):
        value.copy_to_host_async()
      self._log()
      self._sent, self._pending = self._pending, []
    self._bar.update(batch_size)

  def flush(self) -> None:
    """Waits for the metrics up to the last log step, and logs them."""
    self._log()
    self._sent = []

  @property
  def seconds_per_step(self) -> float | None:
    """Median over the arrivals of metrics; compiling is left out."""
    each = [
        (later - sooner) / (last - first)
        for (first, sooner), (last, later) in itertools.pairwise(self._marks)
        if last > first
    ]
    return statistics.median(each) if each else None

  @property
  def may_save(self) -> bool:
    """Whether the last update made a log step."""
    return not self._pending

  def _log(self) -> None:
    """Logs the mean of what was sent at the last log step."""
    if not self._sent:
      return
    rows = jax.device_get([metrics for _, metrics in self._sent])
    self._marks.append((self._sent[-1][0], time.monotonic()))
    for (done, _), row in zip(self._sent, rows, strict=True):
      _check_finite(self._title, done, row)
    if self._writer is None:
      return
    mean = {
        name: float(np.mean([row[name] for row in rows])) for name in rows[0]
    }
    self._writer.write({'step': self._sent[-1][0], **mean})
    self._bar.set_postfix_str(f"loss {mean['loss']:.4g}")


def _check_finite(title: str, done: int, row: dict[str, Any]) -> None:
  for name, value in row.items():
    if not math.isfinite(value):
      raise errors.UserError(
          f'{title}: {name} is {float(value)} at step {done}; expected a '
          'finite number. Try a lower learning_rate.'
      )
