"""The paper's comparison: two stages against end-to-end training.

For each of R seeds, on the same data and with the same nets, losses, warps and
initial parameters:

    two_stage    stage 1, then stage 2 with F frozen: the paper's method
    unfrozen     the same stage 1, then stage 2 with F trained on
    end_to_end   stage 2's losses alone, F and T from scratch: the baseline

A fair length for the baseline is open to dispute, so it is measured at three
*budgets*: as many epochs as stage 2 has ('paper'), as many gradient steps as
both stages together ('steps'), and as long as both stages take ('time'). No
schedule depends on the length of a training, so that each one continues the
shorter one before it.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from eqlandmarks import errors
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.runs import results as results_lib
from eqlandmarks.runs import run
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import data_files
from eqlandmarks.training import hosts
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder

BUDGETS = ('paper', 'steps', 'time')

# What was compared, and what was measured of it, in the workdir.
_PLAN, _RECORDS = 'ablation/plan.json', 'ablation/records.json'


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of the comparison: a method at one length.

  Attributes:
    method: one of `methods.METHODS`.
    budgets: of `BUDGETS`, those with this length.
    epochs: of stage 2, or of the end-to-end training.
  """

  method: str
  budgets: tuple[str, ...]
  epochs: int

  @property
  def stage(self) -> str:
    """The stage's folder in the workdir of a seed."""
    if self.method == methods.TWO_STAGE.name:  # has one length only
      return self.method
    return f'{self.method}_{self.epochs}_epochs'


def train(base: run.Run, other: Workdir | None = None) -> None:
  """Trains all methods at all budgets; the first seed sets the time budget.

  Args:
    base: the run that is compared.
    other: the workdir of a finished comparison with the same stage 1 and seeds,
      whose stage 1 is copied.
  """
  stage_one, stage_two = _epochs(base.config)
  two_stage = methods.TWO_STAGE.name
  for seed_run in _seeds(base):
    run.say(f'seed {seed_run.config.seed}')
    seed_run.claim()
    seed_run.pretrain(stage_one, other and other.seed(seed_run.config.seed))
    seed_run.train_landmarks(two_stage, two_stage, stage_two)
    if hosts.agreed(base.workdir.read(_PLAN) is None):
      plan = _make_plan(seed_run, stage_one, stage_two)
      if hosts.is_first():
        base.workdir.write(_PLAN, plan)
      hosts.wait()
    planned = rows(base.workdir)
    _train_rows(seed_run, planned)
    if hosts.is_first():
      _measure(seed_run, planned)


def measure(base: run.Run) -> None:
  """Measures all that has been trained, and merges it over the seeds."""
  planned = rows(base.workdir)
  if not planned:
    return
  records = [
      _measure(seed_run, planned)
      for seed_run in _seeds(base)
      if all(seed_run.workdir.stage(row.stage).is_done for row in planned)
  ]
  if records:
    base.workdir.write(
        _RECORDS, records_lib.to_json(records_lib.over_seeds(records))
    )


def check_config(config: Any) -> None:
  """Checks that every seed trains its own stage 1, and is a valid seed.

  Raises:
    UserError: all seeds would share another run's stage 1, and their spread
      would be too small; or the last seed is too large.
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
  """Checks that there are labelled test images to compare on."""
  description = base.description
  if not (description.fit_split and description.test_split):
    raise errors.UserError(
        f'dataset {base.config.dataset.name} has no labelled test images, '
        'expected some for --mode=ablation (config.dataset.labels).'
    )


def results(workdir: Workdir) -> list[records_lib.Record]:
  """The records of a finished comparison; [] where there is none."""
  return results_lib.read(workdir, _RECORDS)


def rows(workdir: Workdir) -> list[Row]:
  """What was compared, each method from short to long; [] for nothing."""
  plan = workdir.read(_PLAN, _check_plan) or {'epochs': {}}
  return [
      Row(method, tuple(b for b in BUDGETS if lengths[b] == epochs), epochs)
      for method, lengths in plan['epochs'].items()
      for epochs in sorted(set(lengths.values()))
  ]


def _check_plan(plan: Any) -> None:
  """Checks that a plan has the epochs of each method at each budget."""
  epochs = data_files.field(plan, 'epochs', dict)
  for method in run.METHODS:
    lengths = data_files.field(epochs, method, dict)
    for budget in BUDGETS:
      data_files.field(lengths, budget, int)


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
  stages, share = (config.pretrain, config.discover), config.ablation.share
  return tuple(max(1, round(share * stage.num_epochs)) for stage in stages)


def _make_plan(
    seed_run: run.Run, stage_one: int, stage_two: int
) -> dict[str, dict[str, int]]:
  """Epochs of every method at every budget, and seconds per step."""
  # 'time' follows from the stages that were just trained, and from one epoch of
  # the other methods, which their first rows then continue.
  seconds = {}
  for method in methods.METHODS:
    row = Row(method, (), stage_two)
    if method != methods.TWO_STAGE.name:
      row = Row(method, (), 1)  # is timed
      seed_run.train_landmarks(row.stage, method, row.epochs)
      hosts.wait()  # the first process has written what is read now
    seconds[method] = _seconds(seed_run, row.stage)
  seconds['pretrain'] = _seconds(seed_run, run.PRETRAIN)
  if None in seconds.values():
    run.say('too few steps to time; the time budget counts steps instead')
    seconds = dict.fromkeys(seconds, 1.0)
  # An epoch of stage 1 in those of stage 2, which may have other images.
  first, second = (
      seed_run.workdir.stage(name).summary()['images']
      for name in (run.PRETRAIN, methods.TWO_STAGE.name)
  )
  lengths = {}
  for method in methods.METHODS.values():
    before = 0 if method.after_pretrain else stage_one * first / second
    time = before * seconds['pretrain'] + stage_two * seconds['two_stage']
    lengths[method.name] = {
        'paper': stage_two,
        'steps': max(1, round(before + stage_two)),
        'time': max(1, round(time / seconds[method.name])),
    }
  return {'epochs': lengths, 'seconds_per_step': seconds}


def _seconds(seed_run: run.Run, stage: str) -> float | None:
  return seed_run.workdir.stage(stage).summary().get('seconds_per_step')


def _train_rows(seed_run: run.Run, rows: list[Row]) -> None:
  """Trains each row from where the shorter one of its method ended."""
  shorter: dict[str, stage_folder.StageFolder] = {}
  for row in rows:
    timed = seed_run.workdir.stage(Row(row.method, (), 1).stage)
    if timed.is_done:
      shorter.setdefault(row.method, timed)
    seed_run.train_landmarks(
        row.stage, row.method, row.epochs, after=shorter.get(row.method)
    )
    shorter[row.method] = seed_run.workdir.stage(row.stage)


def _measure(seed_run: run.Run, rows: list[Row]) -> list[records_lib.Record]:
  """All records of one seed, the floors once."""
  sources = []
  for row in rows:
    if not _is_measured(seed_run, row):
      seed_run.evaluate(row.stage, row.method, row.budgets)
    sources.append(seed_run.workdir.records(row.stage))
  results_lib.write(seed_run.workdir, *sources)
  return results_lib.read(seed_run.workdir)


def _is_measured(seed_run: run.Run, row: Row) -> bool:
  """Whether a row has its figures, and these for its budgets."""
  # Another plan may have been made since, by another clock.
  budgets = {'budget': row.budgets[0], 'budgets': list(row.budgets)}
  return seed_run.is_evaluated(row.stage) and bool(
      records_lib.select(seed_run.workdir.records(row.stage), **budgets)
  )
