"""What a run was doing when a signal came, and what the signal cost."""

import dataclasses
import pathlib
import re
import signal

from parts import whole_runs

# What a run does one after the other.
STAGES = ('start-up', 'pretrain', 'two_stage', 'evaluation')

# The lines of the log at which the next of them begins.
_BEGINS = {
    'pretrain begins': 'pretrain',
    'two_stage begins': 'two_stage',
    'two_stage is done already': 'evaluation',
    'evaluating two_stage': 'evaluation',
}


@dataclasses.dataclass
class Kill:
  """A signal that ended a process.

  Attributes:
    sent: the signal.
    code: the exit code.
    stage: where it came, one of `STAGES`.
    reached: steps of that stage that had been done, as far as is known.
    seconds: from the signal to the end.
    goes_on: the step that a later process went on from; None where none has.
  """

  sent: signal.Signals
  code: int
  stage: str
  reached: int
  seconds: float
  goes_on: int | None = None

  def __str__(self) -> str:
    return (
        f'{self.sent.name} in {self.stage} at step {self.reached}: '
        f'exit code {self.code} after {self.seconds:.2f} s'
    )

  @property
  def lost(self) -> int:
    """Steps that were done and had to be done again."""
    if self.goes_on is None:
      return 0
    return max(self.reached - self.goes_on, 0)


class Notes:
  """Keeps what is known of the processes of one workdir.

  Args:
    workdir: the folder.
  """

  def __init__(self, workdir: pathlib.Path):
    self._workdir = workdir
    self._pending: list[Kill] = []
    self._saved: dict[str, bool] = {}
    self._known = 0

  def before(self) -> None:
    """To be called before a process starts."""
    self._known = len(whole_runs.log(self._workdir))
    self._saved = {
        stage: bool(whole_runs.checkpoints(self._workdir, stage))
        for stage in whole_runs.STAGES
    }

  def after(self) -> str:
    """To be called after its end; returns what it put into the log."""
    new = whole_runs.log(self._workdir)[self._known :]
    for kill in self._pending:
      kill.goes_on = goes_on(
          new, kill.stage, kill.reached, saved=self._saved[kill.stage]
      )
    self._pending = [k for k in self._pending if k.goes_on is None]
    return new

  def killed(
      self, sent: signal.Signals, code: int, seconds: float, said: pathlib.Path
  ) -> Kill:
    """Like `after`, of a process that a signal has ended."""
    new = self.after()
    stage = stage_of(new)
    kill = Kill(sent, code, stage, 0, seconds)
    if stage in whole_runs.STAGES:
      kill.reached = max(
          whole_runs.logged_step(self._workdir, stage),
          stopped_at(new),
          bar_step(said.read_text(errors='replace'), stage),
      )
      self._pending.append(kill)
    return kill


def stage_of(log: str) -> str:
  """What a process was doing at the end of its part of the log."""
  stage = STAGES[0]
  for line in log.splitlines():
    for mark, name in _BEGINS.items():
      stage = name if mark in line else stage
  return stage


def goes_on(log: str, stage: str, reached: int, *, saved: bool) -> int | None:
  """The step from which a process went on with a stage.

  Args:
    log: what it put into the log.
    stage: one of `whole_runs.STAGES`.
    reached: what it went on from where it found the stage finished.
    saved: whether there was a checkpoint when it started.

  Returns:
    The step; None where the process did not come so far.
  """
  found = re.search(rf'{stage} resumes from step (\d+)', log)
  if found:
    return int(found.group(1))
  if f'{stage} begins' in log and not saved:
    return 0
  done = re.search(rf'{stage}\)? is done already', log)
  return reached if done else None


def stopped_at(log: str) -> int:
  """The step that a process says it has saved; 0 where it says nothing."""
  found = re.findall(r'stops at step (\d+)', log)
  return int(found[-1]) if found else 0


def bar_step(said: str, stage: str, batch_size: int = 8) -> int:
  """The step that the progress bar shows last; 0 where there is none.

  Args:
    said: standard error.
    stage: the bar's name.
    batch_size: images of a step; the bar counts these.
  """
  shown = re.findall(rf'{stage}: +\d+%\|[^|]*\| (\d+)/\d+ \[', said)
  return int(shown[-1]) // batch_size if shown else 0


def fault(kill: Kill) -> str | None:
  """What a kill did that is not promised; None where there is nothing."""
  where = f'in {kill.stage} at step {kill.reached}'
  if kill.sent == signal.SIGKILL:
    return None
  if kill.code != 143 and (kill.code, kill.stage) != (-15, STAGES[0]):
    return f'{where}: exit code {kill.code}, expected 143'
  if kill.lost:
    return f'{where}: {kill.lost} steps lost'
  return None
