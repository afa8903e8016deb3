"""The one training loop, for every stage."""

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import tqdm

from eqlandmarks import errors
from eqlandmarks.training import checkpoints
from eqlandmarks.training import logs
from eqlandmarks.training import parallel
from eqlandmarks.training import step as step_lib

# Metrics are fetched, checked and logged every so many steps. Checkpoints fall
# on such steps too, so that a resumed run logs the very same rows.
LOG_EVERY = 10


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
    batches: Callable[[int], Iterator[np.ndarray | jax.Array]],
    key: jax.Array,
    num_steps: int,
    folder: checkpoints.StageFolder,
    checkpoint: Any,
    devices: list[jax.Device],
) -> Trained:
  """Runs a stage to its end, from its newest checkpoint if it has one.

  Args:
    title: the stage's name, for the progress bar.
    step: a mapped step, see `step.parallelize`.
    state: the fresh state; it is used up.
    batches: from a step's number to the uint8 batches from that step on, of
      the form that `step` takes, `[devices, B / devices, H, W, 3]`.
    key: the stage's PRNG key.
    num_steps: updates of the whole stage.
    folder: where checkpoints and metrics go.
    checkpoint: fields `every_seconds` and `keep`.
    devices: the devices that `step` is mapped over.

  Raises:
    UserError: the loss or a gradient is not finite.
  """
  with folder.checkpointer(keep=checkpoint.keep) as checkpointer:
    state, start = checkpoints.restore(checkpointer, state)
    state = parallel.replicate(state, devices)
    key = parallel.replicate(key, devices)
    run = _Run(title, folder, start, num_steps)
    with run:
      last_save = time.monotonic()
      for number, images in zip(
          range(start, num_steps), batches(start), strict=False
      ):
        state, metrics = step(state, images, key)
        run.record(number + 1, metrics, images.shape[0] * images.shape[1])
        late = time.monotonic() - last_save > checkpoint.every_seconds
        if run.logged and (late or number + 1 == num_steps):
          checkpointer.save(number + 1, state)
          last_save = time.monotonic()
  return Trained(state, run.seconds_per_step)


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
    self._writer = logs.MetricWriter(folder.path, start_step=start)
    self._pending: list[tuple[int, dict[str, jax.Array]]] = []
    self._start, self._num_steps = start, num_steps
    self._bar: tqdm.tqdm | None = None
    # (updates done, when) at each fetch of metrics, when all work is done.
    self._marks: list[tuple[int, float]] = []

  def __enter__(self) -> '_Run':
    return self

  def __exit__(self, *_: Any) -> None:
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
      )
      # The first update has been compiled and sent off by now.
      self._marks.append((done, time.monotonic()))
    self._pending.append((done, metrics))
    if done % LOG_EVERY == 0 or done == self._num_steps:
      self._flush()
    self._bar.update(batch_size)

  @property
  def seconds_per_step(self) -> float | None:
    """Median over the fetches of metrics; compiling is left out."""
    each = [
        (later - sooner) / (last - first)
        for (first, sooner), (last, later) in itertools.pairwise(self._marks)
        if last > first
    ]
    return statistics.median(each) if each else None

  @property
  def logged(self) -> bool:
    """Whether all metrics so far are logged, and hence were finite."""
    return not self._pending

  def _flush(self) -> None:
    """Fetches what is pending, and logs the mean of it."""
    rows = jax.device_get([metrics for _, metrics in self._pending])
    self._marks.append((self._pending[-1][0], time.monotonic()))
    for (done, _), row in zip(self._pending, rows, strict=True):
      _check_finite(self._title, done, row)
    mean = {
        name: float(np.mean([row[name] for row in rows])) for name in rows[0]
    }
    done = self._pending[-1][0]
    self._pending = []
    self._writer.write({'step': done, **mean})
    self._bar.set_postfix_str(f"loss {mean['loss']:.4g}")


def _check_finite(title: str, done: int, row: dict[str, Any]) -> None:
  for name, value in row.items():
    if not math.isfinite(value):
      raise errors.UserError(
          f'{title}: {name} is {float(value)} at step {done}; expected a '
          'finite number. Try a lower learning_rate.'
      )
