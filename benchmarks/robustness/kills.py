"""Whether a run that is killed again and again comes to the same end.

    python benchmarks/robustness/kills.py --kills=50 --terms=20 --seed=0

After an undisturbed tiny run, the same command is started in a fresh workdir,
killed by SIGKILL at a random time, and started again, until it ends by itself;
then in the next workdir, until there were so many kills. The times are uniform
over the time that a run takes. Then the same with SIGTERM.

The parameters of both stages, the metrics and the results must be those of the
undisturbed run, byte for byte. SIGTERM must end with exit code 143 (or, before
Python is up, by the signal itself) and may lose no step: none that metrics.csv
or the log knows of may be newer than the newest checkpoint. Exits with 1 where
any of it fails.
"""

import dataclasses
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import tabulate
from absl import app
from absl import flags

import whole_runs

_KILLS = flags.DEFINE_integer('kills', 50, 'By SIGKILL.', lower_bound=0)
_TERMS = flags.DEFINE_integer('terms', 20, 'By SIGTERM.', lower_bound=0)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the times.')
_EPOCHS = flags.DEFINE_integer('epochs', 30, 'Of each stage.', lower_bound=1)
_EVERY = flags.DEFINE_float('every_seconds', 0.5, 'Between checkpoints.')

# Much longer than any process needs to stop.
_PATIENCE = 120

# Where a process is by its part of the log, the last place first.
_PLACES = {
    'evaluation': 'evaluating|two_stage is done already',
    'two_stage': 'two_stage begins',
    'pretrain': 'pretrain begins',
    'start-up': '',
}


@dataclasses.dataclass(frozen=True)
class _Kill:
  """A process that a signal ended, in how many seconds, at what cost."""

  sent: signal.Signals
  place: str
  code: int
  seconds: float
  lost_steps: int

  def fault(self) -> str | None:
    """What it did that is not promised."""
    if self.sent == signal.SIGKILL:
      return None
    if self.code != 143 and (self.code, self.place) != (-15, 'start-up'):
      return f'SIGTERM in {self.place}: exit code {self.code}, expected 143'
    if self.lost_steps:
      return f'SIGTERM in {self.place}: {self.lost_steps} steps lost'
    return None


def _command(workdir: pathlib.Path) -> list[str]:
  return whole_runs.command(workdir, _EPOCHS.value, _EVERY.value)


def lost_steps(workdir: pathlib.Path, place: str, log: str) -> int:
  """Steps that are known to be done and must be done again."""
  if place not in whole_runs.STAGES or whole_runs.is_done(workdir, place):
    return 0
  saved = [int(path.name) for path in whole_runs.checkpoints(workdir, place)]
  stopped = re.findall(r'stops at step (\d+)', log)
  reached = max(
      whole_runs.logged_step(workdir, place), *map(int, stopped[-1:]), 0
  )
  return max(reached - max(saved, default=0), 0)


def _disturbed(
    workdir: pathlib.Path,
    most: int,
    sent: signal.Signals,
    longest: float,
    rng: random.Random,
) -> tuple[list[_Kill], str]:
  """Starts a run again and again until it ends by itself.

  Args:
    workdir: a fresh one.
    most: after this many kills, the run is not killed again.
    sent: the signal.
    longest: it comes at most so many seconds after a start.
    rng: draws when.

  Returns:
    The kills, and what went wrong with the run, if anything.
  """
  kills: list[_Kill] = []
  stderr = workdir.with_suffix('.stderr')
  while True:
    before = len(whole_runs.log(workdir))
    wait = rng.uniform(0, longest) if len(kills) < most else None
    with whole_runs.start(_command(workdir), stderr) as process:
      try:
        code = process.wait(wait)
        line = whole_runs.last_line(stderr)
        return kills, f'exit code {code}: {line}' if code else ''
      except subprocess.TimeoutExpired:
        begin = time.perf_counter()
        process.send_signal(sent)
        code = process.wait(_PATIENCE)
      finally:
        process.kill()
    seconds = time.perf_counter() - begin
    log = whole_runs.log(workdir)[before:]
    place = next(p for p, mark in _PLACES.items() if re.search(mark, log))
    lost = lost_steps(workdir, place, log)
    kills.append(_Kill(sent, place, code, seconds, lost))
    print(f'  {kills[-1]}', file=sys.stderr, flush=True)


def _measure(
    folder: pathlib.Path, sent: signal.Signals, count: int, longest: float
) -> tuple[list[_Kill], list[str]]:
  """Kills runs of fresh workdirs; the kills, and what went wrong."""
  rng = random.Random(f'{_SEED.value} {sent.name}')
  kills, faults, number = [], [], 0
  while len(kills) < count:
    workdir = folder / f'{sent.name}{number}'
    new, wrong = _disturbed(workdir, count - len(kills), sent, longest, rng)
    found = whole_runs.differences(workdir, folder / 'undisturbed')
    wrong = wrong or ', '.join(found)
    print(f'{workdir.name}: {wrong or "equal"}', file=sys.stderr, flush=True)
    faults += [f'{workdir.name}: {wrong}'] if wrong else []
    faults += filter(None, (kill.fault() for kill in new))
    kills, number = kills + new, number + 1
    shutil.rmtree(workdir, ignore_errors=True)
  return kills, faults


def _show(kills: list[_Kill]) -> None:
  rows = []
  for sent in (signal.SIGKILL, signal.SIGTERM):
    for place in reversed(_PLACES):
      some = [k for k in kills if (k.sent, k.place) == (sent, place)]
      if some:
        seconds = [kill.seconds for kill in some]
        rows.append((
            sent.name, place, len(some), max(k.lost_steps for k in some),
            f'{statistics.median(seconds):.2f}', f'{max(seconds):.2f}',
        ))  # fmt: skip
  heads = ('signal', 'in', 'kills', 'most steps lost', 's to stop', 'most')
  print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True))


def main(_: list[str]) -> None:
  """Prints the table."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name).resolve()
    # The second one finds the programs compiled, as those that are killed do.
    for run in ('undisturbed', 'again'):
      begin = time.perf_counter()
      whole_runs.undisturbed(_command(folder / run), folder / run)
      longest = time.perf_counter() - begin
    faults = whole_runs.differences(folder / 'again', folder / 'undisturbed')
    kills = []
    for sent, count in (
        (signal.SIGKILL, _KILLS.value), (signal.SIGTERM, _TERMS.value),
    ):  # fmt: skip
      new, wrong = _measure(folder, sent, count, longest)
      kills, faults = kills + new, faults + wrong
  _show(kills)
  for fault in faults:
    print(f'not as promised: {fault}')
  sys.exit(bool(faults))


if __name__ == '__main__':
  app.run(main)
