"""How modes open a run: everything is checked, then the data are prepared."""

import contextlib
import io
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator
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
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import file_names
from eqlandmarks.system import journal
from eqlandmarks.training import devices
from eqlandmarks.training import hosts
from eqlandmarks.training import unlearnable
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs


@contextlib.contextmanager
def opened(
    config: Any,
    workdir: Workdir,
    mode: str,
    check_more: Callable[[], None],
    check_data: Callable[[run_lib.Run], None] | None = None,
) -> Iterator[run_lib.Run]:
  """Opens a run in its workdir, which is locked and logs what is done.

  Where several processes train, the first one checks and prepares for all.

  Args:
    config: the config of the run.
    workdir: its folder.
    mode: what it is opened for.
    check_more: checks what this mode needs, before the data are read.
    check_data: checks what it needs of the data, before they are prepared.

  Raises:
    UserError: something is wrong; nothing is left behind then.
  """
  if not hosts.is_first():
    with journal.silent():
      yield _open_prepared(config, workdir)
    return
  with workdir.locked(f'--mode={mode}'):
    check(config, workdir, check_more)
    run = make_run(config, workdir)
    check_size(run)
    _check_samples(run)
    if check_data:
      check_data(run)
    with kept_if_used(run):
      prepare(run, mode)
      check_frames(run)
      run.claim()
    say_notes(run)
    hosts.wait()  # see `_open_prepared`
    with workdir.log(f'--mode={mode} begins'):
      yield run


def check(
    config: Any, workdir: Workdir, check_more: Callable[[], None]
) -> None:
  """Checks what can be known without the data, in a workdir that is locked."""
  workdir_checks.check(workdir, config)  # again: only now is it ours alone
  check_more()
  if config.pretrained:
    run_lib.load_features(config, workdir)
  hosts.check_devices(config.batch_size, config.accumulate)


def make_run(config: Any, workdir: Workdir) -> run_lib.Run:
  """The run of a config, whose data need not be prepared yet."""
  outputs = config.dataset.cache, config.predict.output, config.export.output
  builder = by_name.make_builder(
      config.dataset,
      image_size=config.image_size,
      data_dir=str(file_names.expanded(config.dataset.cache or workdir.data)),
      outputs=[str(workdir.path), *filter(None, outputs)],
  )
  return run_lib.Run(config, workdir, builder, loader.describe(builder))


def _open_prepared(config: Any, workdir: Workdir) -> run_lib.Run:
  """The run, for a process that is not the one that prepares."""
  hosts.check_devices(config.batch_size, config.accumulate)
  hosts.wait()
  run = make_run(config, workdir)
  if not storage.is_there(run.builder):
    raise errors.UserError(
        f'{pathlib.Path(run.builder.data_dir)}: process {jax.process_index()} '
        'finds no prepared dataset there, expected the one that process 0 has '
        'prepared: --workdir and config.dataset.cache must be on a file system '
        'that all share.'
    )
  return run


def check_size(run: run_lib.Run) -> None:
  """Checks that each stage has a batch of images, and not too many steps."""
  config = run.config
  for name, section in (
      ('pretrain', 'pretrain'), ('discover', 'discover'),
      ('end_to_end', 'discover'),
  ):  # fmt: skip
    split = run.training_split(section)
    _check_labels(run, section, split)
    loader.num_steps(
        _count(run, split),
        config.batch_size,
        config[name].num_epochs,
        multiple=len(devices.all_devices()) * config.accumulate,
    )


_SECTIONS = ('pretrain', 'discover')


def needs_frames(run: run_lib.Run) -> bool:
  """Whether a stage trains on pairs of frames."""
  return any(
      pairs.load(run.config[stage].pair, stage).has_frame for stage in _SECTIONS
  )


def check_frames(run: run_lib.Run) -> None:
  """Checks that there are pairs of frames where any are needed.

  The dataset is prepared.
  """
  for stage in _SECTIONS:
    partners = run.partners(stage)
    if partners:
      loader.num_steps(
          len(partners.rows), run.config.batch_size,
          run.config[stage].num_epochs,
      )  # fmt: skip


