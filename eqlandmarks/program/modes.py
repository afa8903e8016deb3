"""What each --mode does: stages, comparison, evaluation and report."""

import contextlib
import io
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks import errors
from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import score
from eqlandmarks.predictor import framing
from eqlandmarks.program import export as export_mode
from eqlandmarks.program import predict as predict_mode
from eqlandmarks.program import prepare
from eqlandmarks.program import report
from eqlandmarks.runs import ablation
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import files
from eqlandmarks.system import journal
from eqlandmarks.system import memory
from eqlandmarks.training import devices
from eqlandmarks.training import hosts

MODES = (
    'train', 'pretrain', 'discover', 'end_to_end', 'ablation', 'evaluate',
    'report', 'prepare', 'predict', 'export',
)

# Those that several processes can share.
_TRAINING = ('train', 'pretrain', 'discover', 'end_to_end', 'ablation')


def run(config: Any, workdir: str, mode: str) -> None:
  """Does what a mode says.

  Args:
    config: a config with the fields of configs/common.py.
    workdir: the run's folder, made if needed.
    mode: one of `MODES`.

  Raises:
    UserError: something in the config, the data or the workdir is wrong. What
      is found before the first step leaves nothing behind.
  """
  folder = Workdir(workdir)
  config_checks.check(config)
  _check_processes(mode)
  folder.check(config)
  # These write elsewhere, and may do so at any time.
  if mode == 'predict':
    predict_mode.predict(config, folder)
    return
  if mode == 'export':
    export_mode.export(config, folder)
    return
  if not hosts.is_first():
    with journal.silent():
      _train(_open_prepared(config, folder, mode), mode)
    return
  with folder.locked(f'--mode={mode}'):
    this = _open(config, folder, mode)
    if mode == 'prepare':
      prepare.show(this)
      return
    with folder.log(f'--mode={mode} begins'):
      _work(this, mode)


def _train(this: run_lib.Run, mode: str) -> None:
  """Trains what a mode says; the part that all processes of a run have."""
  config = this.config
  method = 'unfrozen' if config.discover.train_features else 'two_stage'
  if mode in ('train', 'pretrain'):
    this.pretrain(config.pretrain.num_epochs)
  if mode in ('train', 'discover'):
    this.train_landmarks(method, method, config.discover.num_epochs)
  if mode == 'end_to_end':
    this.train_landmarks(mode, mode, config.end_to_end.num_epochs)
  if mode == 'ablation':
    with devices.compile_once():
      ablation.train(this)


def _work(this: run_lib.Run, mode: str) -> None:
  """Trains, measures and reports what a mode says."""
  _train(this, mode)
  if mode == 'pretrain':
    return
  done = this.workdir.finished(run_lib.METHODS)
  for name in done:
    # In this order, since the former says what has changed.
    if not this.is_evaluated(name) or mode == 'evaluate':
      this.evaluate(name, name)
  ablation.measure(this)
  sources = [this.workdir.records(name) for name in done]
  sources.append(ablation.results(this.workdir))
  if not any(sources):
    raise errors.UserError(
        f'workdir {this.workdir.path} holds a comparison of which no seed is '
        'finished, expected --mode=ablation to go on with it first.'
    )
  this.workdir.write_results(*sources)
  report.report(this)


def _open(config: Any, workdir: Workdir, mode: str) -> run_lib.Run:
  """Checks everything that can be checked, then prepares the dataset."""
  workdir.check(config)  # again, since nobody else can write any more
  if mode == 'ablation':
    ablation.check_config(config)
  if mode in ('evaluate', 'report') and not ablation.rows(workdir):
    workdir.check_finished(run_lib.METHODS)
  if config.pretrained or mode == 'discover':
    run_lib.load_features(config, workdir)
  hosts.check_devices(config.batch_size, config.accumulate)
  if mode in (*_TRAINING, 'prepare'):
    memory.check_training(config)
  if mode not in ('pretrain', 'prepare', 'report'):
    memory.check_evaluation(config)
  builder = _make_builder(config, workdir, mode)
  this = run_lib.Run(config, workdir, builder, loader.describe(builder))
  _check_data(this, mode)
  with _kept_if_used(builder, workdir):
    _prepare(this, mode)
    # One looks at the data in order to change the config yet.
    if mode != 'prepare':
      this.claim()
  _say_notes(this)
  hosts.wait()  # see `_open_prepared`
  return this


@contextlib.contextmanager
def _kept_if_used(
    builder: tfds.core.DatasetBuilder, workdir: Workdir
) -> Iterator[None]:
  """Removes a copy of the data that was prepared for a run that is refused.

  One in a shared cache stays: another workdir can use it.
  """
  place = pathlib.Path(builder.data_dir).resolve()
  there = storage.is_there(builder)
  try:
    yield
  except errors.UserError:
    if not there and place.is_relative_to(workdir.data.resolve()):
      shutil.rmtree(place, ignore_errors=True)
      caching.tidy(builder)
      with contextlib.suppress(OSError):  # another one's data are there
        workdir.data.rmdir()
    raise


