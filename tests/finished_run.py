"""A small finished workdir, made once for all tests that take copies of it."""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
FLAGS = (
    '--config=configs/signer.py:tiny', '--config.dataset.num_train=16',
    '--config.dataset.num_validation=8', '--config.dataset.num_test=8',
    '--config.pretrain.num_epochs=1', '--config.discover.num_epochs=1',
    '--config.model.widths=(2,2,2,2)', '--config.model.features=4',
    '--config.model.landmark_width=4', '--config.num_landmarks=4',
    '--config.batch_size=8', '--config.evaluation.sheet_images=2',
    '--config.evaluation.repeats=2',
)  # fmt: skip


@functools.cache
def _make() -> pathlib.Path:
  """Stages 1 and 2, of two steps each, and their figures; without the data."""
  folder = pathlib.Path(tempfile.mkdtemp())
  atexit.register(shutil.rmtree, folder, ignore_errors=True)
  workdir = folder / 'w'
  env = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  subprocess.run(
      [sys.executable, 'main.py', *FLAGS, f'--workdir={workdir}'],
      cwd=ROOT, env=env, check=True, capture_output=True,
  )  # fmt: skip
  for name in ('data', 'figures'):
    shutil.rmtree(workdir / name)
  return workdir


def copy_to(path: pathlib.Path) -> None:
  """Puts a copy at a path where nothing is yet."""
  shutil.copytree(_make(), path)
