"""Whether a long training holds more and more memory, files or threads.

    python benchmarks/endurance.py --steps=20000

One process trains a stage by the real loop, with real checkpoints, of tiny nets
on tiny images; with --every_seconds=0.3 it saves a thousand of them. A thread
of its own looks at the process meanwhile (on Linux): its resident memory, its
open files and its threads. The first half is a warm-up, in which pools fill. A
straight line through the second half says by how much memory grows.

Exits with 1 where it grows by more than --most_kib in 1,000 steps, where open
files grow at all, or threads by more than two, which pools may open late. Of
each half the smallest number counts, since a checkpoint that is being written
holds some for a moment, and the first tenth of all samples does not. The
longest of the published trainings, CelebA's, makes some 200,000 steps a stage:
the default of 1 MiB lets it grow by 200 MiB at most.
"""

import json
import pathlib
import sys
import tempfile
import time

import tabulate
from absl import app
from absl import flags
from absl import logging
from ml_collections import ConfigDict

from eqlandmarks.configs import common
from eqlandmarks.runs import config_checks
from eqlandmarks.training import devices
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages
from parts import sampling
from parts import whole_runs
from parts import workload

_STEPS = flags.DEFINE_integer(
    'steps', 20_000, 'Of the stage.', lower_bound=400
)
_STAGE = flags.DEFINE_enum(
    'stage', 'pretrain', ['pretrain', 'discover'], 'What is trained.'
)
_EVERY = flags.DEFINE_float('every_seconds', 10.0, 'Between checkpoints.')
_MOST = flags.DEFINE_float(
    'most_kib', 1024.0, 'By so much memory may grow in 1,000 steps.'
)
_JSON = flags.DEFINE_bool('json', False, 'Prints JSON as the last line.')

_IMAGES = 256
_SAMPLES = 200
_ROWS = 10


def _make_config() -> ConfigDict:
  """Nets and images as small as they may be, and checkpoints all the time."""
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
  """Runs the stage to its end."""
  images = workload.images(config, _IMAGES)
  stage = stage_folder.StageFolder(folder / _STAGE.value)
  stages.train(
      config, images, stage,
      method=None if _STAGE.value == 'pretrain' else methods.UNFROZEN,
      num_epochs=1 + _STEPS.value * config.batch_size // _IMAGES,
      max_steps=_STEPS.value,
  )  # fmt: skip


def _measure(folder: pathlib.Path) -> tuple[list[tuple], set[int], float]:
  """The samples, the checkpoints that were seen, and the seconds it took."""
  config, seen = _make_config(), set()
  devices.use_all_cores(config.batch_size)
  devices.keep_compiled()

  def step() -> int:
    seen.update(whole_runs.checkpoints(folder, _STAGE.value))
    return whole_runs.logged_step(folder, _STAGE.value)

  begin = time.perf_counter()
  with sampling.Sampler(step, _STEPS.value // _SAMPLES) as sampler:
    _train(config, folder)
  return sampler.samples, seen, time.perf_counter() - begin


def _print(samples: list[tuple], found: dict[str, float]) -> None:
  rows = [
      (f'{step:,}', f'{kib / 1024:.1f}', files, threads)
      for step, kib, files, threads in sampling.thinned(samples, _ROWS)
  ]
  for half in ('first', 'second'):
    rows.append((
        f'{half} half, median', f'{found[f"kib_{half}_median"] / 1024:.1f}',
        *(f'{found[f"{n}_{half}_median"]:.0f}' for n in ('files', 'threads')),
    ))  # fmt: skip
  heads = ('step', 'resident MiB', 'open files', 'threads')
  print(tabulate.tabulate(rows, heads, 'pipe', disable_numparse=True))


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  with tempfile.TemporaryDirectory() as folder:
    samples, seen, seconds = _measure(pathlib.Path(folder))
  found = sampling.summary(samples)
  _print(samples, found)
  print(
      f'{_STEPS.value:,} steps and {len(seen)} checkpoints in {seconds:.0f} s; '
      f'in the second half, memory grows by {found["kib_per_1000_steps"]:.1f} '
      'KiB in 1,000 steps'
  )
  faults = sampling.faults(found, _MOST.value)
  for fault in faults:
    print(f'not as promised: {fault}')
  if _JSON.value:
    print(json.dumps({
        'stage': _STAGE.value, 'steps': _STEPS.value, 'seconds': seconds,
        'checkpoints': len(seen), 'faults': faults, **found,
    }))  # fmt: skip
  sys.exit(bool(faults))


if __name__ == '__main__':
  app.run(main)
