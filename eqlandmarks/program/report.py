"""Makes the report of a workdir: tables, pictures, and the page."""

import dataclasses
from typing import Any

import numpy as np

from eqlandmarks import errors
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.report import charts as charts_lib
from eqlandmarks.report import figures
from eqlandmarks.report import naming
from eqlandmarks.report import page as page_lib
from eqlandmarks.report import paper_tables
from eqlandmarks.report import tables as tables_lib
from eqlandmarks.runs import ablation
from eqlandmarks.runs import run
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import stored
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
    label: what readers call it.
    workdir: the run's, or that of one seed of a comparison.
  """

  name: str
  stage: str
  label: str
  workdir: Workdir

  @property
  def outcome(self) -> dict[str, np.ndarray]:
    return self.workdir.outcome(self.stage)

  @property
  def records(self) -> list[dict[str, Any]]:
    return self.workdir.records(self.stage)


def report(this: run.Run) -> None:
  """Prints the tables, draws the figures, and writes report.html.

  Raises:
    UserError: the records or arrays are not as a run wrote them.
  """
  split = this.load(this.description.shown_split)
  # Functions of the records alone: what they raise tells of records that were
  # altered, since all others can be shown.
  with stored.intact(this.workdir.path / 'results.json', _REMEDY):
    records = this.workdir.results()
    shown = _shown(this)
    printed, tables = _terminal_tables(records), _page_tables(records)
    charts = charts_lib.from_records(records) + _losses(shown)
    warnings, collapsed = _warnings(this, records), _collapsed(this)
    methods = [
        page_lib.Method(
            one.name, one.label, one.outcome, tables_lib.landmarks(one.records)
        )
        for one in shown
    ]
  for method in methods:
    _check_images(this, method, split)
  for table in printed:
    print(errors.printable(table.to_text()) + '\n', flush=True)
  if not records_lib.select(records, metric='pck'):
    run.say('no labelled test images, so nothing to score: see the report')
  protocol = _protocol_text(records)
  for chart in charts:
    figures.draw_chart(this.workdir.figures, chart, protocol)
  for one in shown:
    _draw_pictures(this, one, split)
  page_lib.write(this.workdir.path / 'report.html', page_lib.Page(
      title=f'Landmarks of {records[0]["dataset"]}, '
      f'split {records[0]["split"]}',
      tables=tables,
      charts=charts,
      methods=methods,
      images=split.images,
      point_names=this.description.point_names if _scored(records) else (),
      num_images=this.config.evaluation.sheet_images,
      warnings=[*warnings, *data_warnings(this), *_of_losses(shown)],
      collapsed=collapsed,
  ))  # fmt: skip
  run.say(f'the report is {this.workdir.path / "report.html"}')


def _check_images(
    this: run.Run, method: page_lib.Method, split: loader.Split
) -> None:
  """Checks that a method was measured on the images that are shown.

  Raises:
    UserError: on other ones.
  """
  found, known = len(method.outcome['ids']), len(split)
  if found != known:
    raise errors.UserError(
        f'{this.workdir.path}: {method.name} was measured on {found} images, '
        f'but split {this.description.shown_split} has {known}; expected '
        '--mode=evaluate to measure it anew'
    )


def _shown(this: run.Run) -> list[_Shown]:
  """The methods of the workdir, and of a comparison's first seed."""
  return _own(this) + [
      one
      for one in _compared(this)
      if one.workdir.path == this.workdir.seed(this.config.seed).path
      # What the paper shows; the curves have all lengths.
      and 'paper' in one.records[0]['protocol']['budgets']
  ]


def _own(this: run.Run) -> list[_Shown]:
  """The methods of the workdir itself."""
  return [
      _labelled(_Shown(name, name, '', this.workdir))
      for name in this.workdir.finished(run.METHODS)
  ]


def _compared(this: run.Run) -> list[_Shown]:
  """All that a comparison has measured, seed after seed."""
  results = ablation.results(this.workdir)
  seeds = results[0]['protocol']['seeds'] if results else []
  return [
      # Apart from those of the workdir's own methods.
      _labelled(_Shown(f'compared_{row.stage}', row.stage, '', folder))
      for folder in map(this.workdir.seed, seeds)
      for row in ablation.rows(this.workdir)
  ]


