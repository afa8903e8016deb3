"""--mode=report: tables, pictures and the page, of what the workdir holds.

What is not measured yet, or was measured on other labels, is measured first.
"""

import dataclasses
import functools
from typing import Any

from eqlandmarks import errors
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.program import opening
from eqlandmarks.report import charts as charts_lib
from eqlandmarks.report import figures
from eqlandmarks.report import naming
from eqlandmarks.report import page as page_lib
from eqlandmarks.report import paper_tables
from eqlandmarks.report import tables as tables_lib
from eqlandmarks.runs import ablation
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
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
class _Shown:
  """A finished stage of which pictures are shown.

  Attributes:
    name: of its pictures.
    stage: its folder in the workdir.
    workdir: the run's, or that of one seed of a comparison.
    records: its figures.
    label: what readers call it.
  """

  name: str
  stage: str
  workdir: Workdir
  records: list[records_lib.Record]
  label: str


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

  Args:
    run: the run.
    again: whether to measure what has its figures, too.

  Raises:
    UserError: nothing is finished.
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
  run.workdir.write_results(*sources)


def show(run: run_lib.Run) -> None:
  """Prints the tables, draws the figures, and writes report.html.

  Raises:
    UserError: the records or arrays are not as a run wrote them.
  """
  split = run.load(run.description.shown_split)
  # Functions of the records alone: what they raise tells of records that were
  # altered, since all others can be shown.
  with data_files.intact(run.workdir.path / 'results.json', _REMEDY):
    records = run.workdir.results()
    shown = _shown(run)
    printed, tables = _terminal_tables(records), _page_tables(records)
    charts = charts_lib.from_records(records) + _losses(shown)
    warnings, collapsed = _warnings(run, records), _collapsed(run)
    methods = [
        page_lib.Method(
            one.name, one.label, one.workdir.outcome(one.stage),
            tables_lib.landmarks(one.records),
        )
        for one in shown
    ]  # fmt: skip
  for method in methods:
    _check_images(run, method, split)
  for table in printed:
    print(errors.printable(table.to_text()) + '\n', flush=True)
  if not records_lib.select(records, metric='pck'):
    run_lib.say('no labelled test images, so nothing to score: see the report')
  protocol = _protocol_text(records)
  for chart in charts:
    figures.draw_chart(run.workdir.figures, chart, protocol)
  for one, method in zip(shown, methods, strict=True):
    _draw_pictures(run, method, split, _protocol_text(one.records))
  page_lib.write(run.workdir.path / 'report.html', page_lib.Page(
      title=f'Landmarks of {records[0].dataset}, '
      f'split {records[0].split}',
      tables=tables,
      charts=charts,
      methods=methods,
      images=split.images,
      point_names=run.description.point_names if _scored(records) else (),
      num_images=run.config.evaluation.sheet_images,
      warnings=[*warnings, *opening.data_warnings(run), *_of_losses(shown)],
      collapsed=collapsed,
  ))  # fmt: skip
  run_lib.say(f'the report is {run.workdir.path / "report.html"}')


def _check_images(
    run: run_lib.Run, method: page_lib.Method, split: loader.Split
) -> None:
  """Checks that a method was measured on the images that are shown.

  Raises:
    UserError: on other ones.
  """
  shown, present = len(method.outcome['ids']), len(split)
  if shown != present:
    raise errors.UserError(
        f'{run.workdir.path}: {method.name} was measured on {shown} images, '
        f'but split {run.description.shown_split} has {present}; expected '
        '--mode=evaluate to measure it anew'
    )


def _shown(run: run_lib.Run) -> list[_Shown]:
  """The methods of the workdir, and of a comparison's first seed."""
  return _own(run) + [
      one
      for one in _compared(run)
      if one.workdir.path == run.workdir.seed(run.config.seed).path
      # What the paper shows; the curves have all lengths.
      and 'paper' in one.records[0].protocol['budgets']
  ]


def _own(run: run_lib.Run) -> list[_Shown]:
  """The methods of the workdir itself."""
  return [
      _stage(name, name, run.workdir)
      for name in run.workdir.finished(run_lib.METHODS)
  ]


def _compared(run: run_lib.Run) -> list[_Shown]:
  """All that a comparison has measured, seed after seed."""
  results = ablation.results(run.workdir)
  seeds = results[0].protocol['seeds'] if results else []
  return [
      # Apart from those of the workdir's own methods.
      _stage(f'compared_{row.stage}', row.stage, folder)
      for folder in map(run.workdir.seed, seeds)
      for row in ablation.rows(run.workdir)
  ]


