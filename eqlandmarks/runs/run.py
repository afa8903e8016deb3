"""A run: its config, its workdir and its data, and what can be done with them.

The modes of `eqlandmarks.program.modes` and the comparison of
`eqlandmarks.runs.ablation` consist of these parts. Each part is skipped where
the workdir holds it, and resumed where it is half done.
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
from eqlandmarks.datasets.base import clips
from eqlandmarks.datasets.base import contents
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import observe
from eqlandmarks.evaluation import rendered
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
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs

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
    """Makes the workdir that of this run, if its stages fit; see the checks.

    The first process does it for all.
    """
    if hosts.is_first():
      workdir_checks.check(self.workdir, self.config)
      workdir_checks.check_images(self.workdir, self.config, self.content)
      workdir_checks.take(self.workdir, self.config, self.content)

  def is_evaluated(self, name: str) -> bool:
    """Whether a stage has figures by this config and these data."""
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

  def pretrain(
      self, num_epochs: int, other: Workdir | None = None
  ) -> None:
    """Stage 1, unless another run's is to be used.

    Args:
      num_epochs: its length.
      other: a workdir whose finished stage 1 is just this one, to be copied.
    """
    if other and hosts.is_first():
      self.workdir.stage(PRETRAIN).start_from(
          other.stage(PRETRAIN), finished=True
      )
    if self.config.pretrained:
      say(f'stage 1 is taken from {self.config.pretrained}')
      return
    self._train(PRETRAIN, num_epochs)

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
      num_epochs: how long, counted from the start of the stage.
      after: a finished, shorter training by the same method to continue. No
        schedule depends on the number of epochs, so that the result is the same
        as without a break.
    """
    self._train(name, num_epochs, METHODS[method], after)

  def _train(
      self,
      name: str,
      num_epochs: int,
      method: methods.Method | None = None,
      after: stage_folder.StageFolder | None = None,
  ) -> None:
    """Trains a stage unless it is done, and records it in run.json."""
    folder, features = self.workdir.stage(name), None
    stage = stages.DISCOVER if method else PRETRAIN
    if hosts.is_first():
      folder.reopen_if_damaged()
    if hosts.agreed(folder.is_done):
      title = 'stage 1 (pretrain)' if method is None else name
      say(f'{title} is done already')
    else:
      if after is not None and hosts.is_first():
        folder.start_from(after)
      if method is not None and method.after_pretrain:
        features = load_features(self.config, self.workdir)
      note(f'{name} begins: {num_epochs} epochs')
      stages.train(
          self.config,
          self.training_images(stage),
          folder,
          method=method,
          features=features,
          num_epochs=num_epochs,
          names=functools.partial(self.training_names, stage),
          advise=functools.partial(workdir_checks.way, self.workdir),
      )
    if hosts.is_first() and workdir_checks.record_stage(
        self.workdir, name, self.config
    ):
      done = folder.summary()
      note(f"{name} ends at step {done['steps']}, parameters {done['sha256']}")

  def evaluate(
      self, name: str, method: str, budgets: Sequence[str] = ()
  ) -> None:
    """Measures a finished stage, and keeps its records and arrays.

    Args:
      name: the stage's folder in the workdir.
      method: its name in the records.
      budgets: in a comparison, what the stage's length stands for.
    """
    say(f'evaluating {name}')
    config, stage = self.config, self.workdir.stage(name)
    stored = stage.load_variables(config.evaluation.checkpoint)
    variables = of_both_nets(config, stored, f'{stage.path}')
    training = protocols.of_training(
        config, stage, METHODS[method], source(config, self.workdir)
    )
    training['stage_split'] = self.training_split(stages.DISCOVER)
    if budgets:
      training['budgets'] = list(budgets)
    description = self.description
    test_split = self.load(description.shown_split)
    outcome = observe.evaluate(
        method,
        config,
        variables,
        # Without test images there is nothing to score on.
        fit_split=self.load(description.test_split and description.fit_split),
        test_split=test_split,
        description=description,
        training=training,
    )
    outcome.arrays.update(
        rendered.draw_pairs(config, stored, test_split.images, outcome.arrays)
    )
    self.workdir.add_outcome(name, outcome, config, self.content.labels)
    for sign in collapse.of_records(outcome.records):
      say(f'warning: {name} has collapsed: {sign}')

  def training_split(self, stage: str) -> str:
    """The images that train a stage, a section of the config."""
    description = self.description
    if self._needs_labels(stage):
      return description.fit_split
    return description.stage_split

  def training_images(self, stage: str = PRETRAIN) -> loader.Images:
    """What feeds a stage."""
    split = self.training_split(stage)
    if self._needs_labels(stage):
      labelled = loader.load(self.builder, split)
      return loader.LabelledImages(labelled.images, labelled.points)
    images = loader.open_images(
        self.builder, split, memory_gib=self.config.dataset.memory_gib
    )
    partners = self.partners(stage)
    return loader.ClipImages(images, partners) if partners else images

  def partners(self, stage: str) -> clips.Partners | None:
    """The pairs of frames that train a stage; None where it needs none.

    Raises:
      UserError: it needs some, and there are none.
    """
    section = self.config[stage]
    if not pairs.load(section.pair, stage).has_frame:
      return None
    test = self.description.test_split
    return clips.partners(
        storage.open_table(self.builder, self.training_split(stage)),
        storage.open_table(self.builder, test) if test else None,
        gap=tuple(section.gap),
        field=f'config.{stage}.pair is {section.pair!r}',
    )

  def _needs_labels(self, stage: str) -> bool:
    return objectives.load(self.config[stage].objective, stage).needs_labels

  def training_names(self, stage: str, rows: np.ndarray) -> list[str]:
    """The ids of some training images of a stage, by their numbers."""
    table = storage.open_table(self.builder, self.training_split(stage))
    return [str(table.ids[row]) for row in rows]


def source(config: Any, workdir: Workdir) -> Workdir:
  """The workdir whose stage 1 provides the features of stage 2."""
  return Workdir(config.pretrained or workdir.path)


def load_features(config: Any, workdir: Workdir) -> models.Variables:
  """The variables of F at the end of the stage 1 that stage 2 uses.

  Raises:
    UserError: there is no finished stage 1, or it has another image size.
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


def of_both_nets(
    config: Any, stored: dict[str, models.Variables], source: str
) -> dict[str, models.Variables]:
  """The variables of F and T, checked, out of all that a stage has stored.

  Others, such as the renderer's, have served their purpose in training.
  `source` is where they come from, for the message.
  """
  variables = {n: stored[n] for n in (models.FEATURES, models.LANDMARKS)}
  check_variables(config, variables, source)
  return variables


def check_variables(
    config: Any, variables: dict[str, models.Variables], source: str
) -> None:
  """Checks that stored variables of F, or of F and T, fit a config's nets.

  `source` is where they come from, for the message.
  """
  expected = jax.eval_shape(models.make_nets(config).init, jax.random.key(0))
  shapes_of = functools.partial(jax.tree.map, np.shape)
  for net, stored in variables.items():
    if shapes_of(stored) != shapes_of(expected[net]):
      raise errors.UserError(
          f'{source}: the {net} net stored there has other shapes than '
          'expected by config.num_landmarks and config.model.'
      )
