"""--mode=train, pretrain, discover and end_to_end: the stages.

Each part is skipped where the workdir holds it, and resumed where it holds half
of it; all but `pretrain` end in figures and the report.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from eqlandmarks.program import commands
from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import hosts
from eqlandmarks.training import methods


def train(config: Any, workdir: Workdir) -> None:
  """Both stages."""
  with _opened(config, workdir, 'train') as run:
    run.pretrain(config.pretrain.num_epochs)
    _discover(run)


def pretrain(config: Any, workdir: Workdir) -> None:
  """Stage 1 alone; nothing is measured."""
  check = functools.partial(memory_needs.check_training, config, workdir)
  with opening.opened(config, workdir, 'pretrain', check) as run:
    run.pretrain(config.pretrain.num_epochs)


def discover(config: Any, workdir: Workdir) -> None:
  """Stage 2 alone, on the workdir's stage 1 or that of `config.pretrained`."""
  with _opened(config, workdir, 'discover') as run:
    _discover(run)


def end_to_end(config: Any, workdir: Workdir) -> None:
  """The paper's baseline."""
  with _opened(config, workdir, 'end_to_end') as run:
    num_epochs = config.end_to_end.num_epochs
    run.train_landmarks('end_to_end', 'end_to_end', num_epochs)


@contextlib.contextmanager
def _opened(config: Any, workdir: Workdir, mode: str) -> Iterator[run_lib.Run]:
  """Opens a run for training; what has been trained is then measured."""

  def check() -> None:
    # Stage 1 of another run is checked in whatever mode.
    if mode == 'discover' and not config.pretrained:
      run_lib.load_features(config, workdir)
    memory_needs.check_training(config, workdir)
    memory_needs.check_evaluation(config, workdir)

  with opening.opened(config, workdir, mode, check) as run:
    yield run
    if hosts.is_first():
      report.measure(run)
      report.show(run)
      run_lib.say(commands.next_ones(workdir.path))


def _discover(run: run_lib.Run) -> None:
  method = methods.of_config(run.config).name
  run.train_landmarks(method, method, run.config.discover.num_epochs)
