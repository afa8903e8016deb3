"""--mode=prepare: what a dataset holds, before anything is trained on it."""

import functools
import itertools
import pathlib
import tempfile
from typing import Any

import jax
import numpy as np

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import scored_data
from eqlandmarks.program import opening
from eqlandmarks.report import figures
from eqlandmarks.report.tables import Table
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import console
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages

# The first one compiles, and the loop takes the time at the tenth.
_TRIAL_STEPS = 11


def prepare(config: Any, workdir: Workdir) -> None:
  """Prepares the dataset and shows it; the config may still change."""
  with workdir.locked('--mode=prepare'):
    check = functools.partial(memory_needs.check_training, config, workdir)
    opening.check(config, workdir, check)
    try:
      run = opening.make_run(config, workdir)
    except errors.UserError:
      # Whoever only looks at the data may still be about to get them.
      print(by_name.instructions(config.dataset.name), flush=True)
      raise
    opening.check_size(run)
    with opening.kept_if_used(run):
      opening.prepare(run, 'prepare')
    opening.say_notes(run)
    show(run)


def show(run: run_lib.Run) -> None:
  """Prints tables of the dataset, draws samples, and estimates the time."""
  description = run.description
  splits = {
      split: storage.open_table(run.builder, split)
      for split in run.builder.info.splits
  }
  missing = {
      name: np.isnan(split.points).any(axis=-1).sum(axis=0).tolist()
      for name, split in splits.items()
  }
  twice = duplicates(splits, description.test_split)
  protocol = scored_data.data_protocol(description)
  as_read = Table('data', 'As read', ('what', 'value'), tuple(
      (name.replace('_', ' '), value) for name, value in protocol.items()
  ))  # fmt: skip
  points = _points(description.point_names, splits, missing)
  for table in (_counts(run, splits), points, as_read):
    if table.rows:
      _print(table)
  for (first, second), pairs in twice.items():
    run_lib.say(
        f'warning: {len(pairs)} images of {first} are in {second} too, byte '
        f'for byte; the first is {pairs[0][0]}, there {pairs[0][1]}'
    )
  _draw(run, splits)
  times = estimate(run)
  _print(_time_table(run.config, times))
  run.workdir.write('dataset.json', {
      'dataset': run.config.dataset.name,
      'image_size': run.config.image_size,
      'splits': {name: len(split) for name, split in splits.items()},
      'missing': {
          name: dict(zip(description.point_names, counts, strict=False))
          for name, counts in missing.items()
      },
      'duplicates': [
          {'splits': both, 'pairs': pairs} for both, pairs in twice.items()
      ],
      'protocol': protocol,
      'notes': description.notes,
      'estimated_seconds': times,
  })  # fmt: skip
  run_lib.say(
      f'samples are {run.workdir.figures}/data_*.png, all of this is in '
      f'{run.workdir.path / "dataset.json"}'
  )


def _print(table: Table) -> None:
  print(errors.printable(table.to_text(console.width())) + '\n', flush=True)


def duplicates(
    splits: dict[str, storage.Table], test_split: str
) -> dict[tuple[str, str], list[tuple[str, str]]]:
  """Images whose files, byte for byte, are in two splits.

  One image that both trains the stages and fits the regressor, under one id, is
  meant to be in both; `test_split`, which is scored, shares none.

  Returns:
    By the names of two splits, ids in the first and in the second.
  """
  twice = {}
  for first, second in itertools.combinations(splits, 2):
    ids = dict(zip(splits[second].digests, splits[second].ids, strict=True))
    pairs = [
        (str(i), str(ids[digest]))
        for i, digest in zip(
            splits[first].ids, splits[first].digests, strict=True
        )
        if digest in ids and (i != ids[digest] or test_split in (first, second))
    ]
    if pairs:
      twice[first, second] = pairs
  return twice


