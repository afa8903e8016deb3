"""Whether a run comes to the same end after damage, and after a full disk.

    python benchmarks/robustness/damage.py --seed=0

A tiny run is killed in stage 2, with two checkpoints there. In copies of its
workdir, a random file of the newer checkpoint is cut at a random place, or a
random byte of it is changed; then the same command runs to its end. It must
name the file, and the parameters, metrics and results must be those of an
undisturbed run, byte for byte.

Then the program runs on file systems in memory of several sizes, each too small
for it, which only root may mount: it must end with exit code 2 and one line,
and with more room the same command must come to the same end as ever. Exits
with 1 where any of it fails.
"""

import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import tabulate
from absl import app
from absl import flags

import whole_runs

_CUTS = flags.DEFINE_integer('cuts', 20, 'Files that are cut.')
_FLIPS = flags.DEFINE_integer('flips', 20, 'Files of which a byte changes.')
_SEED = flags.DEFINE_integer('seed', 0, 'Of what is damaged, and where.')
_EPOCHS = flags.DEFINE_integer('epochs', 8, 'Of each stage.', lower_bound=1)
_SIZES = flags.DEFINE_list(
    'tmpfs_kib', ['100', '300', '1000', '2000', '4000', '6000', '8000'],
    "Sizes of the file systems that fill up; '' leaves them out.",
)  # fmt: skip


def _command(workdir: pathlib.Path) -> list[str]:
  # Every log step has its checkpoint: the stages are short.
  return whole_runs.command(workdir, _EPOCHS.value, every_seconds=0.0)


def _stop_half_way(folder: pathlib.Path) -> pathlib.Path:
  """The workdir of a run that was killed in stage 2 with two checkpoints.

  Raises:
    RuntimeError: it never had two of them when it was killed.
  """
  for attempt in range(5):
    workdir = folder / f'half{attempt}'

    def ready(workdir=workdir) -> bool:
      return len(whole_runs.checkpoints(workdir, 'two_stage')) == 2

    run = _command(workdir)
    with whole_runs.start(run, workdir.with_suffix('.stderr')) as process:
      while process.poll() is None and not ready():
        time.sleep(0.01)
      process.kill()
    if ready() and not whole_runs.is_done(workdir, 'two_stage'):
      return workdir
  raise RuntimeError('no run was killed with two checkpoints of stage 2')


def damage(
    checkpoint: pathlib.Path, kind: str, rng: random.Random
) -> tuple[str, str]:
  """Cuts or changes a random file of a checkpoint at a random place.

  Args:
    checkpoint: the folder.
    kind: 'cut' or 'flipped', which changes one byte.
    rng: draws the file, the place and the byte.

  Returns:
    The file's path in the checkpoint, and what was done to it.
  """
  files = [path for path in sorted(checkpoint.rglob('*')) if path.is_file()]
  path = rng.choice([path for path in files if path.stat().st_size])
  content = bytearray(path.read_bytes())
  place = rng.randrange(len(content))
  if kind == 'cut':
    what = f'cut to {place} of {len(content)} bytes'
    del content[place:]
  else:
    content[place] ^= rng.randrange(1, 256)
    what = f'byte {place} of {len(content)} is {content[place]}'
  path.write_bytes(content)
  return path.relative_to(checkpoint).as_posix(), what


def _damaged(
    kind: str, half: pathlib.Path, reference: pathlib.Path, rng: random.Random
) -> tuple[str, str]:
  """What was damaged in a copy, and what went wrong with the run then."""
  workdir = half.with_name('copy')
  shutil.copytree(half, workdir)
  newest = whole_runs.checkpoints(workdir, 'two_stage')[-1]
  name, what = damage(newest, kind, rng)
  before = len(whole_runs.log(workdir))
  stderr = workdir.with_suffix('.stderr')
  code = whole_runs.finish(_command(workdir), stderr)
  faults = whole_runs.differences(workdir, reference)
  if code:
    faults = [f'exit code {code}: {whole_runs.last_line(stderr)}']
  folder = '/'.join(newest.parts[-3:])
  new = whole_runs.log(workdir)[before:]
  if f'{folder} is damaged: {name} ' not in new:
    faults.append('it is not named')
  shutil.rmtree(workdir)
  return f'{kind}: {name}, {what}', ', '.join(faults)


@contextlib.contextmanager
def _mounted(place: pathlib.Path, kib: int) -> Iterator[pathlib.Path]:
  """A file system of so many KiB."""
  place.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={kib}k', 'tmpfs', str(place)]
  subprocess.run(mount, check=True)
  try:
    yield place
  finally:
    subprocess.run(['umount', '--lazy', str(place)], check=True)


def _filled(
    folder: pathlib.Path, reference: pathlib.Path, kib: int
) -> tuple[str, str]:
  """The error on a full disk, and what went wrong; then with more room."""
  stderr = folder / f'{kib}.stderr'
  with _mounted(folder / f'{kib}kib', kib) as disk:
    run = _command(disk / 'run')
    code = whole_runs.finish(run, stderr)
    line = whole_runs.last_line(stderr)
    wrong = disk_fault(code, stderr.read_text(errors='replace'))
    more = ['mount', '-o', 'remount,size=64m', str(disk)]
    subprocess.run(more, check=True)
    if again := whole_runs.finish(run, stderr):
      wrong.append(f'then exit code {again}: {whole_runs.last_line(stderr)}')
    wrong += whole_runs.differences(disk / 'run', reference)
  return f'disk of {kib} KiB: {line}', ', '.join(wrong)


def disk_fault(code: int, stderr: str) -> list[str]:
  """What is wrong with the end of a run on a full disk."""
  # A progress bar may end without a new line.
  lines = stderr.replace('\r', '\n').splitlines()
  count = sum(line.startswith('error: ') for line in lines)
  wrong = []
  if code != 2:
    wrong.append(f'exit code {code}, expected 2')
  if count != 1 or 'Traceback' in stderr:
    wrong.append(f"{count} lines of 'error:', expected one and no traceback")
  return wrong


def _measure(folder: pathlib.Path) -> Iterator[tuple[str, str]]:
  """What was done, and what went wrong, each time."""
  reference = folder / 'undisturbed'
  whole_runs.undisturbed(_command(reference), reference)
  rng, kinds = random.Random(_SEED.value), []
  kinds += ['cut'] * _CUTS.value + ['flipped'] * _FLIPS.value
  half = _stop_half_way(folder) if kinds else folder
  for kind in kinds:
    yield _damaged(kind, half, reference, rng)
  sizes = [int(size) for size in _SIZES.value if size]
  if sizes and os.geteuid() != 0:
    print('a disk that fills is left out: only root may mount one')
    return
  for kib in sizes:
    yield _filled(folder, reference, kib)


def main(_: list[str]) -> None:
  """Prints the table."""
  with tempfile.TemporaryDirectory() as name:
    rows = []
    for what, wrong in _measure(pathlib.Path(name).resolve()):
      rows.append((what, wrong or 'same end'))
      print(*rows[-1], sep=': ', file=sys.stderr, flush=True)
  print(tabulate.tabulate(rows, ('what was done', 'then'), 'pipe'))
  sys.exit(any(result != 'same end' for _, result in rows))


if __name__ == '__main__':
  app.run(main)
