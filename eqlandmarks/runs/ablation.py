"""The paper's comparison: two stages against end-to-end training.

For each of R seeds, on the same data and with the same nets, losses, warps and
initial parameters:

    two_stage    stage 1, then stage 2 with F frozen: the paper's method
    unfrozen     the same stage 1, then stage 2 with F trained on
    end_to_end   stage 2's losses alone, F and T from scratch: the baseline

What is a fair length for the baseline is open to dispute, so it is measured at
three of them, the *budgets*: as many epochs as stage 2 has ('paper'), as many
gradient steps as both stages together ('steps'), and as long as both stages
take by the clock ('time'). No schedule depends on the length of a training, so
that a shorter one is the beginning of a longer one, and only the longest is
trained.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from eqlandmarks import errors
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.runs import run
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import hosts
from eqlandmarks.training import stage_folder

BUDGETS = ('paper', 'steps', 'time')

# What was compared, and what was measured of it, in the workdir.
_PLAN, _RECORDS = 'ablation/plan.json', 'ablation/records.json'
# The former's form: epochs of each method at each budget.
_PLANNED = {
    'epochs': {name: dict.fromkeys(BUDGETS, int) for name in run.METHODS}
}


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of the comparison: a method at one length.

  Attributes:
    method: one of `run.METHODS`.
    budgets: those of `BUDGETS` that this length stands for.
    epochs: of stage 2, or of the end-to-end training.
  """

  method: str
  budgets: tuple[str, ...]
  epochs: int

  @property
  def stage(self) -> str:
    """The stage's folder in the workdir of a seed."""
    if self.method == 'two_stage':
      return self.method
    return f'{self.method}_{self.epochs}_epochs'


def train(base: run.Run) -> None:
  """Trains all that is compared.

  The time budget is taken from the first seed, and kept: a run that goes on, or
  another seed, trains the same lengths.
  """
  stage_one, stage_two = _epochs(base.config)
  for this in _seeds(base):
    run.say(f'seed {this.config.seed}')
    this.claim()
    this.pretrain(stage_one)
    this.train_landmarks('two_stage', 'two_stage', stage_two)
    if hosts.agreed(base.workdir.read(_PLAN) is None):
      plan = _make_plan(this, stage_one, stage_two)
      if hosts.is_first():
        base.workdir.write(_PLAN, plan)
      hosts.wait()
    planned = rows(base.workdir)
    _train_rows(this, planned)
    if hosts.is_first():
      _measure(this, planned)


def measure(base: run.Run) -> None:
  """Measures all that has been trained, and merges it over the seeds."""
  planned = rows(base.workdir)
  if not planned:
    return
  whole = [
      this
      for this in _seeds(base)
      if all(this.workdir.stage(row.stage).is_done for row in planned)
  ]
  found = [_measure(this, planned) for this in whole]
  if found:
    base.workdir.write_records(_RECORDS, records_lib.over_seeds(found))


def check_config(config: Any) -> None:
  """Checks that every seed trains its own stage 1, and is a seed.

  Raises:
    UserError: stage 1 is another run's. The seeds would share it, and their
      spread would be too small. Or the last seed is beyond all seeds.
  """
  last = config.seed + config.ablation.num_seeds - 1
  if last >= 2**32:
    raise errors.UserError(
        f'config.seed is {config.seed}, and the last of config.ablation.'
        f'num_seeds, {last}; expected it to be at most {2**32 - 1}.'
    )
  if config.pretrained:
    raise errors.UserError(
        f'config.pretrained is {config.pretrained!r}, expected nothing with '
        '--mode=ablation, where every seed trains its own stage 1.'
    )


def check_labels(base: run.Run) -> None:
  """Sees that there is something to compare on.

  Raises:
    UserError: there are no labelled test images.
  """
  description = base.description
  if not (description.fit_split and description.test_split):
    raise errors.UserError(
        f'dataset {base.config.dataset.name} has no labelled test images, '
        'expected some for --mode=ablation (config.dataset.labels).'
    )


def results(workdir: Workdir) -> list[records_lib.Record]:
  """The records of a finished comparison; [] where there is none."""
  return workdir.read_records(_RECORDS)