def estimate(run: run_lib.Run) -> dict[str, float]:
  """Seconds that each stage will take, by a few steps of it on this machine.

  Evaluation, compiling and preparing come on top.
  """
  config, times = run.config, {}
  with tempfile.TemporaryDirectory() as folder:
    first, second = (
        stage_folder.StageFolder(pathlib.Path(folder) / name)
        for name in ('pretrain', 'discover')
    )
    images = {
        name: run.training_images(name) for name in ('pretrain', 'discover')
    }
    train = functools.partial(stages.train, config, max_steps=_TRIAL_STEPS)
    train(images['pretrain'], first, num_epochs=config.pretrain.num_epochs)
    train(
        images['discover'], second, num_epochs=config.discover.num_epochs,
        method=methods.of_config(config),
        features=first.load_variables()[models.FEATURES],
    )  # fmt: skip
    for stage in (first, second):
      name, seconds = stage.path.name, stage.summary()['seconds_per_step']
      if seconds is not None:  # a stage of one step tells nothing
        times[name] = seconds * loader.num_steps(
            len(images[name]), config.batch_size, config[name].num_epochs
        )
  return times


def _counts(run: run_lib.Run, splits: dict[str, storage.Table]) -> Table:
  """A row for each split."""
  roles = {
      'trains the stages': '+'.join(
          map(run.training_split, ('pretrain', 'discover'))
      ),
      'fits the regressor': run.description.fit_split,
      'is scored': run.description.test_split,
  }
  rows = []
  for name, split in splits.items():
    tasks = [role for role, names in roles.items() if name in names.split('+')]
    labelled = np.isfinite(split.points).any(axis=(1, 2)).sum()
    sizes = zip(
        split.original_sizes.min(axis=0), split.original_sizes.max(axis=0),
        strict=True,
    )  # fmt: skip
    shown = ' x '.join(
        f'{a:.0f}' if a == b else f'{a:.0f}-{b:.0f}' for a, b in sizes
    )
    rows.append((name, ', '.join(tasks), str(len(split)), shown, f'{labelled}'))
  size = run.config.image_size
  return Table(
      'splits', f'{run.config.dataset.name}, stored at {size} x {size} px',
      ('split', 'what it does', 'images', 'shows, height x width',
       'with points'),
      tuple(rows),
  )  # fmt: skip


def _points(
    names: tuple[str, ...],
    splits: dict[str, storage.Table],
    missing: dict[str, list[int]],
) -> Table:
  """How many annotations of each point are missing in each labelled split."""
  labelled = {
      name: len(split)
      for name, split in splits.items()
      if np.isfinite(split.points).any()
  }
  rows = tuple(
      (point, *(f'{missing[s][j]} of {n}' for s, n in labelled.items()))
      for j, point in enumerate(names)
  )
  columns = ('point', *labelled)
  return Table('points', 'Missing points', columns, rows if labelled else ())


def _time_table(config: Any, times: dict[str, float]) -> Table:
  rows = tuple(
      (name, f'{config[name].num_epochs}', _duration(seconds))
      for name, seconds in times.items()
  )
  devices = jax.local_devices()
  return Table(
      'time', 'Estimated time of training, on this machine',
      ('stage', 'epochs', 'time'), rows,
      note=f'From up to {_TRIAL_STEPS} steps of each stage, not counting the '
      f'first, on {len(devices)} x {devices[0].device_kind}.',
  )  # fmt: skip


def _duration(seconds: float) -> str:
  if seconds < 90:
    return f'{seconds:.0f} s'
  if seconds < 90 * 60:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'


def _draw(run: run_lib.Run, splits: dict[str, storage.Table]) -> None:
  """A sheet of samples of each split, taken evenly over it."""
  count, names = run.config.evaluation.sheet_images, run.description.point_names
  for name, split in splits.items():
    pixels = storage.open_pixels(run.builder, name)
    rows = np.linspace(0, len(split) - 1, min(count, len(split))).astype(int)
    points = split.points[rows, : len(names)]
    figures.draw_points(
        run.workdir.figures, f'data_{name}', images=pixels[rows],
        points=np.full_like(points, np.nan), predicted=points,
        point_names=names,
        title=f'{name}: {len(rows)} of {len(split)} images, as stored',
    )  # fmt: skip
