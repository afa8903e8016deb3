"""How long a step takes, by a clock and a device that are made up."""

import jax
import numpy as np
import pytest

from eqlandmarks.training import progress
from eqlandmarks.training import stage_folder

_COMPILING = 100.0


class _Machine:
  """A device that does one step a second, after a host that sends it them.

  A row's loss is the number of its step. Whoever waits for it waits until the
  device has done it.
  """

  def __init__(self, monkeypatch, start, host):
    self.now, self._start, self._host = 0.0, start, host
    self._done_at = {}
    monkeypatch.setattr(progress.time, 'monotonic', lambda: self.now)
    monkeypatch.setattr(jax, 'block_until_ready', self._wait)
    monkeypatch.setattr(jax, 'device_get', self._wait)

  def send(self, number):
    """The host sends off a step, the first after compiling it."""
    first = number == self._start + 1
    self.now += _COMPILING if first else self._host
    free = max(self._done_at.values(), default=0.0)
    self._done_at[number] = max(free, self.now) + 1.0
    return {'loss': np.float32(number)}

  def _wait(self, rows):
    for row in rows if isinstance(rows, list) else [rows]:
      self.now = max(self.now, self._done_at.get(int(row['loss']), 0.0))
    return rows


def _seconds_per_step(
    monkeypatch, folder, num_steps, *, start=0, host=0.0, every=None
):
  machine = _Machine(monkeypatch, start, host)
  since = start - start % progress.LOG_EVERY
  rows = [(n, {'loss': float(n)}) for n in range(since + 1, start + 1)]
  with progress.Tracker(
      'stage', stage_folder.StageFolder(folder), start=start,
      num_steps=num_steps, rows=rows,
  ) as tracker:
    for done in range(start + 1, num_steps + 1):
      tracker.record(done, machine.send(done), 8)
      if every and done % every == 0:
        tracker.settle()  # as for a checkpoint
    tracker.settle()
  return tracker.seconds_per_step


def test_the_line_says_stage_and_epoch(tmp_path, capsys, monkeypatch):
  machine = _Machine(monkeypatch, 0, 0.0)
  with progress.Tracker(
      'pretrain', stage_folder.StageFolder(tmp_path), start=0, num_steps=20,
      epoch=5.0,
  ) as tracker:  # fmt: skip
    for done in range(1, 21):
      tracker.record(done, machine.send(done), 8)
      words = {1: 'epoch 1 of 4', 5: 'epoch 1 of 4', 6: 'epoch 2 of 4',
               20: 'epoch 4 of 4'}  # fmt: skip
      if done in words:
        said = f'Stage 1 of 2: features, {words[done]}'
        assert tracker._bar.desc == said
    tracker.settle()
  line = capsys.readouterr().err.split('\r')[-1]
  assert 'Stage 1 of 2: features, epoch 4 of 4, ' in line
  assert ' images/s, ' in line and ' left' in line


@pytest.mark.parametrize(
    'num_steps',
    [2, 3, 4, 5, 9, 10, 11, 12, 13, 19, 20, 21, 25, 30, 33, 40, 100],
)
def test_a_step_takes_what_it_takes_however_short_the_stage(
    num_steps, monkeypatch, tmp_path
):
  assert _seconds_per_step(monkeypatch, tmp_path, num_steps) == 1.0


@pytest.mark.parametrize('start', [7, 9, 10, 11, 18, 20])
def test_a_stage_that_goes_on_times_its_own_steps(start, monkeypatch, tmp_path):
  found = _seconds_per_step(monkeypatch, tmp_path, 40, start=start)
  assert found == 1.0


def test_checkpoints_in_between_change_nothing(monkeypatch, tmp_path):
  assert _seconds_per_step(monkeypatch, tmp_path, 40, every=7) == 1.0


@pytest.mark.parametrize('num_steps', [4, 12, 20, 33])
def test_a_slow_host_is_what_steps_wait_for(num_steps, monkeypatch, tmp_path):
  found = _seconds_per_step(monkeypatch, tmp_path, num_steps, host=3.0)
  assert found == 3.0


def test_one_step_tells_nothing(monkeypatch, tmp_path):
  assert _seconds_per_step(monkeypatch, tmp_path, 1) is None
