"""What each --mode does: stages, evaluation and report, in a workdir."""

import contextlib
import dataclasses
import io
import shutil
import sys
from typing import Any

import tensorflow_datasets as tfds

from eqlandmarks import config_checks
from eqlandmarks import errors
from eqlandmarks import evaluation
from eqlandmarks import nets as nets_lib
from eqlandmarks.datasets import examples
from eqlandmarks.datasets import loader
from eqlandmarks.datasets import registry
from eqlandmarks.report import figures
from eqlandmarks.report import tables
from eqlandmarks.training import logs
from eqlandmarks.training import stages
from eqlandmarks.workdir import Workdir

MODES = ('train', 'pretrain', 'discover', 'end_to_end', 'evaluate', 'report')
METHODS = ('two_stage', 'unfrozen', 'end_to_end')


@dataclasses.dataclass(frozen=True)
class _Run:
  """A config, its workdir, and its prepared dataset."""

  config: Any
  workdir: Workdir
  builder: tfds.core.DatasetBuilder
  description: examples.Description

  def stage_images(self) -> Any:
    return loader.load(self.builder, self.description.stage_split).images


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
  this = _open(config, Workdir(workdir), mode)
  method = 'unfrozen' if config.discover.train_features else 'two_stage'
  if mode in ('train', 'pretrain'):
    _pretrain(this)
  if mode in ('train', 'discover'):
    _discover(this, method)
  if mode == 'end_to_end':
    _end_to_end(this)
  if mode == 'pretrain':
    return
  for done in _finished_methods(this.workdir):
    if mode == 'evaluate' or not this.workdir.is_evaluated(done, config):
      _evaluate(this, done)
  _report(this)


def _open(config: Any, workdir: Workdir, mode: str) -> _Run:
  """Checks everything that can be checked, then prepares the dataset."""
  config_checks.check(config)
  workdir.check(config)
  if mode in ('evaluate', 'report'):
    _finished_methods(workdir)
  if config.pretrained or mode == 'discover':
    stages.check_features(config, _load_features(config, workdir))
  stages.check_batch_size(config)
  made = [p for p in (workdir.path, *workdir.path.parents) if not p.exists()]
  try:
    builder = _prepare(config, workdir)
    description = loader.describe(builder)
    loader.steps_per_epoch(
        _count(builder, description.stage_split), config.batch_size
    )
    workdir.claim(config)
  except BaseException:
    if made:  # nothing was there before
      shutil.rmtree(made[-1], ignore_errors=True)
    raise
  for note in description.notes:
    _say(f'  {note}')
  return _Run(config, workdir, builder, description)


def _prepare(config: Any, workdir: Workdir) -> tfds.core.DatasetBuilder:
  """Prepares the dataset, unless it is prepared already."""
  # The builders show bars of their own, one per split.
  tfds.disable_progress_bar()
  builder = registry.make_builder(
      config.dataset,
      image_size=config.image_size,
      data_dir=config.dataset.cache or str(workdir.data),
  )
  # tfds speaks of downloads; nothing is downloaded here.
  with contextlib.redirect_stdout(io.StringIO()):
    builder.download_and_prepare()
  counts = ', '.join(
      f'{name} {split.num_examples}'
      for name, split in builder.info.splits.items()
  )
  _say(f'dataset {config.dataset.name}: {counts} images')
  return builder


def _count(builder: tfds.core.DatasetBuilder, split: str) -> int:
  names = split.split('+')
  return sum(builder.info.splits[name].num_examples for name in names)


def _load_features(config: Any, workdir: Workdir) -> nets_lib.Variables:
  """The variables of F at the end of the stage 1 that stage 2 stands on."""
  source = Workdir(config.pretrained or workdir.path)
  folder = source.stage('pretrain')
  if not folder.is_done:
    field = 'config.pretrained' if config.pretrained else 'workdir'
    raise errors.UserError(
        f'{field} {source.path} holds no finished stage 1, expected the '
        'workdir of a run with --mode=pretrain or --mode=train.'
    )
  return folder.load_variables()[nets_lib.FEATURES]


def _pretrain(this: _Run) -> None:
  folder = this.workdir.stage('pretrain')
  if this.config.pretrained:
    _say(f'stage 1 is taken from {this.config.pretrained}')
    return
  if folder.is_done:
    _say('stage 1 (pretrain) is done already')
    return
  stages.pretrain(this.config, this.stage_images(), folder)
  this.workdir.record_stage('pretrain', this.config)


def _discover(this: _Run, method: str) -> None:
  folder = this.workdir.stage(method)
  if folder.is_done:
    _say(f'stage 2 ({method}) is done already')
    return
  features = _load_features(this.config, this.workdir)
  stages.discover(
      this.config, this.stage_images(), folder, features=features
  )
  this.workdir.record_stage(method, this.config)


def _end_to_end(this: _Run) -> None:
  folder = this.workdir.stage('end_to_end')
  if folder.is_done:
    _say('end-to-end is done already')
    return
  stages.discover(this.config, this.stage_images(), folder, features=None)
  this.workdir.record_stage('end_to_end', this.config)


def _finished_methods(workdir: Workdir) -> list[str]:
  done = [name for name in METHODS if workdir.stage(name).is_done]
  if not done:
    raise errors.UserError(
        f'workdir {workdir.path} holds no finished method, expected one from '
        '--mode=train or --mode=end_to_end.'
    )
  return done


def _evaluate(this: _Run, method: str) -> None:
  variables = this.workdir.stage(method).load_variables()
  model = evaluation.Model(this.config, variables)
  outcome = evaluation.evaluate(
      method,
      model,
      this.config,
      # Without test images there is nothing to score on.
      fit_split=_load(
          this, this.description.test_split and this.description.fit_split
      ),
      test_split=_load(this, _shown_split(this.description)),
      description=this.description,
  )
  this.workdir.add_outcome(method, outcome, this.config)


def _report(this: _Run) -> None:
  """Draws the figures of all methods, and prints the tables."""
  methods = _finished_methods(this.workdir)
  split = _load(this, _shown_split(this.description))
  for method in methods:
    outcome = this.workdir.outcome(method)
    figures.draw_sheets(
        this.workdir.figures / method,
        images=split.images,
        outcome=outcome,
        point_names=this.description.point_names,
        count=this.config.evaluation.sheet_images,
    )
  figures.draw_loss_curves(
      this.workdir.figures / 'losses.png',
      {
          name: logs.read_metrics(this.workdir.path / name)
          for name in ('pretrain', *methods)
      },
  )
  records = this.workdir.results()
  if records:
    print(tables.results_table(records), flush=True)
  else:
    _say('no labelled test images, so no figures: look at the pictures')
  _say(f'pictures are in {this.workdir.figures}')


def _shown_split(description: examples.Description) -> str:
  """The split that is scored and drawn; without labels, what was trained on."""
  return description.test_split or description.stage_split


def _load(this: _Run, split: str) -> loader.Split | None:
  return loader.load(this.builder, split) if split else None


def _say(line: str) -> None:
  print(line, file=sys.stderr, flush=True)