def _say_notes(this: run_lib.Run) -> None:
  """Says what a user should know of the data and of the machine."""
  for note in this.description.notes:
    run_lib.say(f'  {note}')
  for sign in report.data_warnings(this):
    run_lib.say(f'warning: {sign}')
  platform = devices.local_devices()[0].platform
  if this.config.dtype == 'bfloat16' and platform == 'cpu':
    run_lib.say(
        'note: config.dtype is bfloat16, which a CPU only imitates: expect '
        'slower steps than with float32'
    )


def _check_processes(mode: str) -> None:
  """Sees that a mode has work for more than one process.

  Raises:
    UserError: there are more, and it has none.
  """
  if jax.process_count() > 1 and mode not in _TRAINING:
    raise errors.UserError(
        f'--mode={mode} is the work of one process, found '
        f'{jax.process_count()}; expected one of {", ".join(_TRAINING)}, or '
        'no flags of several processes.'
    )


def _open_prepared(config: Any, workdir: Workdir, mode: str) -> run_lib.Run:
  """What `_open` gives, for a process that is not the one that prepares.

  Raises:
    UserError: it does not find what the first process has prepared.
  """
  hosts.check_devices(config.batch_size, config.accumulate)
  hosts.wait()
  builder = _make_builder(config, workdir, mode)
  place = pathlib.Path(builder.data_dir)
  if not storage.is_there(builder):
    raise errors.UserError(
        f'{place}: process {jax.process_index()} finds no prepared dataset '
        'there, expected the one that process 0 has prepared: --workdir and '
        'config.dataset.cache must be on a file system that all share.'
    )
  return run_lib.Run(config, workdir, builder, loader.describe(builder))


def _make_builder(
    config: Any, workdir: Workdir, mode: str
) -> tfds.core.DatasetBuilder:
  try:
    return by_name.make_builder(
        config.dataset,
        image_size=config.image_size,
        data_dir=str(files.expanded(config.dataset.cache or workdir.data)),
        outputs=_outputs(config, workdir),
    )
  except errors.UserError:
    # Whoever only looks at the data may still be about to get them.
    if mode == 'prepare':
      print(by_name.instructions(config.dataset.name), flush=True)
    raise


def _outputs(config: Any, workdir: Workdir) -> list[str]:
  """Folders that a run of this config writes to."""
  given = config.dataset.cache, config.predict.output, config.export.output
  return [str(workdir.path), *filter(None, given)]


def _prepare(this: run_lib.Run, mode: str) -> None:
  """Prepares the dataset, unless it is prepared already."""
  builder = this.builder
  # The builders show bars of their own, one per split.
  tfds.disable_progress_bar()
  # tfds speaks of downloads; nothing is downloaded here.
  with contextlib.redirect_stdout(io.StringIO()):
    caching.prepare(builder, f'--mode={mode}')
  _check_sizes(this)
  counts = ', '.join(f'{n} {c}' for n, c in builder.split_sizes().items())
  run_lib.say(f'dataset {this.config.dataset.name}: {counts} images')


def _check_sizes(this: run_lib.Run) -> None:
  """Refuses images of a user's own that are too small to show anything.

  Crops of published data are taken as they are.
  """
  if this.config.dataset.name not in ('folder', 'video'):
    return
  for split in this.builder.split_sizes():
    table = storage.open_table(this.builder, split)
    small = np.flatnonzero(table.original_sizes.min(axis=1) < framing.MIN_SIDE)
    if small.size:
      height, width = table.original_sizes[small[0]]
      raise errors.UserError(
          f'config.dataset: {small.size} images of split {split} show less '
          f'than {framing.MIN_SIDE} pixels, the first is {table.ids[small[0]]} '
          f'with {width:.0f} x {height:.0f}; expected larger ones, or '
          'config.dataset.exclude to leave them out'
      )


def _check_data(this: run_lib.Run, mode: str) -> None:
  """Checks that the images and labels are enough for what is asked.

  Raises:
    UserError: fewer training images than a batch, more steps than a state
      counts, fewer labelled images than `evaluation.samples`, or none where a
      mode needs them.
  """
  description, config = this.description, this.config
  count = _count(this, description.stage_split)
  for stage in (config.pretrain, config.discover, config.end_to_end):
    loader.num_steps(
        count,
        config.batch_size,
        stage.num_epochs,
        multiple=len(devices.all_devices()) * config.accumulate,
    )
  if mode == 'prepare':
    return
  if description.fit_split and description.test_split:
    score.samples(
        config.evaluation,
        _count(this, description.fit_split),
        partial=bool(description.partial),
    )
  elif config.evaluation.samples:
    raise errors.UserError(
        f'config.evaluation.samples is {config.evaluation.samples}, but there '
        'are no labelled images to fit and to score on; expected ().'
    )
  if mode == 'ablation':
    ablation.check_labels(this)


def _count(this: run_lib.Run, split: str) -> int:
  sizes = this.builder.split_sizes()
  return sum(sizes[name] for name in split.split('+'))
