"""Whether a run comes to the same end after damage, and after a full disk.

    python benchmarks/damage.py --seed=0

A tiny run is killed in stage 2, with two checkpoints there. In copies of its
workdir, a random file of the newer checkpoint is cut at a random place, or a
random byte of it is changed; then the same command runs to its end. It must
name the file, and the parameters, metrics and results must be those of an
undisturbed run, byte for byte.

Then the program runs on file systems in memory of several sizes, each too small
for it, which only root may mount: it must end with exit code 2 and one line,
and with more room the same command must come to the same end as ever. The
compiled programs and temporary files lie elsewhere. Exits with 1 where any of
it fails.
"""

import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

import tabulate
from absl import app
from absl import flags

from parts import damages
from parts import full_disks
from parts import whole_runs

_CUTS = flags.DEFINE_integer('cuts', 20, 'Files that are cut.')
_FLIPS = flags.DEFINE_integer('flips', 20, 'Files of which a byte changes.')
_SEED = flags.DEFINE_integer('seed', 0, 'Of what is damaged, and where.')
_EPOCHS = flags.DEFINE_integer('epochs', 8, 'Of each stage.', lower_bound=1)
_SIZES = flags.DEFINE_list(
    'tmpfs_kib', ['100', '300', '1000', '2000', '4000', '6000', '8000'],
    "Sizes of the file systems that fill up; '' leaves them out.",
)  # fmt: skip
_JSON = flags.DEFINE_bool('json', False, 'Prints JSON as the last line.')

# Every log step has its checkpoint: the stages are short.
_EVERY = 0.0
_TRIES = 5


def _stop_half_way(folder: pathlib.Path) -> pathlib.Path:
  """The workdir of a run that was killed in stage 2 with two checkpoints.

  Raises:
    RuntimeError: it always had other ones when it was killed.
  """
  for number in range(_TRIES):
    workdir = folder / f'half{number}'
    process = whole_runs.start(
        whole_runs.command(workdir, _EPOCHS.value, _EVERY),
        workdir.with_suffix('.stderr'),
    )
    try:
      while process.poll() is None and not damages.two_sealed(workdir):
        time.sleep(0.01)
    finally:
      process.kill()
      process.wait()
    if damages.two_sealed(workdir):
      return workdir
  raise RuntimeError(f'no run of {_TRIES} was killed with two checkpoints')


def _damaged(
    kind: str, half: pathlib.Path, reference: pathlib.Path, rng: random.Random
) -> dict[str, str]:
  """What was damaged in a copy, and what went wrong with the run then."""
  workdir = half.with_name('copy')
  shutil.copytree(half, workdir)
  newest = damages.newest(workdir)
  name, what = damages.damage(newest, kind, rng)
  before = len(whole_runs.log(workdir))
  said = workdir.with_suffix('.stderr')
  code, _ = whole_runs.finish(
      whole_runs.command(workdir, _EPOCHS.value, _EVERY), said
  )
  faults = [f'{n} differs' for n in whole_runs.differences(workdir, reference)]
  if code:
    faults = [f'exit code {code}: {whole_runs.last_line(said)}']
  new = whole_runs.log(workdir)[before:]
  if not damages.is_named(new, newest, name):
    faults.append('it is not named')
  shutil.rmtree(workdir)
  return {'file': name, 'what': what, 'wrong': ', '.join(faults)}


def _measure_damage(
    folder: pathlib.Path, reference: pathlib.Path
) -> dict[str, list[dict[str, str]]]:
  if not _CUTS.value + _FLIPS.value:
    return {}
  rng, half = random.Random(_SEED.value), _stop_half_way(folder)
  found = {}
  for kind, count in (('cut', _CUTS.value), ('flipped', _FLIPS.value)):
    found[kind] = []
    for _ in range(count):
      found[kind].append(_damaged(kind, half, reference, rng))
      print(kind, found[kind][-1], file=sys.stderr, flush=True)
  return found


def _fill(
    folder: pathlib.Path, reference: pathlib.Path, kib: int
) -> dict[str, str | int]:
  """A run on a file system that fills up, and again with more room."""
  said = folder / f'{kib}.stderr'
  with full_disks.mounted(folder / f'{kib}kib', kib) as disk:
    run = whole_runs.command(disk / 'run', _EPOCHS.value, _EVERY)
    code, _ = whole_runs.finish(run, said)
    line = whole_runs.last_line(said)
    wrong = full_disks.fault(code, said.read_text(errors='replace'))
    full_disks.enlarge(disk)
    again, _ = whole_runs.finish(run, said)
    faults = whole_runs.differences(disk / 'run', reference)
    wrong += [f'{name} differs' for name in faults]
    if again:
      wrong.append(f'then exit code {again}: {whole_runs.last_line(said)}')
  found = {'kib': kib, 'code': code, 'line': line, 'wrong': ', '.join(wrong)}
  print(found, file=sys.stderr, flush=True)
  return found


def _print(found: dict[str, list[dict]]) -> None:
  rows = [
      (kind, len(cases), len({case['file'] for case in cases}),
       sum(not case['wrong'] for case in cases))
      for kind, cases in found.items()
      if kind != 'full'
  ]  # fmt: skip
  heads = ('checkpoint', 'times', 'different files', 'named, same end')
  print(tabulate.tabulate(rows, heads, 'pipe') + '\n')
  rows = [
      (f'{case["kib"]:,} KiB', case['code'],
       full_disks.full_at(case['line']),
       'no' if case['wrong'] else 'yes')
      for case in found['full']
  ]  # fmt: skip
  heads = ('disk', 'exit code', 'full at', 'one line, then the same end')
  if rows:
    print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True))
  for kind, cases in found.items():
    for case in cases:
      if case['wrong']:
        print(f'not as promised: {kind}, {case}')


def main(_: list[str]) -> None:
  """Prints the tables."""
  sizes = [int(size) for size in _SIZES.value if size]
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name).resolve()
    reference = folder / 'undisturbed'
    whole_runs.undisturbed(reference, _EPOCHS.value, _EVERY)
    found = _measure_damage(folder, reference)
    if sizes and not full_disks.may_mount():
      print('a disk that fills is left out: only root may mount one')
      sizes = []
    found['full'] = [_fill(folder, reference, kib) for kib in sizes]
  _print(found)
  if _JSON.value:
    print(json.dumps({'seed': _SEED.value, **found}))
  sys.exit(any(case['wrong'] for cases in found.values() for case in cases))


if __name__ == '__main__':
  app.run(main)
