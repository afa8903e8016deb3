"""Whether a run that is killed again and again comes to the same end.

    python benchmarks/kills.py --kills=50 --terms=20 --seed=0

A tiny run is made twice without a disturbance. Then the same command is started
in a fresh workdir, killed by SIGKILL at a random time, and started again, until
it ends by itself; then in the next workdir, until there were so many kills. The
times are uniform over the time that a run takes, so that start-up, both stages
and the evaluation have their share. After that, the same with SIGTERM.

Of each run that came to its end, the parameters of both stages, the metrics and
the results must be those of the undisturbed run, byte for byte. SIGTERM may not
lose a step, and ends with exit code 143 (or, where Python is not up yet, by the
signal itself). A step is lost that was known when the signal came, by
metrics.csv, by the progress bar or by the line that SIGTERM writes, and from
before which the next process goes on. Exits with 1 where any of it fails.
"""

import contextlib
import json
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import tabulate
from absl import app
from absl import flags

from parts import kill_notes
from parts import whole_runs

_KILLS = flags.DEFINE_integer('kills', 50, 'By SIGKILL.', lower_bound=0)
_TERMS = flags.DEFINE_integer('terms', 20, 'By SIGTERM.', lower_bound=0)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the times.')
_EPOCHS = flags.DEFINE_integer('epochs', 30, 'Of each stage.', lower_bound=1)
_EVERY = flags.DEFINE_float('every_seconds', 0.5, 'Between checkpoints.')
_KEEP = flags.DEFINE_string(
    'keep', None, 'A folder, in which all workdirs stay.'
)
_JSON = flags.DEFINE_bool('json', False, 'Prints JSON as the last line.')

# Much longer than any process needs to stop.
_PATIENCE = 120


def _kill_at(
    process: subprocess.Popen, seconds: float, sent: signal.Signals
) -> tuple[int, float | None]:
  """Exit code, and the seconds from the signal to the end; None without one."""
  with contextlib.suppress(subprocess.TimeoutExpired):
    return process.wait(seconds), None
  begin = time.perf_counter()
  process.send_signal(sent)
  try:
    return process.wait(_PATIENCE), time.perf_counter() - begin
  finally:
    process.kill()


def _disturbed(
    workdir: pathlib.Path,
    most: int,
    sent: signal.Signals,
    longest: float,
    rng: random.Random,
) -> tuple[list[kill_notes.Kill], str]:
  """Starts a run again and again until it ends by itself.

  Args:
    workdir: a fresh one.
    most: after so many kills, the run is left alone.
    sent: the signal.
    longest: it comes at most so many seconds after a start.
    rng: draws when.

  Returns:
    The kills, and what went wrong with the run; '' where nothing did.
  """
  kills, notes = [], kill_notes.Notes(workdir)
  run = whole_runs.command(workdir, _EPOCHS.value, _EVERY.value)
  while True:
    said = workdir.with_name(f'{workdir.name}.{len(kills)}.stderr')
    notes.before()
    wait = rng.uniform(0, longest) if len(kills) < most else None
    process = whole_runs.start(run, said)
    code, stopped = _kill_at(process, wait, sent)
    if stopped is None or code == 0:
      notes.after()
      said = f'exit code {code}: {whole_runs.last_line(said)}' if code else ''
      return kills, said
    kills.append(notes.killed(sent, code, stopped, said))
    print(f'  {kills[-1]}', file=sys.stderr, flush=True)


def _all_disturbed(
    folder: pathlib.Path, sent: signal.Signals, count: int, longest: float
) -> Iterator[tuple[list[kill_notes.Kill], str]]:
  """Runs of fresh workdirs until there were so many kills."""
  rng = random.Random(f'{_SEED.value} {sent.name}')
  left, number = count, 0
  while left > 0:
    workdir = folder / f'{sent.name}{number}'
    kills, wrong = _disturbed(workdir, left, sent, longest, rng)
    if not wrong:
      differing = whole_runs.differences(workdir, folder / 'undisturbed')
      wrong = ', '.join(f'{name} differs' for name in differing)
    print(f'{workdir.name}: {wrong or "equal"}', file=sys.stderr, flush=True)
    yield kills, wrong
    left, number = left - len(kills), number + 1
    if not _KEEP.value:
      shutil.rmtree(workdir, ignore_errors=True)


def _row(
    stage: str, runs: list[tuple[list[kill_notes.Kill], str]]
) -> dict[str, int | float | bool | None]:
  """The figures of a stage; of all of them for 'all'."""
  there = [
      (kills, wrong)
      for kills, wrong in runs
      if any(stage in (kill.stage, 'all') for kill in kills)
  ]
  kills = [
      kill
      for kills, _ in there
      for kill in kills
      if stage in (kill.stage, 'all')
  ]
  stopped = [kill.seconds for kill in kills]
  return {
      'kills': len(kills),
      'runs': len(there),
      'equal': not any(wrong for _, wrong in there),
      'most_steps_lost': max((kill.lost for kill in kills), default=None),
      'seconds_median': statistics.median(stopped) if stopped else None,
      'seconds_most': max(stopped, default=None),
  }


def _measure(folder: pathlib.Path) -> tuple[dict[str, dict], list[str]]:
  """The figures of each signal and stage, and what went wrong."""
  epochs, every = _EPOCHS.value, _EVERY.value
  whole_runs.undisturbed(folder / 'undisturbed', epochs, every)
  # The second one finds the programs compiled, as those that are killed do.
  longest = whole_runs.undisturbed(folder / 'again', epochs, every)
  print(f'a run takes {longest:.1f} s', file=sys.stderr, flush=True)
  found, faults = {}, [
      f'undisturbed run: {name} differs'
      for name in whole_runs.differences(
          folder / 'again', folder / 'undisturbed'
      )
  ]  # fmt: skip
  for sent, count in (
      (signal.SIGKILL, _KILLS.value), (signal.SIGTERM, _TERMS.value),
  ):  # fmt: skip
    if not count:
      continue
    runs = list(_all_disturbed(folder, sent, count, longest))
    faults += [
        f'{sent.name}, run {n}: {wrong}'
        for n, (_, wrong) in enumerate(runs)
        if wrong
    ]
    faults += [
        f'{sent.name}: {fault}'
        for kills, _ in runs
        for fault in filter(None, map(kill_notes.fault, kills))
    ]
    found[sent.name] = {
        stage: _row(stage, runs) for stage in (*kill_notes.STAGES, 'all')
    }
  return found, faults


def _print(found: dict[str, dict]) -> None:
  rows = [
      (name, stage, row['kills'], row['runs'], 'yes' if row['equal'] else 'NO',
       row['most_steps_lost'], f'{row["seconds_median"]:.2f}',
       f'{row["seconds_most"]:.2f}')
      for name, stages in found.items()
      for stage, row in stages.items()
      if row['kills']
  ]  # fmt: skip
  heads = (
      'signal', 'in', 'kills', 'runs', 'all equal', 'most steps lost',
      's to stop, median', 'most',
  )  # fmt: skip
  print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True))


def main(_: list[str]) -> None:
  """Prints the table."""
  with contextlib.ExitStack() as stack:
    folder = _KEEP.value or stack.enter_context(tempfile.TemporaryDirectory())
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found, faults = _measure(folder)
  _print(found)
  for fault in faults:
    print(f'not as promised: {fault}')
  if _JSON.value:
    print(json.dumps({'seed': _SEED.value, 'faults': faults, **found}))
  sys.exit(bool(faults))


if __name__ == '__main__':
  app.run(main)
