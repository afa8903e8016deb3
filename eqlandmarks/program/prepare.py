"""--mode=prepare: what a dataset holds, before anything is trained on it."""

import dataclasses
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
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages

# The first one compiles, and the loop takes the time at the tenth.
_TRIAL_STEPS = 11


@dataclasses.dataclass(frozen=True)
class Duplicates:
  """Images whose files are, byte for byte, in two splits.

  Attributes:
    splits: names of both.
    pairs: ids in the first, and in the second.
  """

  splits: tuple[str, str]
  pairs: tuple[tuple[str, str], ...]


def prepare(config: Any, workdir: Workdir) -> None:
  """Prepares the dataset and shows it; the config may still change."""
  with workdir.locked('--mode=prepare'):
    check = functools.partial(memory_needs.check_training, config)
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
  splits = {
      split: storage.open_table(run.builder, split)
      for split in run.builder.info.splits
  }
  twice = duplicates(splits, run.description.test_split)
  names = run.description.point_names
  for table in (_counts(run, splits), _points(names, splits), _protocol(run)):
    if table:
      print(errors.printable(table.to_text()) + '\n', flush=True)
  for both in twice:
    first, same = both.pairs[0]
    run_lib.say(
        f'warning: {len(both.pairs)} images of {both.splits[0]} are in '
        f'{both.splits[1]} too, byte for byte; the first is {first}, there '
        f'{same}'
    )
  _draw(run, splits)
  times = estimate(run)
  print(_time_table(run.config, times).to_text() + '\n', flush=True)
  run.workdir.write('dataset.json', _summary(run, splits, twice, times))
  run_lib.say(
      f'samples are {run.workdir.figures}/data_*.png, all of this is in '
      f'{run.workdir.path / "dataset.json"}'
  )


def duplicates(
    splits: dict[str, storage.Table], test_split: str
) -> list[Duplicates]:
  """Images whose files, byte for byte, are in two splits.

  One image that both trains the stages and fits the regressor, under one id, is
  meant to be in both.

  Args:
    splits: all splits of the dataset.
    test_split: the name of the one that is scored, or ''.
  """
  twice = []
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
      twice.append(Duplicates((first, second), tuple(pairs)))
  return twice


def estimate(run: run_lib.Run) -> dict[str, float]:
  """Seconds that each stage will take, by a few steps of it on this machine.

  Evaluation, compiling and preparing come on top.
  """
  config, images = run.config, run.training_images()
  with tempfile.TemporaryDirectory() as folder:
    first, second = (
        stage_folder.StageFolder(pathlib.Path(folder) / name)
        for name in ('pretrain', 'discover')
    )
    stages.train(
        config, images, first, num_epochs=config.pretrain.num_epochs,
        max_steps=_TRIAL_STEPS,
    )  # fmt: skip
    stages.train(
        config, images, second, method=methods.of_config(config),
        features=first.load_variables()[models.FEATURES],
        num_epochs=config.discover.num_epochs, max_steps=_TRIAL_STEPS,
    )  # fmt: skip
    return {
        stage.path.name: _seconds(stage, len(images), config)
        for stage in (first, second)
        # A stage of one step tells nothing.
        if stage.summary()['seconds_per_step'] is not None
    }


def _seconds(
    folder: stage_folder.StageFolder, num_images: int, config: Any
) -> float:
  epochs = config[folder.path.name].num_epochs
  steps = loader.num_steps(num_images, config.batch_size, epochs)
  return steps * folder.summary()['seconds_per_step']


