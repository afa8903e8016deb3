"""Checks the labels against the fields and the images that were found."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from eqlandmarks.datasets.annotations import deeplabcut_project
from eqlandmarks.datasets.annotations import label_paths
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.annotations import unread
from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import paths
from eqlandmarks.formats import poses as poses_lib
from eqlandmarks.formats.poses import Poses
from eqlandmarks.media import finding
from eqlandmarks.media import images

# Formats that may name a frame by its video and its number alone.
_OF_VIDEOS = ('sleap', *deeplabcut_project.FORMS)


def matched_labels(fields: Fields, kept: list[str]) -> labels.Labels:
  """The labels of the images that were found, by these images' own paths."""
  given, files = labels.read(fields)
  poses = given.poses
  own_path = {finding.canonical(path): path for path in kept}
  names, note = label_paths.below_their_folder(
      poses.images, files, own_path, fields
  )
  frames = label_paths.Frames(
      kept if given.form in _OF_VIDEOS else [], fields.root
  )
  numbers, seen, missing = [], {}, []
  for n, (path, where) in enumerate(zip(names, poses.where, strict=True)):
    video = poses.videos[n] if poses.videos else ''
    own = own_path.get(path) or frames.find(path, video, where)
    if own:
      poses_lib.check_new(own, where, seen)
      numbers.append(n)
    elif not finding.matches(path, fields.exclude):
      missing.append((path, where))
  if missing:
    path, where = missing[0]
    others = [paths.shown(p) for p, _ in missing if unread.is_unread(p)]
    remedy = (
        f"; files such as '{others[0]}' are not read: save them as .png"
        if others else ''
    )
    raise UserError(
        f'config.dataset.labels: {len(missing)} of {len(names)} rows name '
        f"images that were not found, the first is '{paths.shown(path)}' "
        f'({where}), expected paths of images below {fields.root}{remedy}'
    )
  return labels.Labels(
      poses.take(numbers, [*seen]), given.form,
      (*given.notes, *filter(None, [note])),
  )  # fmt: skip


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
    poses: Poses,
    notes: list[str],
    box_of: Callable[[str], crops.Box],
) -> Poses:
  """Checks that points lie in their images' boxes, or drops the others."""
  points, dropped = poses.points.copy(), []
  for n in np.flatnonzero(poses.labelled):
    box = box_of(poses.images[n])
    out = ~box.contains(points[n]) & np.isfinite(points[n]).all(-1)
    for j in np.flatnonzero(out):
      if fields.outside == 'error':
        raise UserError(_outside_text(poses, n, j, box))
      dropped.append(f"'{poses.names[j]}' ({poses.where[n]})")
    points[n, out] = np.nan
  if dropped:
    notes.append(
        f'outside: {len(dropped)} points outside their image count as missing, '
        f'the first is {dropped[0]}'
    )
  return dataclasses.replace(poses, points=points)


def _outside_text(poses: Poses, n: int, j: int, box: crops.Box) -> str:
  # As tables have it: the centre of the top-left pixel at 0.
  x, y = conventions.to_file(poses.points[n, j], conventions.CENTRE['table'])
  return (
      f"{poses.where[n]}: found point '{poses.names[j]}' at x={x:g}, y={y:g} "
      f'outside {poses.images[n]}, expected {box.left - 0.5:g} <= x <= '
      f'{box.right - 0.5:g} and {box.top - 0.5:g} <= y <= '
      f"{box.bottom - 0.5:g}; config.dataset.outside='missing' counts such "
      'points as missing'
  )


def check_sizes(
    poses: Poses,
    form: str,
    size_of: Callable[[str], tuple[int, int]],
    file_of: Callable[[str], pathlib.Path | None],
) -> None:
  """Refuses labels that were made on images of other sizes.

  Images that were resized since they were labelled, or are shown turned where
  the labelling program did not turn them, would get their points in the wrong
  places. Nothing reveals square images that EXIF turns, nor images that it
  mirrors or turns by half a circle.

  Args:
    poses: the labels.
    form: their format.
    size_of: (height, width) of an image or frame as shown, in pixels.
    file_of: the file of an image; None for a frame of a video.
  """
  if poses.sizes is None:
    return
  for n, path in enumerate(poses.images):
    stated = tuple(poses.sizes[n].tolist())
    # SLEAP states the size of many images by the first, labelled or not.
    if not all(stated) or not (poses.labelled[n] or form == 'sleap'):
      continue
    size = size_of(path)
    if size == stated:
      continue
    text = (
        f'{poses.where[n]}: found the size {stated[1]} x {stated[0]} for '
        f'{path}, which is shown with {size[1]} x {size[0]} pixels (width x '
        'height), expected labels of images of the same size'
    )
    file = file_of(path)
    if stated == size[::-1] and file is not None and images.is_turned(file):
      text += (
          '; its EXIF orientation turns it: where the points are those of the '
          'picture that is not turned, take the orientation out of the file '
          "('exiftool -Orientation= FILE'), otherwise correct the label file's "
          'width and height'
      )
    raise UserError(text)
