"""--mode=evaluate: the figures of all that is trained, measured anew."""

from typing import Any

from eqlandmarks.program import opening
from eqlandmarks.program import report
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import memory


def evaluate(config: Any, workdir: Workdir) -> None:
  """Measures the workdir's methods, and makes the report."""

  def check() -> None:
    report.check_finished(workdir)
    memory.check_evaluation(config)

  with opening.opened(config, workdir, 'evaluate', check) as run:
    report.measure(run, again=True)
    report.show(run)
