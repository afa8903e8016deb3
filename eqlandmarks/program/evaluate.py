"""--mode=evaluate: the figures of all that is trained, measured anew."""

from typing import Any

from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import memory


def evaluate(config: Any, workdir: Workdir) -> None:
  """Measures the workdir's methods, and makes the report."""
  with opening.opened(
      config, workdir, 'evaluate', report.check_finished(workdir),
      memory.check_evaluation,
  ) as run:  # fmt: skip
    report.measure(run, again=True)
    report.show(run)
