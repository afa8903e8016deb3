"""Runs of the whole program, each in a process of its own, and their ends."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

STAGES = ('pretrain', 'two_stage')

_ROOT = pathlib.Path(__file__).resolve().parents[2]

# What has to come back byte for byte. `done.json` holds times as well: of it,
# the parameters' SHA-256 is compared.
_FILES = (
    'pretrain/metrics.csv', 'two_stage/metrics.csv', 'results.json',
)  # fmt: skip

# Bytes that surely hold the last rows of a metrics.csv.
_TAIL = 4096


def command(
    workdir: pathlib.Path, epochs: int, every_seconds: float
) -> list[str]:
  """The tiny run, with so many epochs in each stage."""
  return [
      sys.executable, str(_ROOT / 'main.py'), '--config=signer:tiny',
      f'--workdir={workdir}', f'--config.pretrain.num_epochs={epochs}',
      f'--config.discover.num_epochs={epochs}',
      f'--config.checkpoint.every_seconds={every_seconds}',
  ]  # fmt: skip


def start(run: list[str], said: pathlib.Path) -> subprocess.Popen:
  """Starts a run; what it says on standard error goes to a file."""
  with said.open('wb') as file:
    return subprocess.Popen(
        run, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=file,
        env={**os.environ, 'PYTHONPATH': str(_ROOT)},
    )  # fmt: skip


def finish(run: list[str], said: pathlib.Path) -> tuple[int, float]:
  """Waits for a run's end; its exit code, and the seconds that it took."""
  begin = time.perf_counter()
  process = start(run, said)
  try:
    return process.wait(), time.perf_counter() - begin
  finally:
    process.kill()  # only where the wait was cut short


def undisturbed(
    workdir: pathlib.Path, epochs: int, every_seconds: float
) -> float:
  """Makes the run that others are compared with; the seconds that it took.

  Raises:
    RuntimeError: it did not come to its end.
  """
  said = workdir.with_suffix('.stderr')
  code, seconds = finish(command(workdir, epochs, every_seconds), said)
  if code:
    raise RuntimeError(
        f'the undisturbed run ended with {code}: {last_line(said)}'
    )
  return seconds


def differences(workdir: pathlib.Path, reference: pathlib.Path) -> list[str]:
  """What is not as in the undisturbed run; [] where all of it is."""
  found = [
      f'parameters of {stage}'
      for stage in STAGES
      if digest(workdir, stage) is None
      or digest(workdir, stage) != digest(reference, stage)
  ]
  return found + [
      name
      for name in _FILES
      if _content(workdir / name) is None
      or _content(workdir / name) != _content(reference / name)
  ]


def digest(workdir: pathlib.Path, stage: str) -> str | None:
  """SHA-256 of a finished stage's parameters."""
  return done(workdir, stage).get('sha256')


def done(workdir: pathlib.Path, stage: str) -> dict[str, Any]:
  """What a finished stage wrote; {} where it is not finished."""
  content = _content(workdir / stage / 'done.json')
  return {} if content is None else json.loads(content)


def checkpoints(workdir: pathlib.Path, stage: str) -> list[int]:
  """The steps of which there is a checkpoint, sorted."""
  folder = workdir / stage / 'checkpoints'
  names = os.listdir(folder) if folder.is_dir() else []
  return sorted(int(name) for name in names if name.isdecimal())


def logged_step(workdir: pathlib.Path, stage: str) -> int:
  """The step of the last whole row of metrics.csv; 0 where there is none."""
  path = workdir / stage / 'metrics.csv'
  if not path.exists():
    return 0
  with path.open('rb') as file:
    file.seek(max(path.stat().st_size - _TAIL, 0))
    steps = re.findall(rb'^(\d+),.*\n', file.read(), re.MULTILINE)
  return int(steps[-1]) if steps else 0


def log(workdir: pathlib.Path) -> str:
  """The run's log; '' where there is none yet."""
  return (_content(workdir / 'log.txt') or b'').decode(errors='replace')


def last_line(said: pathlib.Path) -> str:
  """The last line that a run said, without its progress bars."""
  lines = re.split(r'[\r\n]+', said.read_text(errors='replace').strip())
  return lines[-1]


def _content(path: pathlib.Path) -> bytes | None:
  return path.read_bytes() if path.exists() else None