def _counts(
    run: run_lib.Run, splits: dict[str, storage.Table]
) -> Table:
  """A row for each split."""
  roles = {
      'trains the stages': run.description.stage_split,
      'fits the regressor': run.description.fit_split,
      'is scored': run.description.test_split,
  }
  rows = []
  for name, split in splits.items():
    tasks = [role for role, names in roles.items() if name in names.split('+')]
    labelled = np.isfinite(split.points).any(axis=(1, 2)).sum()
    rows.append((
        name, ', '.join(tasks), str(len(split)), _range(split.original_sizes),
        str(labelled),
    ))  # fmt: skip
  size = run.config.image_size
  return Table(
      'splits', f'{run.config.dataset.name}, stored at {size} x {size} px',
      ('split', 'what it does', 'images', 'shows, height x width',
       'with points'),
      tuple(rows),
  )  # fmt: skip


def _range(sizes: np.ndarray) -> str:
  """The smallest to the largest height and width."""
  low, high = sizes.min(axis=0), sizes.max(axis=0)
  return ' x '.join(
      f'{a:.0f}' if a == b else f'{a:.0f}-{b:.0f}'
      for a, b in zip(low, high, strict=True)
  )


def _points(
    names: tuple[str, ...], splits: dict[str, storage.Table]
) -> Table | None:
  """How many annotations of each point are missing in each labelled split."""
  labelled = {
      name: split.points
      for name, split in splits.items()
      if np.isfinite(split.points).any()
  }
  if not labelled:
    return None
  rows = tuple(
      (name, *(
          f'{np.isnan(points[:, j]).any(axis=1).sum()} of {len(points)}'
          for points in labelled.values()
      ))
      for j, name in enumerate(names)
  )  # fmt: skip
  return Table('points', 'Missing points', ('point', *labelled), rows)


def _protocol(run: run_lib.Run) -> Table | None:
  rows = tuple(
      (name.replace('_', ' '), value)
      for name, value in scored_data.data_protocol(run.description).items()
  )
  return Table('data', 'As read', ('what', 'value'), rows) if rows else None


def _time_table(config: Any, times: dict[str, float]) -> Table:
  rows = tuple(
      (name, f'{config[name].num_epochs}', _duration(seconds))
      for name, seconds in times.items()
  )
  devices = jax.local_devices()
  return Table(
      'time', 'Estimated time of training, on this machine',
      ('stage', 'epochs', 'time'), rows,
      note=f'From up to {_TRIAL_STEPS} steps of each stage, of which the first '
      f'does not count, on {len(devices)} x {devices[0].device_kind}.',
  )  # fmt: skip


def _duration(seconds: float) -> str:
  if seconds < 90:
    return f'{seconds:.0f} s'
  if seconds < 90 * 60:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'


def _draw(run: run_lib.Run, splits: dict[str, storage.Table]) -> None:
  """A sheet of samples of each split, taken evenly over it."""
  count = run.config.evaluation.sheet_images
  for name, split in splits.items():
    pixels = storage.open_pixels(run.builder, name)
    rows = np.linspace(0, len(split) - 1, min(count, len(split))).astype(int)
    number = len(run.description.point_names)
    points = split.points[rows, :number]
    figures.draw_points(
        run.workdir.figures, f'data_{name}', images=pixels[rows],
        points=np.full_like(points, np.nan), predicted=points,
        point_names=run.description.point_names,
        title=f'{name}: {len(rows)} of {len(split)} images, as stored',
    )  # fmt: skip


def _summary(
    run: run_lib.Run,
    splits: dict[str, storage.Table],
    twice: list[Duplicates],
    times: dict[str, float],
) -> dict[str, Any]:
  """What dataset.json holds."""
  names = run.description.point_names
  return {
      'dataset': run.config.dataset.name,
      'image_size': run.config.image_size,
      'splits': {name: len(split) for name, split in splits.items()},
      'missing': {
          name: {
              point: int(np.isnan(split.points[:, j]).any(axis=1).sum())
              for j, point in enumerate(names)
          }
          for name, split in splits.items()
      },
      'duplicates': [dataclasses.asdict(both) for both in twice],
      'protocol': scored_data.data_protocol(run.description),
      'notes': run.description.notes,
      'estimated_seconds': times,
  }
