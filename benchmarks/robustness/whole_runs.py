"""Runs of the whole program, each in a process of its own."""

import json
import os
import pathlib
import re
import subprocess
import sys

STAGES = ('pretrain', 'two_stage')

_ROOT = pathlib.Path(__file__).resolve().parents[2]

# What must come back byte for byte, beside the parameters' SHA-256.
_FILES = (
    'pretrain/metrics.csv', 'two_stage/metrics.csv', 'results.json',
)  # fmt: skip


def command(
    workdir: pathlib.Path, epochs: int, every_seconds: float
) -> list[str]:
  """The tiny run, with so many epochs a stage, seconds between checkpoints."""
  return [
      sys.executable, str(_ROOT / 'main.py'), '--config=signer:tiny',
      f'--workdir={workdir}', f'--config.pretrain.num_epochs={epochs}',
      f'--config.discover.num_epochs={epochs}',
      f'--config.checkpoint.every_seconds={every_seconds}',
  ]  # fmt: skip


def start(run: list[str], stderr: pathlib.Path) -> subprocess.Popen:
  """Starts a run whose standard error goes to a file."""
  with stderr.open('wb') as file:
    return subprocess.Popen(
        run, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=file,
        env={**os.environ, 'PYTHONPATH': str(_ROOT)},
    )  # fmt: skip


def finish(run: list[str], stderr: pathlib.Path) -> int:
  """Runs to the end; returns the exit code."""
  with start(run, stderr) as process:
    try:
      return process.wait()
    finally:
      process.kill()  # where the wait was interrupted


def undisturbed(run: list[str], workdir: pathlib.Path) -> None:
  """Makes the run that others are compared with.

  Raises:
    RuntimeError: it failed.
  """
  stderr = workdir.with_suffix('.stderr')
  if code := finish(run, stderr):
    raise RuntimeError(
        f'the undisturbed run ended with {code}: {last_line(stderr)}'
    )


def differences(workdir: pathlib.Path, reference: pathlib.Path) -> list[str]:
  """What differs from the undisturbed run, or is in neither of them."""
  both = [(_sha256(w), _content(w)) for w in (workdir, reference)]
  return [
      f'{name} differs'
      for kind in (0, 1)
      for name, value in both[0][kind].items()
      if value is None or value != both[1][kind][name]
  ]


def is_done(workdir: pathlib.Path, stage: str) -> bool:
  """Whether a stage is finished."""
  return (workdir / stage / 'done.json').exists()


def checkpoints(workdir: pathlib.Path, stage: str) -> list[pathlib.Path]:
  """The whole checkpoints of a stage, the newest one last."""
  seals = (workdir / stage / 'checkpoints').glob('*/seal.json')
  return sorted((s.parent for s in seals), key=lambda path: int(path.name))


def logged_step(workdir: pathlib.Path, stage: str) -> int:
  """The step of the last whole row of a stage's metrics.csv; 0 without one."""
  content = _read(workdir / stage / 'metrics.csv') or b''
  steps = re.findall(rb'^(\d+),.*\n', content, re.MULTILINE)
  return int(steps[-1]) if steps else 0


def log(workdir: pathlib.Path) -> str:
  """The run's log; '' where there is none yet."""
  return (_read(workdir / 'log.txt') or b'').decode(errors='replace')


def last_line(stderr: pathlib.Path) -> str:
  """The last line of standard error, without progress bars."""
  lines = re.split(r'[\r\n]+', stderr.read_text(errors='replace').strip())
  return lines[-1]


def _sha256(workdir: pathlib.Path) -> dict[str, str | None]:
  return {
      f'parameters of {stage}': json.loads(
          _read(workdir / stage / 'done.json') or b'{}'
      ).get('sha256')
      for stage in STAGES
  }


def _content(workdir: pathlib.Path) -> dict[str, bytes | None]:
  return {name: _read(workdir / name) for name in _FILES}


def _read(path: pathlib.Path) -> bytes | None:
  return path.read_bytes() if path.exists() else None
