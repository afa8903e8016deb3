"""--mode=ablation: the methods against each other, see `runs.ablation`."""

from typing import Any

from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs import ablation as ablation_lib
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import hosts


def ablation(
    config: Any, workdir: Workdir, other: Workdir | None = None
) -> None:
  """Trains all methods by all seeds, and compares them.

  Args:
    config: the config of the comparison.
    workdir: its folder.
    other: see `runs.ablation.train`.
  """

  def check() -> None:
    ablation_lib.check_config(config)
    memory_needs.check_training(config, workdir)
    memory_needs.check_evaluation(config, workdir)

  with opening.opened(
      config, workdir, 'ablation', check, ablation_lib.check_labels
  ) as run:
    ablation_lib.train(run, other)
    if hosts.is_first():
      report.measure(run)
      report.show(run)
