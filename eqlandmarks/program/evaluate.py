"""--mode=evaluate: the figures of all that is trained, measured anew."""

from typing import Any

from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs.workdir import Workdir


def evaluate(config: Any, workdir: Workdir) -> None:
  """Measures the workdir's methods, and makes the report."""

  def check() -> None:
    report.check_finished(workdir)
    memory_needs.check_evaluation(config, workdir)

  with opening.opened(config, workdir, 'evaluate', check) as run:
    report.measure(run, again=True)
    report.show(run)
