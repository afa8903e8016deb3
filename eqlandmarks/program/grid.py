"""--mode=grid: the ablation, for several presets of configs/presets.py.

Each preset has a workdir of its own, WORKDIR/grid/PRESET; where two have the
same stage 1, it is trained once. What is there is skipped or resumed.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from eqlandmarks import errors
from eqlandmarks.configs import presets
from eqlandmarks.program import ablation as ablation_mode
from eqlandmarks.program import opening
from eqlandmarks.report import comparison
from eqlandmarks.report import page as page_lib
from eqlandmarks.runs import ablation
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs import results
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import console
from eqlandmarks.system import journal


def grid(config: Any, workdir: Workdir) -> None:
  """Compares all methods by all seeds, preset by preset, and then these."""
  configs = {
      name: _with_preset(config, workdir, name)
      for name in config.grid.presets
  }
  # All that can be refused is refused before the first one is trained.
  for name, own in configs.items():
    config_checks.check(own)
    ablation.check_config(own)
    folder = _folder(workdir, name)
    workdir_checks.check(folder, own)
    memory_needs.check_training(own, folder)
    memory_needs.check_evaluation(own, folder)
    run = opening.make_run(own, workdir)
    opening.check_size(run)
    ablation.check_labels(run)
    if opening.needs_frames(run):
      with opening.kept_if_used(run):
        opening.prepare(run, 'grid')
        opening.check_frames(run)
  for name, own in configs.items():
    journal.say(f'preset {name}')
    ablation_mode.ablation(
        own, _folder(workdir, name), _stage_one(configs, workdir, name)
    )
  with workdir.locked('--mode=grid'):
    _show(workdir, configs)


def _with_preset(config: Any, workdir: Workdir, name: str) -> Any:
  """The config of a preset; all of them share the prepared dataset."""
  own = config.copy_and_resolve_references()
  presets.PRESETS[name](own)
  own.dataset.cache = config.dataset.cache or str(workdir.data)
  return own


def _folder(workdir: Workdir, name: str) -> Workdir:
  return Workdir(workdir.path / 'grid' / name)


def _stage_one(
    configs: dict[str, Any], workdir: Workdir, name: str
) -> Workdir | None:
  """The workdir of the first preset before this one with its stage 1."""
  own = config_fields.plain(configs[name])
  for other in configs:
    if other == name:
      return None
    fields = config_fields.differing(
        config_fields.plain(configs[other]), own
    )
    if not config_fields.binding(fields, ['pretrain']):
      return _folder(workdir, other)
  return None


def _show(workdir: Workdir, names: Iterable[str]) -> None:
  """Prints the table of all presets, and writes it as a page and all as CSV."""
  runs = {name: results.read(_folder(workdir, name)) for name in names}
  table = comparison.table(runs)
  table = dataclasses.replace(
      table, title=f'Presets of {next(iter(runs.values()))[0].dataset}',
      note=f'{table.note} grid/PRESET/report.html is the page of a preset.',
  )  # fmt: skip
  images = {
      name: {r.protocol['stage_images'] for r in records} - {None}
      for name, records in runs.items()
  }
  warnings = []
  if len({*map(str, images.values())}) > 1:
    counts = ', '.join(f'{name} {max(n)}' for name, n in images.items() if n)
    warnings.append(f'Stage 2 is trained on different images: {counts}.')
  print(errors.printable(table.to_text(console.width())) + '\n', flush=True)
  results.write_table(workdir.path / 'grid.csv', runs)
  page = workdir.path / 'grid.html'
  page_lib.write(page, page_lib.Page(
      title='Compared methods', tables=[table], charts=[], methods=[],
      images=np.empty((0, 1, 1, 3), np.uint8), point_names=(), num_images=0,
      warnings=warnings,
  ))  # fmt: skip
  journal.say(f'the report is {page}')
