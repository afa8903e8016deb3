"""--mode=ablation: the methods against each other, see `runs.ablation`."""

from typing import Any

from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs import ablation as ablation_lib
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import memory
from eqlandmarks.training import devices
from eqlandmarks.training import hosts


def ablation(config: Any, workdir: Workdir) -> None:
  """Trains all methods by all seeds, and compares them."""
  with opening.opened(
      config, workdir, 'ablation', ablation_lib.check_config,
      memory.check_training, memory.check_evaluation,
      check_data=ablation_lib.check_labels,
  ) as run:  # fmt: skip
    with devices.compile_once():
      ablation_lib.train(run)
    if hosts.is_first():
      report.measure(run)
      report.show(run)
