"""--mode=report: tables, pictures and the page, of what the workdir holds.

What is not measured yet, or was measured on other labels, is measured first.
"""

import dataclasses
import functools
from typing import Any

from eqlandmarks import errors
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.evaluation.records import select
from eqlandmarks.program import opening
from eqlandmarks.report import charts as charts_lib
from eqlandmarks.report import figures
from eqlandmarks.report import naming
from eqlandmarks.report import page as page_lib
from eqlandmarks.report import paper_tables
from eqlandmarks.report import tables as tables_lib
from eqlandmarks.runs import ablation
from eqlandmarks.runs import results as results_lib
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import console
from eqlandmarks.system import data_files
from eqlandmarks.training import collapse
from eqlandmarks.training import metric_files
from eqlandmarks.training import unlearnable

# What to do about records that were altered.
_REMEDY = '--mode=evaluate measures anew, and writes it'
# Fewer test images than this tell little, and the page says so.
_FEW_IMAGES = 50
# Share of points beyond which Acc(d) is of those that hardly move.
_MASKED = 0.9


@dataclasses.dataclass(frozen=True)
class _Finished:
  """A finished stage in a workdir, with the name that its pictures have."""

  name: str
  stage: str
  workdir: Workdir
  records: list[records_lib.Record]

  @property
  def label(self) -> str:
    """What readers call it."""
    (record,) = select(self.records, metric='equivariance_px', point='all')
    return f"{naming.label([record])}, seed {record.protocol['seed']}"

  def for_page(self) -> page_lib.Method:
    """What the page shows of it."""
    outcome = self.workdir.outcome(self.stage)
    table = tables_lib.landmarks(self.records)
    return page_lib.Method(self.name, self.label, outcome, table)


def report(config: Any, workdir: Workdir) -> None:
  """Makes the report."""
  check = functools.partial(check_finished, workdir)
  with opening.opened(config, workdir, 'report', check) as run:
    measure(run)
    show(run)


def check_finished(workdir: Workdir) -> None:
  """Checks that something was trained or compared in a workdir."""
  if not ablation.rows(workdir):
    workdir_checks.check_finished(workdir, run_lib.METHODS)


def measure(run: run_lib.Run, *, again: bool = False) -> None:
  """Makes results.json of the figures of all that is trained.

  What has its figures is measured only where it is asked for `again`.
  """
  done = run.workdir.finished(run_lib.METHODS)
  for name in done:
    # In this order, since the former says what has changed.
    if not run.is_evaluated(name) or again:
      run.evaluate(name, name)
  ablation.measure(run)
  sources = [run.workdir.records(name) for name in done]
  sources.append(ablation.results(run.workdir))
  if not any(sources):
    raise errors.UserError(
        f'workdir {run.workdir.path} holds a comparison without a '
        'finished seed, expected --mode=ablation to resume it first.'
    )
  results_lib.write(run.workdir, *sources)


def show(run: run_lib.Run) -> None:
  """Prints the tables, draws the figures, and writes report.html.

  Raises:
    UserError: the records or arrays are not as a run wrote them.
  """
  split = run.load(run.description.shown_split)
  # Functions of the records alone: what they raise tells of records that were
  # altered, since all others can be shown.
  with data_files.intact(run.workdir.path / results_lib.NAME, _REMEDY):
    records = results_lib.read(run.workdir)
    scored = bool(select(records, metric='pck'))
    own, compared = _own(run), _compared(run)
    shown = own + [
        stage
        for stage in compared
        if stage.workdir.path == run.workdir.seed(run.config.seed).path
        # What the paper shows; the curves have all lengths.
        and 'paper' in stage.records[0].protocol['budgets']
    ]
    printed, tables = _tables(records)
    trainings, charts = _trainings(shown), charts_lib.from_records(records)
    charts += [charts_lib.losses(t, rows) for t, _, rows in trainings if rows]
    warnings = _warnings(run, records)
    signs = {s.label: collapse.of_records(s.records) for s in own + compared}
    methods = [stage.for_page() for stage in shown]
  for method in methods:
    _check_images(run, method, split)
  for table in printed:
    print(errors.printable(table.to_text(console.width())) + '\n', flush=True)
  if not scored:
    run_lib.say('no labelled test images, so nothing to score: see the report')
  protocol = _protocol_text(records)
  for chart in charts:
    figures.draw_chart(run.workdir.figures, chart, protocol)
  names, count = run.description.point_names, run.config.evaluation.sheet_images
  for stage, method in zip(shown, methods, strict=True):
    figures.draw_method(
        run.workdir.figures / method.name, images=split.images,
        outcome=method.outcome, point_names=names, count=count,
        protocol=_protocol_text(stage.records),
    )  # fmt: skip
  page_lib.write(run.workdir.path / 'report.html', page_lib.Page(
      title=f'Landmarks of {records[0].dataset}, split {records[0].split}',
      tables=tables,
      charts=charts,
      methods=methods,
      images=split.images,
      point_names=names if scored else (),
      num_images=count,
      warnings=warnings + opening.data_warnings(run) + [
          sign for _, *training in trainings for sign in _signs(*training)
      ],
      collapsed={label: lines for label, lines in signs.items() if lines},
  ))  # fmt: skip
  run_lib.say(f'the report is {run.workdir.path / "report.html"}')


