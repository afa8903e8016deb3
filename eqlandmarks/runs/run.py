"""A run: its config, its workdir and its data, and what can be done with them.

The modes of `eqlandmarks.program.modes` and the comparison of
`eqlandmarks.runs.ablation` are made of these parts. Every part is skipped where
the workdir holds it, and resumed where it holds a half.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import tensorflow_datasets as tfds

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.datasets.base import contents
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import observe
from eqlandmarks.runs import protocols
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system.journal import note
from eqlandmarks.system.journal import say
from eqlandmarks.training import collapse
from eqlandmarks.training import hosts
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages

PRETRAIN, METHODS = stages.PRETRAIN, methods.METHODS


@dataclasses.dataclass(frozen=True)
class Run:
  """A config, its workdir, and its prepared dataset.

  Attributes:
    config: a config with the fields of configs/common.py.
    workdir: where everything is kept.
    builder: the prepared dataset.
    description: what the builder says of it.
  """

  config: Any
  workdir: Workdir
  builder: tfds.core.DatasetBuilder
  description: examples.Description

  @functools.cached_property
  def content(self) -> contents.Content:
    """What the data are; the dataset is prepared."""
    return contents.of(self.builder, self.description)

  def claim(self) -> None:
    """Makes the workdir that of this run; the first process does it for all.

    Raises:
      UserError: stages are begun there that are of another config, or were
        trained on other images.
    """
    if hosts.is_first():
      workdir_checks.check(self.workdir, self.config)
      workdir_checks.check_images(self.workdir, self.config, self.content)
      workdir_checks.take(self.workdir, self.config, self.content)

  def is_evaluated(self, name: str) -> bool:
    """Whether a stage has figures by this config and these data.

    Says it where the data have changed since it was measured.
    """
    labels = self.content.labels
    if self.workdir.evaluation(name).get('labels', labels) != labels:
      say(
          f'{name}: the labels, or the images that are scored, have changed '
          'since it was measured; its figures are made anew'
      )
    return self.workdir.is_evaluated(name, self.config, labels)

  def load(self, split: str) -> loader.Split | None:
    """A split in memory; None for the split ''."""
    return loader.load(self.builder, split) if split else None

  def pretrain(self, num_epochs: int) -> None:
    """Stage 1, unless another run's is to be used."""
    if self.config.pretrained:
      say(f'stage 1 is taken from {self.config.pretrained}')
      return
    folder = self.workdir.stage(PRETRAIN)
    if _is_done(folder):
      say('stage 1 (pretrain) is done already')
      self._record(PRETRAIN, folder)
      return
    note(f'{PRETRAIN} begins: {num_epochs} epochs')
    self._train(folder, num_epochs)
    self._record(PRETRAIN, folder)

  def train_landmarks(
      self,
      name: str,
      method: str,
      num_epochs: int,
      *,
      after: stage_folder.StageFolder | None = None,
  ) -> None:
    """Stage 2, F frozen or not, or end-to-end.

    Args:
      name: the stage's folder in the workdir.
      method: one of `METHODS`.
      num_epochs: how long, counted from the stage's begin.
      after: a finished, shorter training by the same method, which is trained
        on. No schedule depends on the number of epochs, so that the longer
        training is the same as one without a break.
    """
    folder = self.workdir.stage(name)
    if _is_done(folder):
      say(f'{name} is done already')
      self._record(name, folder)
      return
    if after is not None and hosts.is_first():
      folder.start_from(after)
    features = None
    if METHODS[method].after_pretrain:
      features = load_features(self.config, self.workdir)
    note(f'{name} begins: {num_epochs} epochs')
    self._train(
        folder, num_epochs, method=METHODS[method], features=features
    )
    self._record(name, folder)

  def _train(
      self, folder: stage_folder.StageFolder, num_epochs: int, **of_stage: Any
  ) -> None:
    stages.train(
        self.config,
        self.training_images(),
        folder,
        num_epochs=num_epochs,
        names=self.training_names,
        advise=functools.partial(workdir_checks.way, self.workdir),
        **of_stage,
    )

  def _record(self, name: str, folder: stage_folder.StageFolder) -> None:
    """Puts a finished stage into run.json and the log, unless it is there."""
    if not hosts.is_first():
      return
    summary = folder.summary()
    if not workdir_checks.record_stage(self.workdir, name, self.config):
      return
    digest = summary.get('sha256')
    note(f"{name} ends at step {summary['steps']}, parameters {digest}")

  def evaluate(
      self, name: str, method: str, budgets: Sequence[str] = ()
  ) -> None:
    """Measures a finished stage, and keeps its records and arrays.

    Args:
      name: the stage's folder in the workdir.
      method: what the records call it.
      budgets: of a comparison, what the stage's length stands for.
    """
    say(f'evaluating {name}')
    variables = self.workdir.stage(name).load_variables(
        self.config.evaluation.checkpoint
    )
    check_variables(
        self.config, variables, f'{self.workdir.stage(name).path}'
    )
    training = protocols.of_training(
        self.config,
        self.workdir.stage(name),
        METHODS[method],
        source(self.config, self.workdir),
    )
    if budgets:
      training['budgets'] = list(budgets)
    description = self.description
    outcome = observe.evaluate(
        method,
        self.config,
        variables,
        # Without test images there is nothing to score on.
        fit_split=self.load(description.test_split and description.fit_split),
        test_split=self.load(description.shown_split),
        description=description,
        training=training,
    )
    self.workdir.add_outcome(
        name, outcome, self.config, self.content.labels
    )
    for sign in collapse.of_records(outcome.records):
      say(f'warning: {name} has collapsed: {sign}')

  def training_images(self) -> loader.Images:
    """What feeds both stages."""
    return loader.open_images(
        self.builder,
        self.description.stage_split,
        memory_gib=self.config.dataset.memory_gib,
    )

  def training_names(self, rows: np.ndarray) -> list[str]:
    """The ids of some of them, by their numbers."""
    table = storage.open_table(self.builder, self.description.stage_split)
    return [str(table.ids[row]) for row in rows]


