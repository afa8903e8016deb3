"""Who is train, unlabelled or test in a folder of images.

Everything that can be wrong with the listing and the labels is found here,
before anything is written.
"""

import functools
import posixpath

import numpy as np

from eqlandmarks.datasets.annotations import checks
from eqlandmarks.datasets.annotations import deeplabcut_project
from eqlandmarks.datasets.annotations import stated_sizes
from eqlandmarks.datasets.annotations import unread
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.examples import Description
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses
from eqlandmarks.media import finding
from eqlandmarks.media import images


def make_plan(
    fields: Fields, found: list[str]
) -> tuple[dict[str, list[str]], Poses, Description]:
  """Decides what becomes of each of the images found below the root.

  Returns:
    Split -> paths below the root in natural order, of which none is empty; the
    labels of these images; and what is stored beside the records.
  """
  notes: list[str] = []
  kept = [p for p in found if not finding.matches(p, fields.exclude)]
  if fields.exclude:
    notes.append(f'exclude: {len(found) - len(kept)} images are left out')
  left_out = unread.note(fields.root, fields.unread)
  notes += [left_out] if left_out else []
  given = checks.matched_labels(fields, kept)
  poses = given.poses
  checks.check_names(fields, poses.names)
  notes += given.notes
  kept = deeplabcut_project.without_drawn_pictures(
      fields.root, kept, poses.images, given.form, notes
  )
  if fields.skip_bad:
    kept = checks.without_bad(fields.root, kept, notes)
  if len(kept) < 2:
    raise UserError(
        f'config.dataset.root: found {len(kept)} images below {fields.root}, '
        f'expected at least 2{"; " * bool(left_out)}{left_out}'
    )
  poses = poses.take([poses.number_of[p] for p in kept if p in poses.number_of])
  size_of = functools.cache(
      lambda path: images.displayed_size(fields.root / path)
  )
  stated_sizes.check(poses, given.form, size_of, lambda p: fields.root / p)
  poses = checks.inside(
      fields, poses, notes, lambda path: crops.Box(0, 0, *size_of(path))
  )
  splits = assign(fields, kept, poses, notes)
  check(fields, splits, poses)
  splits = {split: paths for split, paths in splits.items() if paths}
  return splits, poses, describe(fields, poses.names, splits, notes)


def describe(
    fields: Fields,
    names: tuple[str, ...],
    splits: dict[str, list[str]],
    notes: list[str],
    protocol: dict[str, str] | None = None,
) -> Description:
  """What is stored beside the records, once the splits are known."""
  return Description(
      point_names=names,
      groups=fields.groups,
      eyes=fields.eyes,
      stage_split='+'.join(s for s in ('train', 'unlabelled') if s in splits),
      fit_split='train' if 'train' in splits else '',
      test_split='test' if 'test' in splits else '',
      notes=tuple(notes),
      protocol=protocol or {},
  )


def assign(
    fields: Fields,
    kept: list[str],
    poses: Poses,
    notes: list[str],
    folders: str = 'folders',
) -> dict[str, list[str]]:
  """Sorts the images into splits, in their order; the rest is left out.

  Args:
    fields: say how.
    kept: paths of the images, in natural order.
    poses: the labels of some of them.
    notes: gets a line for what was decided.
    folders: what users know the images' folders by.

  Returns:
    'train', 'unlabelled' and 'test' -> paths; some may be empty.
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


def check(
    fields: Fields, splits: dict[str, list[str]], poses: Poses
) -> None:
  """Refuses labels that leave nothing to fit or nothing to score on."""
  if not fields.labels:
    return
  count = np.count_nonzero(poses.labelled)
  found = f'{count} labelled images, of which {len(splits["train"])} are train'
  if not splits['train']:
    raise UserError(
        f"config.dataset.labels='{fields.labels}': found {found}, expected at "
        'least one to fit on'
    )
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
      f"config.dataset.labels='{fields.labels}': found {found} and none is "
      f'test, expected {wanted}; config.dataset.test_share=0 without '
      'config.dataset.test does without a test split'
  )
