"""--mode=prepare: what a dataset holds, before anything is trained on it."""

import dataclasses
import itertools
import pathlib
import tempfile
from typing import Any

import jax
import numpy as np

from eqlandmarks import errors
from eqlandmarks import nets
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.evaluation import score
from eqlandmarks.report import figures
from eqlandmarks.report.tables import Table
from eqlandmarks.runs import run
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


def show(this: run.Run) -> None:
  """Prints tables of the dataset, draws samples, and estimates the time."""
  splits = {
      split: storage.open_table(this.builder, split)
      for split in this.builder.info.splits
  }
  found = duplicates(splits, this.description.test_split)
  names = this.description.point_names
  for table in (_counts(this, splits), _points(names, splits), _protocol(this)):
    if table:
      print(errors.printable(table.to_text()) + '\n', flush=True)
  for both in found:
    one, same = both.pairs[0]
    run.say(
        f'warning: {len(both.pairs)} images of {both.splits[0]} are in '
        f'{both.splits[1]} too, byte for byte; the first is {one}, there {same}'
    )
  _draw(this, splits)
  times = estimate(this)
  print(_time_table(this.config, times).to_text() + '\n', flush=True)
  this.workdir.write('dataset.json', _summary(this, splits, found, times))
  run.say(
      f'samples are {this.workdir.figures}/data_*.png, all of this is in '
      f'{this.workdir.path / "dataset.json"}'
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
  found = []
  for first, second in itertools.combinations(splits, 2):
    known = dict(
        zip(splits[second].digests, splits[second].ids, strict=True)
    )
    pairs = [
        (str(i), str(known[digest]))
        for i, digest in zip(
            splits[first].ids, splits[first].digests, strict=True
        )
        if digest in known
        and (i != known[digest] or test_split in (first, second))
    ]
    if pairs:
      found.append(Duplicates((first, second), tuple(pairs)))
  return found


def estimate(this: run.Run) -> dict[str, float]:
  """Seconds that each stage will take, by a few steps of it on this machine.

  Evaluation, compiling and preparing come on top.
  """
  config, images = this.config, this.training_images()
  with tempfile.TemporaryDirectory() as folder:
    first, second = (
        stage_folder.StageFolder(pathlib.Path(folder) / name)
        for name in ('pretrain', 'discover')
    )
    stages.pretrain(
        config, images, first, num_epochs=config.pretrain.num_epochs,
        max_steps=_TRIAL_STEPS,
    )  # fmt: skip
    stages.discover(
        config, images, second, title='discover',
        features=first.load_variables()[nets.FEATURES],
        train_features=config.discover.train_features,
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
    this: run.Run, splits: dict[str, storage.Table]
) -> Table:
  """A row for each split."""
  roles = {
      'trains the stages': this.description.stage_split,
      'fits the regressor': this.description.fit_split,
      'is scored': this.description.test_split,
  }
  rows = []
  for name, split in splits.items():
    there = [role for role, names in roles.items() if name in names.split('+')]
    labelled = np.isfinite(split.points).any(axis=(1, 2)).sum()
    rows.append((
        name, ', '.join(there), str(len(split)), _range(split.original_sizes),
        str(labelled),
    ))  # fmt: skip
  size = this.config.image_size
  return Table(
      'splits', f'{this.config.dataset.name}, stored at {size} x {size} px',
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


def _protocol(this: run.Run) -> Table | None:
  rows = tuple(
      (name.replace('_', ' '), value)
      for name, value in score.data_protocol(this.description).items()
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


def _draw(this: run.Run, splits: dict[str, storage.Table]) -> None:
  """A sheet of samples of each split, taken evenly over it."""
  count = this.config.evaluation.sheet_images
  for name, split in splits.items():
    pixels = storage.open_pixels(this.builder, name)
    rows = np.linspace(0, len(split) - 1, min(count, len(split))).astype(int)
    number = len(this.description.point_names)
    figures.draw_samples(
        this.workdir.figures, f'data_{name}', images=pixels[rows],
        points=split.points[rows, :number],
        point_names=this.description.point_names,
        title=f'{name}: {len(rows)} of {len(split)} images, as stored',
    )  # fmt: skip


def _summary(
    this: run.Run,
    splits: dict[str, storage.Table],
    found: list[Duplicates],
    times: dict[str, float],
) -> dict[str, Any]:
  """What dataset.json holds."""
  names = this.description.point_names
  return {
      'dataset': this.config.dataset.name,
      'image_size': this.config.image_size,
      'splits': {name: len(split) for name, split in splits.items()},
      'missing': {
          name: {
              point: int(np.isnan(split.points[:, j]).any(axis=1).sum())
              for j, point in enumerate(names)
          }
          for name, split in splits.items()
      },
      'duplicates': [dataclasses.asdict(both) for both in found],
      'protocol': score.data_protocol(this.description),
      'notes': this.description.notes,
      'estimated_seconds': times,
  }
