"""Which images of a user are train, unlabelled or test."""

import posixpath
import types
from collections.abc import Callable, Mapping

import numpy as np

from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base.examples import Description
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses
from eqlandmarks.media import finding

# 'train', 'unlabelled' and 'test' -> ids.
Splits = dict[str, list[str]]


def plan(
    fields: Fields,
    kept: list[str],
    poses: Poses,
    notes: list[str],
    item: Callable[[str, np.ndarray], builder.Item],
    *,
    folders: str = 'folders',
    part: Callable[[Splits], Splits] = lambda splits: splits,
    protocol: Mapping[str, str] = types.MappingProxyType({}),
) -> builder.Plan:
  """Decides what becomes of the images.

  Args:
    fields: say how.
    kept: ids of the images, in natural order.
    poses: the labels of some of them.
    notes: gets lines for what was decided.
    item: what is stored of an id with points.
    folders: what users know the images' folders by.
    part: leaves images out of the splits.
    protocol: see `Description`.
  """
  splits = part(_assigned(fields, kept, poses, notes, folders))
  _check(fields, splits, poses)
  points = dict(zip(poses.images, poses.points, strict=True))
  # The images without labels, which may be many, share one array.
  missing = np.full((len(poses.names), 2), np.nan)
  items = {
      split: [item(id_, points.get(id_, missing)) for id_ in ids]
      for split, ids in splits.items() if ids
  }
  return builder.Plan(items, Description(
      point_names=poses.names,
      groups=fields.groups,
      eyes=fields.eyes,
      stage_split='+'.join(s for s in ('train', 'unlabelled') if s in items),
      fit_split='train' if 'train' in items else '',
      test_split='test' if 'test' in items else '',
      notes=tuple(notes),
      protocol=dict(protocol),
  ))  # fmt: skip


def _assigned(
    fields: Fields,
    kept: list[str],
    poses: Poses,
    notes: list[str],
    folders: str,
) -> Splits:
  """'train', 'unlabelled' and 'test' -> ids, in their order; some may be empty.

  The rest is left out.
  """
  with_labels = {poses.images[n] for n in np.flatnonzero(poses.labelled)}
  labelled = [path for path in kept if path in with_labels]
  if poses.splits is not None:
    column = dict(zip(poses.images, poses.splits, strict=True))
    fate = {
        p: _column_fate(p, column.get(p, ''), p in with_labels, fields.test)
        for p in kept
    }
    how = 'by the split column' + (' and dataset.test' if fields.test else '')
  elif fields.test:
    fate = {p: _pattern_fate(p, p in with_labels, fields.test) for p in kept}
    how = 'by dataset.test'
  else:
    held_out, how = _hold_out(labelled, fields.test_share, folders)
    fate = dict.fromkeys(kept, 'unlabelled')
    fate |= dict.fromkeys(labelled, 'train') | dict.fromkeys(held_out, 'test')
  splits = {
      split: [path for path in kept if fate[path] == split]
      for split in ('train', 'unlabelled', 'test')
  }
  if labelled:
    count = len(splits['test'])
    notes.append(f'test: {count} of {len(labelled)} labelled images, {how}')
  for reason in sorted(set(fate.values()) - set(splits)):
    paths = [path for path in kept if fate[path] == reason]
    notes.append(
        f'labels: left out {len(paths)} {reason}, the first is {paths[0]}'
    )
  return splits


def _column_fate(
    path: str, split: str, labelled: bool, patterns: tuple[str, ...]
) -> str:
  """The split of an image by the table's column, or why it is left out."""
  if split != 'test' and not labelled:
    return 'unlabelled'
  if split == 'train':
    return 'train'
  if split != 'test':
    return 'labelled images whose split is neither train nor test'
  if not labelled:
    return 'images of split test without coordinates'
  if patterns and not finding.matches(path, patterns):
    return 'images of split test that dataset.test does not match'
  return 'test'


def _pattern_fate(path: str, labelled: bool, patterns: tuple[str, ...]) -> str:
  """The split of an image by the patterns, or why it is left out."""
  if not finding.matches(path, patterns):
    return 'train' if labelled else 'unlabelled'
  # What the user calls test must not feed the training, labelled or not.
  return 'test' if labelled else 'images without labels in dataset.test'


def _hold_out(
    labelled: list[str], share: float, called: str
) -> tuple[list[str], str]:
  """The last images, and how they were chosen.

  Neighbouring frames of a video are near copies, so a shuffled choice would
  put copies of the training images into the test.
  """
  goal = max(1, round(share * len(labelled))) if share else 0
  goal = min(goal, max(len(labelled) - 1, 0))
  folders: dict[str, list[str]] = {}
  for path in labelled:
    folders.setdefault(posixpath.dirname(path), []).append(path)
  if len(folders) < 3 or not goal:
    return labelled[len(labelled) - goal:], 'the last in natural order'
  names, test = list(folders), []
  while len(names) > 1 and len(test) < goal:
    test += folders[names.pop()]
  count = len(folders) - len(names)
  return test, f'the last {count} of {len(folders)} {called}'


def _check(fields: Fields, splits: Splits, poses: Poses) -> None:
  """Refuses labels that leave nothing to fit or nothing to score on."""
  if not fields.labels:
    return
  count = np.count_nonzero(poses.labelled)
  text = (
      f"config.dataset.labels='{fields.labels}': found {count} labelled "
      f'images, of which {len(splits["train"])} are train'
  )
  if not splits['train']:
    raise UserError(f'{text}, expected at least one to fit on')
  if splits['test'] or not (fields.test_share or fields.test):
    return
  if fields.test:
    patterns = ','.join(fields.test)
    wanted = f"config.dataset.test='{patterns}' to match at least one"
  elif poses.splits is not None:
    wanted = 'at least one row of split test with coordinates'
  else:
    wanted = 'at least two'
  raise UserError(
      f'{text} and none is test, expected {wanted}; '
      'config.dataset.test_share=0 without config.dataset.test does without a '
      'test split'
  )