def _stage(name: str, stage: str, workdir: Workdir) -> _Shown:
  records = workdir.records(stage)
  (record,) = records_lib.select(
      records, metric='equivariance_px', point='all'
  )
  label = naming.label(naming.key(record), records)
  seed = f", seed {record.protocol['seed']}"
  return _Shown(name, stage, workdir, records, label + seed)


def _scored(records: list[records_lib.Record]) -> bool:
  return bool(records_lib.select(records, metric='pck'))


def _terminal_tables(
    records: list[records_lib.Record],
) -> list[tables_lib.Table]:
  """What fits a terminal."""
  made = [tables_lib.summary(records), tables_lib.accuracy(records)]
  if any(not r.protocol.get('budgets') for r in records
         if r.metric == 'pck' and r.method not in records_lib.FLOORS):
    made.append(tables_lib.points(records))
  made += [tables_lib.sample_efficiency(records), tables_lib.protocol(records)]
  return [table for table in made if table]


def _page_tables(records: list[records_lib.Record]) -> list[tables_lib.Table]:
  made = [
      tables_lib.protocol(records),
      tables_lib.summary(records),
      tables_lib.points(records),
      tables_lib.accuracy(records),
      tables_lib.sample_efficiency(records),
      *paper_tables.paper_tables(records),
  ]
  return [table for table in made if table]


def _losses(shown: list[_Shown]) -> list[charts_lib.Chart]:
  """Training curves of all that is shown, stage 1 once for each workdir."""
  made = {}
  for one in shown:
    prefix = one.name.removesuffix(one.stage)
    for stage in (run_lib.PRETRAIN, one.stage):
      rows = metric_files.read_metrics(one.workdir.path / stage)
      if rows:
        made[prefix + stage] = charts_lib.losses(prefix + stage, rows)
  return list(made.values())


def _draw_pictures(
    run: run_lib.Run,
    method: page_lib.Method,
    split: loader.Split,
    protocol: str,
) -> None:
  folder = run.workdir.figures / method.name
  what = {
      'images': split.images,
      'outcome': method.outcome,
      'point_names': run.description.point_names,
      'protocol': protocol,
  }
  count = run.config.evaluation.sheet_images
  figures.draw_sheets(folder, count=count, **what)
  if method.outcome['points'].shape[1]:
    figures.draw_pairs(folder, layer=1, **what)


def _protocol_text(records: list[records_lib.Record]) -> str:
  """What figures depend on, a line each."""
  return '\n'.join(map(': '.join, tables_lib.protocol(records).rows))


def _collapsed(run: run_lib.Run) -> dict[str, list[str]]:
  """The signs of a collapse, by method; each seed of a comparison counts."""
  signs = {
      one.label: collapse.of_records(one.records)
      for one in (*_own(run), *_compared(run))
  }
  return {label: lines for label, lines in signs.items() if lines}


def _of_losses(shown: list[_Shown]) -> list[str]:
  """What the rows of all trainings tell, each training once."""
  signs = {}
  for one in shown:
    for stage in (run_lib.PRETRAIN, one.stage):
      field = run_lib.PRETRAIN if stage == run_lib.PRETRAIN else 'discover'
      folder = one.workdir.path / stage
      sign = unlearnable.of_rows(field, metric_files.read_metrics(folder))
      if sign:
        signs[folder] = f'{stage}: {sign}'
  return list(signs.values())


def _warnings(
    run: run_lib.Run, records: list[records_lib.Record]
) -> list[str]:
  """What a reader must be told before the figures."""
  warnings = list(run.description.notes)
  images = records[0].protocol['test_images']
  if not _scored(records):
    warnings.append(
        'There are no labelled test images: the landmarks are shown on images '
        f'that were trained on (split {records[0].split}), and nothing is '
        'scored.'
    )
  elif images < _FEW_IMAGES:
    warnings.append(f'Only {images} test images: the figures are rough.')
  masked = [
      r.protocol['masked_share'] for r in records_lib.select(
          records, metric='acc'
      )
  ]
  if max(masked, default=0.0) > _MASKED:
    warnings.append(
        f'{100 * max(masked):.0f} % of the annotated points leave the image by '
        'the warps of the evaluation: weaken config.evaluation.warp.'
    )
  without = [
      r.protocol['images_without_eyes']
      for r in records_lib.select(records, metric='error_iod')
  ]
  if any(without):
    warnings.append(
        f'{max(without)} test images are left out of the inter-ocular error: '
        'their eyes are missing or coincide.'
    )
  return warnings
