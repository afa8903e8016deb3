"""Checks the labels against the fields and the images that were found."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

import numpy as np

from eqlandmarks.datasets.annotations import deeplabcut
from eqlandmarks.datasets.annotations import label_paths
from eqlandmarks.datasets.annotations import label_rows
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations import unread
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import images

# Formats that may name a frame by its video and its number alone.
_OF_VIDEOS = ('sleap', *deeplabcut.FORMS)


def matched_labels(
    fields: Fields, kept: list[str]
) -> tuple[labels.Labels, dict[str, labels.Row]]:
  """The labels, and their rows by the images' own paths."""
  files = labels.label_files(fields.labels, fields.root, fields.unread)
  marks = labels.read_labels(
      fields.labels, fields.root, files, fields.min_likelihood
  )
  own_path = {finding.canonical(path): path for path in kept}
  marks = label_paths.below_their_folder(marks, files, own_path, fields)
  frames = label_paths.Frames(
      kept if marks.form in _OF_VIDEOS else [], fields.root
  )
  rows, missing = {}, []
  for path, row in marks.rows.items():
    own = own_path.get(path) or frames.find(path, row)
    if own:
      label_rows.add(rows, own, row)
    elif not finding.matches(path, fields.exclude):
      missing.append((path, row.where))
  if missing:
    path, where = missing[0]
    others = [name for name, _ in missing if unread.is_unread(name)]
    remedy = ''
    if others:
      remedy = (
          f"; files such as '{paths.shown(others[0])}' are not read: save them "
          'as .png'
      )
    raise UserError(
        f'config.dataset.labels: {len(missing)} of {len(marks.rows)} rows name '
        f"images that were not found, the first is '{paths.shown(path)}' "
        f'({where}), expected paths of images below {fields.root}{remedy}'
    )
  return marks, rows


def check_names(fields: Fields, names: tuple[str, ...]) -> None:
  """Refuses eyes and groups that name what is not annotated."""
  expected = f'expected names out of {", ".join(names) or "(no labels given)"}'
  if fields.eyes and not len(fields.eyes) == len(set(fields.eyes)) == 2:
    raise UserError(
        f"config.dataset.eyes: found '{','.join(fields.eyes)}', expected two "
        'different points, or none'
    )
  lists = {'eyes': fields.eyes}
  lists |= {f'groups.{group}': fields.groups[group] for group in fields.groups}
  for field, members in lists.items():
    for name in members:
      if name not in names:
        raise UserError(
            f"config.dataset.{field}: found point '{name}', {expected}"
        )
    if not members and field != 'eyes':
      raise UserError(f'config.dataset.{field}: found no point, {expected}')


def without_bad(
    root: pathlib.Path, kept: list[str], notes: list[str]
) -> list[str]:
  """Leaves out the images that do not decode."""
  bad = images.bad_images(root, kept)
  left_out = set(bad)
  if bad:
    notes.append(
        f'skip_bad: {len(bad)} images that do not decode are left out, the '
        f'first is {bad[0]}'
    )
  return [path for path in kept if path not in left_out]


def inside(
    fields: Fields,
    names: tuple[str, ...],
    rows: dict[str, labels.Row],
    notes: list[str],
    box_of: Callable[[str], crops.Box] | None = None,
) -> dict[str, labels.Row]:
  """Checks that the points lie on their images; drops them if that is asked.

  Args:
    fields: say whether they are dropped.
    names: the points.
    rows: path below the root -> labels.
    notes: gets a line if points are dropped.
    box_of: what is seen of the image of a path; all of its file if None.

  Returns:
    The rows, with NaN where points were dropped.
  """
  box_of = box_of or functools.partial(_whole, fields.root)
  checked, dropped = {}, []
  for path, row in rows.items():
    if row.labelled:
      box = box_of(path)
      # Pixel centres are whole numbers, so pixels end at the halves.
      limits = np.array([[box.left, box.top], [box.right, box.bottom]]) - 0.5
      out = ((row.points < limits[0]) | (row.points > limits[1])).any(-1)
      for j in np.flatnonzero(out):
        text = _outside_text(path, row, names[j], row.points[j], limits)
        if fields.outside == 'error':
          raise UserError(text)
        dropped.append(f"'{names[j]}' ({row.where})")
      points = np.where(out[:, None], np.nan, row.points)
      row = dataclasses.replace(row, points=points)
    checked[path] = row
  if dropped:
    notes.append(
        f'outside: {len(dropped)} points outside their image count as missing, '
        f'the first is {dropped[0]}'
    )
  return checked


def _whole(root: pathlib.Path, path: str) -> crops.Box:
  return crops.Box(0, 0, *images.displayed_size(root / path))


def _outside_text(
    path: str, row: labels.Row, name: str, point: np.ndarray, limits: np.ndarray
) -> str:
  (left, top), (right, bottom) = limits
  return (
      f"{row.where}: found point '{name}' at x={point[0]:g}, y={point[1]:g} "
      f'outside {path}, expected {left:g} <= x <= {right:g} and {top:g} <= y '
      f"<= {bottom:g}; config.dataset.outside='missing' counts such points as "
      'missing'
  )