def _is_done(folder: stage_folder.StageFolder) -> bool:
  """Whether a stage is finished and sound, as the first process finds it."""
  if hosts.is_first():
    folder.reopen_if_damaged()
  return hosts.agreed(folder.is_done)


def source(config: Any, workdir: Workdir) -> Workdir:
  """The workdir whose stage 1 stage 2 stands on."""
  return Workdir(config.pretrained or workdir.path)


def load_features(config: Any, workdir: Workdir) -> models.Variables:
  """The variables of F at the end of the stage 1 that stage 2 stands on.

  Raises:
    UserError: there is no finished stage 1, or it is of another image size.
  """
  first = source(config, workdir)
  folder = first.stage(PRETRAIN)
  field = 'config.pretrained' if config.pretrained else 'workdir'
  if not folder.is_done:
    raise errors.UserError(
        f'{field} {first.path} holds no finished stage 1, expected the '
        'workdir of a run with --mode=pretrain or --mode=train.'
    )
  size = (first.config() or {}).get('image_size')
  if size not in (None, config.image_size):
    raise errors.UserError(
        f'{field} {first.path}: stage 1 was trained on images of {size} '
        f'pixels, expected config.image_size, {config.image_size}.'
    )
  variables = folder.load_variables()
  features = {models.FEATURES: variables[models.FEATURES]}
  check_variables(config, features, f'{field} {first.path}')
  return features[models.FEATURES]


def check_variables(
    config: Any, variables: dict[str, models.Variables], source: str
) -> None:
  """Checks that stored variables fit the nets of a config.

  Args:
    config: fields as for `models.make_nets`.
    variables: of one net or of both.
    source: where they come from, for the message.

  Raises:
    UserError: they have other shapes than the config's.
  """
  expected = jax.eval_shape(models.make_nets(config).init, jax.random.key(0))
  shapes_of = functools.partial(jax.tree.map, np.shape)
  for net, stored in variables.items():
    if shapes_of(stored) != shapes_of(expected[net]):
      raise errors.UserError(
          f'{source}: the {net} net stored there has other shapes than '
          'expected by config.num_landmarks and config.model.'
      )