def _check_labels(run: run_lib.Run, section: str, split: str) -> None:
  """Checks that an objective that needs labels has a landmark for each."""
  objective = run.config[section].objective
  if not objectives.load(objective, section).needs_labels:
    return
  name, count = run.config.dataset.name, len(run.description.point_names)
  if not split:
    raise errors.UserError(
        f'config.{section}.objective is {objective!r}, but dataset {name} has '
        'no annotated images to train on; expected some '
        '(config.dataset.labels).'
    )
  if run.config.num_landmarks != count:
    raise errors.UserError(
        f'config.num_landmarks is {run.config.num_landmarks}, expected '
        f'{count}, the annotated points of dataset {name}, with '
        f'config.{section}.objective {objective!r}.'
    )


def _check_samples(run: run_lib.Run) -> None:
  """Checks that there are as many labels as `evaluation.samples` asks for."""
  description, evaluation = run.description, run.config.evaluation
  if description.fit_split and description.test_split:
    count = _count(run, description.fit_split)
    score.samples(evaluation, count, partial=bool(description.partial))
  elif evaluation.samples:
    raise errors.UserError(
        f'config.evaluation.samples is {evaluation.samples}, but there are no '
        'labelled images to fit and to score on; expected ().'
    )


def _count(run: run_lib.Run, split: str) -> int:
  sizes = run.builder.split_sizes()
  return sum(sizes[name] for name in split.split('+'))


@contextlib.contextmanager
def kept_if_used(run: run_lib.Run) -> Iterator[None]:
  """Removes a copy of the data that was prepared for a run that is refused.

  One in a shared cache stays: another workdir can use it.
  """
  builder, data = run.builder, run.workdir.data
  place = pathlib.Path(builder.data_dir).resolve()
  was_there = storage.is_there(builder)
  try:
    yield
  except errors.UserError:
    if not was_there and place.is_relative_to(data.resolve()):
      shutil.rmtree(place, ignore_errors=True)
      caching.tidy(builder)
      with contextlib.suppress(OSError):  # other data are there, too
        data.rmdir()
    raise


def prepare(run: run_lib.Run, mode: str) -> None:
  """Prepares the dataset, unless it is prepared already."""
  # The builders show bars of their own, one per split.
  tfds.disable_progress_bar()
  # tfds speaks of downloads; nothing is downloaded here.
  with contextlib.redirect_stdout(io.StringIO()):
    caching.prepare(run.builder, f'--mode={mode}')
  sizes, name = run.builder.split_sizes(), run.config.dataset.name
  if name in ('folder', 'video'):
    _check_sides(run, sizes)
  counts = ', '.join(f'{split} {size}' for split, size in sizes.items())
  run_lib.say(f'dataset {name}: {counts} images')


def _check_sides(run: run_lib.Run, splits: Iterable[str]) -> None:
  """Refuses a user's own images that are too small to show anything.

  Crops of published data are taken as they are.
  """
  for split in splits:
    table = storage.open_table(run.builder, split)
    small = np.flatnonzero(table.original_sizes.min(axis=1) < framing.MIN_SIDE)
    if small.size:
      height, width = table.original_sizes[small[0]]
      raise errors.UserError(
          f'config.dataset: {small.size} images of split {split} show less '
          f'than {framing.MIN_SIDE} pixels, the first is {table.ids[small[0]]} '
          f'with {width:.0f} x {height:.0f}; expected larger ones, or '
          'config.dataset.exclude to leave them out'
      )


def say_notes(run: run_lib.Run) -> None:
  """Says what a user should know of the data and of the machine."""
  for note in run.description.notes:
    run_lib.say(f'  {note}')
  for sign in data_warnings(run):
    run_lib.say(f'warning: {sign}')
  platform = devices.local_devices()[0].platform
  if run.config.dtype == 'bfloat16' and platform == 'cpu':
    run_lib.say(
        'note: config.dtype is bfloat16, which a CPU only imitates: expect '
        'slower steps than with float32'
    )


def data_warnings(run: run_lib.Run) -> list[str]:
  """Signs of images and fields by which a run cannot learn."""
  split = run.description.stage_split
  ids = storage.open_table(run.builder, split).ids
  rows = unlearnable.rows_to_look_at(len(ids))
  pixels = storage.open_pixels(run.builder, split)[rows]
  return [
      *unlearnable.of_images(pixels, ids[rows]),
      *unlearnable.of_config(run.config, ('pretrain', 'discover')),
  ]
