"""Whether a long training holds more and more memory, files or threads.

    python benchmarks/robustness/endurance.py --steps=20000

One process trains a stage by the real loop, with real checkpoints, of tiny nets
on tiny images, while a thread of its own looks at the process (on Linux): its
resident memory, its open files and its threads. The first half is a warm-up, in
which pools fill. A straight line through the second half says by how much
memory grows.

Exits with 1 where it grows by more than --most_kib in 1,000 steps, where open
files grow at all, or threads by more than two, which pools may open late. Of
each half the smallest number counts, since a checkpoint that is being written
holds some for a moment, and the first tenth of all samples does not. The
longest of the published trainings, CelebA's, makes some 200,000 steps a stage:
the default of 1 MiB lets it grow by 200 MiB at most.
"""

import contextlib
import os
import pathlib
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import tabulate
from absl import app
from absl import flags
from absl import logging
from ml_collections import ConfigDict

import whole_runs
from eqlandmarks.configs import common
from eqlandmarks.runs import config_checks
from eqlandmarks.training import devices
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages

_STEPS = flags.DEFINE_integer('steps', 20_000, 'To train.', lower_bound=400)
_STAGE = flags.DEFINE_enum(
    'stage', 'pretrain', ['pretrain', 'discover'], 'What is trained.'
)
_EVERY = flags.DEFINE_float('every_seconds', 10.0, 'Between checkpoints.')
_MOST = flags.DEFINE_float(
    'most_kib', 1024.0, 'By so much memory may grow in 1,000 steps.'
)

_IMAGES, _SAMPLES, _ROWS = 256, 200, 10
# Between two looks: much less than what training does between two samples.
_SECONDS = 0.05
# By how much each may grow.
_GROWTH = {'open files': 0, 'threads': 2}

# (step, KiB of resident memory, open files, threads)
Sample = tuple[int, int, int, int]


def _make_config() -> ConfigDict:
  """Nets and images as small as they may be."""
  config = common.get_config()
  common.small(config)
  config.image_size, config.batch_size = 32, 2
  config.num_landmarks = 4
  config.model.widths = (4, 4, 4, 4)
  config.model.features = config.model.landmark_width = 4
  config.pretrain.num_locations = 8
  for stage in (config.pretrain, config.discover):
    stage.decay = 1.0  # hundreds of epochs would leave nothing of the rate
  config.checkpoint.every_seconds = _EVERY.value
  config_checks.check(config)
  return config


def _train(config: ConfigDict, folder: pathlib.Path) -> None:
  images = np.random.default_rng(0).integers(
      0, 256, (_IMAGES, config.image_size, config.image_size, 3), np.uint8
  )
  stage = stage_folder.StageFolder(folder / _STAGE.value)
  length = {
      'num_epochs': 1 + _STEPS.value * config.batch_size // _IMAGES,
      'max_steps': _STEPS.value,
  }
  if _STAGE.value == 'pretrain':
    stages.pretrain(config, images, stage, **length)
  else:
    stages.discover(
        config, images, stage, title='discover', features=None,
        train_features=True, **length,
    )  # fmt: skip


@contextlib.contextmanager
def _sampled(folder: pathlib.Path) -> Iterator[list[Sample]]:
  """Samples this process every so many steps of what runs in the block."""
  samples: list[Sample] = []
  end = threading.Event()

  def watch() -> None:
    while not end.wait(_SECONDS):
      step = whole_runs.logged_step(folder, _STAGE.value)
      due = samples[-1][0] + _STEPS.value // _SAMPLES if samples else 0
      if step >= due:
        samples.append((step, *_look()))

  thread = threading.Thread(target=watch, daemon=True)
  thread.start()
  try:
    yield samples
  finally:
    end.set()
    thread.join()


def _look() -> tuple[int, int, int]:
  process = pathlib.Path('/proc/self')
  pages = int((process / 'statm').read_text().split()[1])
  kib = pages * os.sysconf('SC_PAGE_SIZE') // 1024
  files = len(os.listdir(process / 'fd')) - 1  # without the listing's own
  return kib, files, len(os.listdir(process / 'task'))


def grown(
    samples: Sequence[Sample], most_kib: float
) -> tuple[float, list[str]]:
  """KiB by which memory grows in 1,000 steps, and all that grows too much."""
  # What is opened once, at the first checkpoint, is no growth.
  table = np.asarray(samples, np.float64)[len(samples) // 10 :]
  first, second = np.split(table, [len(table) // 2])
  slope = float(np.polyfit(second[:, 0] / 1000, second[:, 1], 1)[0])
  faults = []
  if not slope <= most_kib:
    faults.append(
        f'memory grows by {slope:.0f} KiB in 1,000 steps, expected at most '
        f'{most_kib:.0f}'
    )
  for column, (name, most) in enumerate(_GROWTH.items(), start=2):
    before, after = first[:, column].min(), second[:, column].min()
    if after > before + most:
      faults.append(f'{name}: {before:.0f} at first, {after:.0f} later')
  return slope, faults


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  config = _make_config()
  devices.use_all_cores(config.batch_size)
  devices.keep_compiled()
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    with _sampled(folder) as samples:
      _train(config, folder)
  slope, faults = grown(samples, _MOST.value)
  rows = [
      (f'{step:,}', f'{kib / 1024:.1f}', files, threads)
      for step, kib, files, threads in samples[:: len(samples) // _ROWS or 1]
  ]
  heads = ('step', 'resident MiB', 'open files', 'threads')
  print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True))
  print(f'in the second half, memory grows by {slope:.1f} KiB in 1,000 steps')
  for fault in faults:
    print(f'not as promised: {fault}')
  sys.exit(bool(faults))


if __name__ == '__main__':
  app.run(main)