def _check_images(
    run: run_lib.Run, method: page_lib.Method, split: loader.Split
) -> None:
  """Checks that a method was measured on the images that are shown."""
  shown, present = len(method.outcome['ids']), len(split)
  if shown != present:
    raise errors.UserError(
        f'{run.workdir.path}: {method.name} was measured on {shown} images, '
        f'but split {run.description.shown_split} has {present}; expected '
        '--mode=evaluate to measure it anew'
    )


def _own(run: run_lib.Run) -> list[_Finished]:
  """The methods of the workdir itself."""
  return [
      _Finished(name, name, run.workdir, run.workdir.records(name))
      for name in run.workdir.finished(run_lib.METHODS)
  ]


def _compared(run: run_lib.Run) -> list[_Finished]:
  """All that a comparison has measured, seed after seed."""
  results = ablation.results(run.workdir)
  seeds = results[0].protocol['seeds'] if results else []
  return [
      # A name apart from those of the workdir's own methods.
      _Finished(
          f'compared_{row.stage}', row.stage, folder, folder.records(row.stage)
      )
      for folder in map(run.workdir.seed, seeds)
      for row in ablation.rows(run.workdir)
  ]


def _tables(
    records: list[records_lib.Record],
) -> tuple[list[tables_lib.Table], list[tables_lib.Table]]:
  """What fits a terminal, and what the page shows."""
  protocol, summary = tables_lib.protocol(records), tables_lib.summary(records)
  points, accuracy = tables_lib.points(records), tables_lib.accuracy(records)
  samples = tables_lib.sample_efficiency(records)
  across = tables_lib.across(records)
  single = any(
      r.method not in records_lib.FLOORS and not naming.budgets(r)
      for r in select(records, metric='pck')
  )
  printed = [
      summary, accuracy, across, points if single else None, samples, protocol
  ]
  page = [
      protocol, summary, points, accuracy, across, samples,
      *paper_tables.paper_tables(records),
  ]  # fmt: skip
  return [*filter(None, printed)], [*filter(None, page)]


def _trainings(
    shown: list[_Finished],
) -> list[tuple[str, str, list[dict[str, float]]]]:
  """All trainings behind what is shown: titles, stages, rows of metrics.csv."""
  trainings = {}  # stage 1 once for each workdir
  for method in shown:
    prefix = method.name.removesuffix(method.stage)
    for stage in (run_lib.PRETRAIN, method.stage):
      folder = method.workdir.path / stage
      if folder not in trainings:
        rows = metric_files.read_metrics(folder)
        trainings[folder] = prefix + stage, stage, rows
  return list(trainings.values())


def _signs(stage: str, rows: list[dict[str, float]]) -> list[str]:
  """What the rows of a training tell of it."""
  field = stage if stage == run_lib.PRETRAIN else 'discover'
  sign = unlearnable.of_rows(field, rows)
  return [f'{stage}: {sign}'] if sign else []


def _protocol_text(records: list[records_lib.Record]) -> str:
  """What figures depend on, a line each."""
  return '\n'.join(map(': '.join, tables_lib.protocol(records).rows))


def _warnings(
    run: run_lib.Run, records: list[records_lib.Record]
) -> list[str]:
  """What a reader must be told before the figures."""
  warnings = list(run.description.notes)
  images = records[0].protocol['test_images']
  if not select(records, metric='pck'):
    warnings.append(
        'There are no labelled test images: the landmarks are shown on images '
        f'that were trained on (split {records[0].split}), and nothing is '
        'scored.'
    )
  elif images < _FEW_IMAGES:
    warnings.append(f'Only {images} test images: the figures are rough.')
  acc = select(records, metric='acc')
  masked = max((r.protocol['masked_share'] for r in acc), default=0.0)
  if masked > _MASKED:
    warnings.append(
        f'{100 * masked:.0f} % of the annotated points leave the image by '
        'the warps of the evaluation: weaken config.evaluation.warp.'
    )
  errors_iod = select(records, metric='error_iod')
  without = [r.protocol['images_without_eyes'] for r in errors_iod]
  if any(without):
    warnings.append(
        f'{max(without)} test images are left out of the inter-ocular error: '
        'their eyes are missing or coincide.'
    )
  return warnings