def rows(workdir: Workdir) -> list[Row]:
  """What was compared; [] where nothing was."""
  plan = workdir.read(_PLAN, _PLANNED)
  return _rows(plan) if plan else []


def _seeds(base: run.Run) -> Iterator[run.Run]:
  """The run of each seed, in a folder of its own, on the same data."""
  for number in range(base.config.ablation.num_seeds):
    config = base.config.copy_and_resolve_references()
    config.seed = base.config.seed + number
    yield dataclasses.replace(
        base, config=config, workdir=base.workdir.seed(config.seed)
    )


def _epochs(config: Any) -> tuple[int, int]:
  """Epochs of the two stages in the comparison."""
  share = config.ablation.share
  return tuple(
      max(1, round(share * stage.num_epochs))
      for stage in (config.pretrain, config.discover)
  )


def _make_plan(
    this: run.Run, stage_one: int, stage_two: int
) -> dict[str, dict[str, int]]:
  """Epochs of every method at every budget.

  Those of 'time' follow from the seconds per step of the stages that have been
  trained just now, and of one epoch of the other methods, which their first
  rows go on from.
  """
  seconds = {
      'pretrain': _seconds(this, run.PRETRAIN),
      'two_stage': _seconds(this, 'two_stage'),
  }
  for method in ('unfrozen', 'end_to_end'):
    probe = _probe(method)
    this.train_landmarks(probe.stage, method, probe.epochs)
    hosts.wait()  # the first process has written what is read now
    seconds[method] = _seconds(this, probe.stage)
  if None in seconds.values():
    run.say('too few steps to time; the time budget counts steps instead')
    seconds = dict.fromkeys(seconds, 1.0)
  second_stage = stage_two * seconds['two_stage']
  whole = stage_one * seconds['pretrain'] + second_stage
  lengths = {
      'two_stage': dict.fromkeys(BUDGETS, stage_two),
      'unfrozen': {
          'paper': stage_two,
          'steps': stage_two,
          'time': max(1, round(second_stage / seconds['unfrozen'])),
      },
      'end_to_end': {
          'paper': stage_two,
          'steps': stage_one + stage_two,
          'time': max(1, round(whole / seconds['end_to_end'])),
      },
  }
  return {'epochs': lengths, 'seconds_per_step': seconds}


def _seconds(this: run.Run, stage: str) -> float | None:
  return this.workdir.stage(stage).summary().get('seconds_per_step')


def _rows(plan: Mapping[str, Any]) -> list[Row]:
  """The rows of a plan, each method's from short to long."""
  found = []
  for method, lengths in plan['epochs'].items():
    for epochs in sorted(set(lengths.values())):
      budgets = tuple(b for b in BUDGETS if lengths[b] == epochs)
      found.append(Row(method, budgets, epochs))
  return found


def _probe(method: str) -> Row:
  """The epoch by which a method is timed."""
  return Row(method, (), 1)


def _train_rows(this: run.Run, rows: list[Row]) -> None:
  """Trains each row from where the shorter one of its method ended."""
  shorter: dict[str, stage_folder.StageFolder] = {}
  for row in rows:
    timed = this.workdir.stage(_probe(row.method).stage)
    if timed.is_done:
      shorter.setdefault(row.method, timed)
    this.train_landmarks(
        row.stage, row.method, row.epochs, after=shorter.get(row.method)
    )
    shorter[row.method] = this.workdir.stage(row.stage)


def _measure(this: run.Run, rows: list[Row]) -> list[records_lib.Record]:
  """All records of one seed, the floors once."""
  sources = []
  for row in rows:
    if not _is_measured(this, row):
      this.evaluate(row.stage, row.method, row.budgets)
    sources.append(this.workdir.records(row.stage))
  this.workdir.write_results(*sources)
  return this.workdir.results()


def _is_measured(this: run.Run, row: Row) -> bool:
  """Whether a row has its figures, and these say what the row stands for."""
  # Another plan may have been made since, by another clock.
  return this.is_evaluated(row.stage) and bool(
      records_lib.select(
          this.workdir.records(row.stage),
          budget=row.budgets[0],
          budgets=list(row.budgets),
      )
  )