def _labelled(one: _Shown) -> _Shown:
  (record,) = records_lib.select(
      one.records, metric='equivariance_px', point='all'
  )
  label = naming.label(naming.key(record), one.records)
  seed = f", seed {record['protocol']['seed']}"
  return dataclasses.replace(one, label=label + seed)


def _scored(records: list[dict[str, Any]]) -> bool:
  return bool(records_lib.select(records, metric='pck'))


def _terminal_tables(
    records: list[dict[str, Any]],
) -> list[tables_lib.Table]:
  """What fits a terminal."""
  made = [tables_lib.summary(records), tables_lib.accuracy(records)]
  if any(not r['protocol'].get('budgets') for r in records
         if r['metric'] == 'pck' and r['method'] not in records_lib.FLOORS):
    made.append(tables_lib.points(records))
  made += [tables_lib.sample_efficiency(records), tables_lib.protocol(records)]
  return [table for table in made if table]


def _page_tables(records: list[dict[str, Any]]) -> list[tables_lib.Table]:
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
    for stage in (run.PRETRAIN, one.stage):
      rows = metric_files.read_metrics(one.workdir.path / stage)
      if rows:
        made[prefix + stage] = charts_lib.losses(prefix + stage, rows)
  return list(made.values())


def _draw_pictures(
    this: run.Run, one: _Shown, split: loader.Split
) -> None:
  folder = this.workdir.figures / one.name
  outcome = one.outcome
  figures.draw_sheets(
      folder,
      images=split.images,
      outcome=outcome,
      point_names=this.description.point_names,
      count=this.config.evaluation.sheet_images,
      protocol=_protocol_text(one.records),
  )
  if outcome['points'].shape[1]:
    figures.draw_pairs(
        folder,
        images=split.images,
        outcome=outcome,
        point_names=this.description.point_names,
        layer=1,
        protocol=_protocol_text(one.records),
    )


def _protocol_text(records: list[dict[str, Any]]) -> str:
  """What figures depend on, a line each."""
  return '\n'.join(map(': '.join, tables_lib.protocol(records).rows))


def _collapsed(this: run.Run) -> dict[str, list[str]]:
  """The signs of a collapse, by method; each seed of a comparison counts."""
  signs = {
      one.label: collapse.of_records(one.records)
      for one in (*_own(this), *_compared(this))
  }
  return {label: found for label, found in signs.items() if found}


def data_warnings(this: run.Run) -> list[str]:
  """Signs of images and fields by which a run cannot learn."""
  split = this.description.stage_split
  ids = storage.open_table(this.builder, split).ids
  rows = unlearnable.rows_to_look_at(len(ids))
  pixels = storage.open_pixels(this.builder, split)[rows]
  return [
      *unlearnable.of_images(pixels, ids[rows]),
      *unlearnable.of_config(this.config, ('pretrain', 'discover')),
  ]


def _of_losses(shown: list[_Shown]) -> list[str]:
  """What the rows of all trainings tell, each training once."""
  signs = {}
  for one in shown:
    for stage in (run.PRETRAIN, one.stage):
      field = run.PRETRAIN if stage == run.PRETRAIN else 'discover'
      folder = one.workdir.path / stage
      sign = unlearnable.of_rows(field, metric_files.read_metrics(folder))
      if sign:
        signs[folder] = f'{stage}: {sign}'
  return list(signs.values())


def _warnings(
    this: run.Run, records: list[dict[str, Any]]
) -> list[str]:
  """What a reader must be told before the figures."""
  warnings = list(this.description.notes)
  images = records[0]['protocol']['test_images']
  if not _scored(records):
    warnings.append(
        'There are no labelled test images: the landmarks are shown on images '
        f'that were trained on (split {records[0]["split"]}), and nothing is '
        'scored.'
    )
  elif images < _FEW_IMAGES:
    warnings.append(f'Only {images} test images: the figures are rough.')
  masked = [
      r['protocol']['masked_share'] for r in records_lib.select(
          records, metric='acc'
      )
  ]
  if max(masked, default=0.0) > _MASKED:
    warnings.append(
        f'{100 * max(masked):.0f} % of the annotated points leave the image by '
        'the warps of the evaluation: weaken config.evaluation.warp.'
    )
  without = [
      r['protocol']['images_without_eyes']
      for r in records_lib.select(records, metric='error_iod')
  ]
  if any(without):
    warnings.append(
        f'{max(without)} test images are left out of the inter-ocular error: '
        'their eyes are missing or coincide.'
    )
  return warnings
