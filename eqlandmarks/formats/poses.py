"""The one form in memory of what all label formats hold."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import paths


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
  """Points on images: labels, or predictions.

  Attributes:
    names: the J points, in the order of `points`; none only without images.
    images: N paths below a root folder, with forward slashes; frames of a video
      are named as `paths.frame_name` does.
    points: [N, J, 2] (row, column) in pixels of the original image, the centre
      of the top-left pixel at (0.5, 0.5); NaN where missing.
    confidence: [N, J] on [0, 1], NaN where unknown; None for labels.
    sizes: [N, 2] (height, width) of the original images in pixels, 0 where
      unknown; or None.
    scorer: who labelled, or what predicted.
    video: the file whose frames the images are, or ''; perhaps without its
      ending.
    splits: N names such as 'train' and 'test', '' where unknown; or None.
    where: N places in the file that was read, for messages; () if in memory.
    videos: the video file of each frame, '' for images; or None.

  Raises:
    UserError: the attributes do not fit together, a name or an image is blank
      or repeated, or a number is out of range.
  """

  names: tuple[str, ...]
  images: tuple[str, ...]
  points: np.ndarray
  confidence: np.ndarray | None = None
  sizes: np.ndarray | None = None
  scorer: str = 'eqlandmarks'
  video: str = ''
  splits: tuple[str, ...] | None = None
  where: tuple[str, ...] = ()
  videos: tuple[str, ...] | None = None

  def __post_init__(self):
    """Brings the attributes to their types, and checks them."""
    for field in ('names', 'images', 'where', 'splits', 'videos'):
      if getattr(self, field) is not None:
        object.__setattr__(self, field, tuple(getattr(self, field)))
    count, width = len(self.images), len(self.names)
    self._set_array('points', np.float64, (count, width, 2))
    self._set_array('confidence', np.float64, (count, width))
    self._set_array('sizes', np.int64, (count, 2))
    lists = {'splits': self.splits, 'where': self.where or None,
             'videos': self.videos}  # fmt: skip
    for field, values in lists.items():
      if values is not None and len(values) != count:
        raise UserError(
            f'poses.{field}: found {len(values)}, expected {count}'
        )
    _check_names(self.names, count)
    _check_once('images', self.images)
    _check_numbers(self)

  @functools.cached_property
  def number_of(self) -> dict[str, int]:
    """Image -> its place in `images`."""
    return {image: number for number, image in enumerate(self.images)}

  @functools.cached_property
  def labelled(self) -> np.ndarray:
    """`[N]`: whether any point of an image is there."""
    return np.isfinite(self.points).any(axis=(1, 2))

  def take(
      self, numbers: Sequence[int], images: Sequence[str] | None = None
  ) -> 'Poses':
    """Some of the images, by their numbers, under other names if given."""
    numbers = [*numbers]
    fields = {}
    for field in ('points', 'confidence', 'sizes'):
      values = getattr(self, field)
      fields[field] = None if values is None else values[numbers]
    for field in ('images', 'splits', 'where', 'videos'):
      values = getattr(self, field)
      fields[field] = values and tuple(values[n] for n in numbers)
    if images is not None:
      fields['images'] = images
    return dataclasses.replace(self, **fields)

  def _set_array(self, field: str, dtype, shape: tuple[int, ...]) -> None:
    if getattr(self, field) is None and field != 'points':
      return
    values = np.asarray(getattr(self, field), dtype)
    if values.shape != shape:
      raise UserError(
          f'poses.{field}: found shape {values.shape}, expected {shape}'
      )
    object.__setattr__(self, field, values)


def _check_names(names: tuple[str, ...], count: int) -> None:
  """Points need names that every format can hold."""
  for name in names:
    if not isinstance(name, str) or not name.isprintable() or (
        name.strip() != name or not name
    ):
      raise UserError(
          f'poses.names: found {paths.shown(repr(name))}, expected text on one '
          'line without blanks around it'
      )
  _check_once('names', names)
  if count and not names:
    raise UserError('poses.names: found none, expected at least one point')


def _check_once(field: str, values: tuple[str, ...]) -> None:
  for value, count in collections.Counter(values).items():
    if count > 1:
      raise UserError(
          f"poses.{field}: found '{paths.shown(value)}' twice, expected each "
          'once'
      )


def _check_numbers(poses: Poses) -> None:
  missing = np.isnan(poses.points)
  if np.isinf(poses.points).any() or (missing[..., 0] != missing[..., 1]).any():
    raise UserError(
        'poses.points: found a point that is infinite or has one coordinate, '
        'expected two numbers, or NaN for both'
    )
  if poses.confidence is not None:
    values = poses.confidence[~np.isnan(poses.confidence)]
    if ((values < 0) | (values > 1)).any():
      raise UserError(
          f'poses.confidence: found {values.min():g} to {values.max():g}, '
          'expected numbers on [0, 1]'
      )


@dataclasses.dataclass(frozen=True)
class Row:
  """What a file says of one image.

  Attributes:
    image: path below the root.
    points: [J, 2] (x, y) as in the file, NaN where missing.
    where: the file and the place in it, for messages.
    confidence: [J] as in the file, or None.
    split: in lower case, or ''.
    size: (height, width) in pixels, or None.
    video: the video file of the frame, or ''.
  """

  image: str
  points: np.ndarray
  where: str
  confidence: np.ndarray | None = None
  split: str = ''
  size: tuple[int, int] | None = None
  video: str = ''


def assemble(
    centre: float,
    path: pathlib.Path,
    names: tuple[str, ...],
    rows: list[Row],
    **fields,
) -> Poses:
  """Makes the rows of a file into `Poses`.

  Args:
    centre: of the format, as in `conventions.CENTRE`.
    path: the file, for messages.
    names: of the points.
    rows: one for each image.
    **fields: of `Poses`: `scorer`, `video`, `splits`.
  """
  scored = any(row.confidence is not None for row in rows)
  missing = np.full(len(names), np.nan)
  confidence = [
      missing if row.confidence is None else row.confidence for row in rows
  ]
  seen: dict[str, str] = {}
  for row in rows:
    check_new(row.image, row.where, seen)
  points = [conventions.from_file(row.points, centre) for row in rows]
  sizes = [row.size or (0, 0) for row in rows]
  videos = [row.video for row in rows]
  try:
    return Poses(
        names=names,
        images=tuple(seen),
        points=np.array(points).reshape(len(rows), len(names), 2),
        confidence=confidence if scored else None,
        sizes=sizes if any(row.size for row in rows) else None,
        where=tuple(row.where for row in rows),
        videos=videos if any(videos) else None,
        **fields,
    )
  except UserError as error:
    raise UserError(f'{path}: {error}') from error


def join(parts: Sequence[Poses], remedy: str = '') -> Poses:
  """The images of several files, which have the same points in any order.

  `remedy` ends the error of an image that is in two of them.
  """
  first, images = parts[0], [image for part in parts for image in part.images]
  where = [place for part in parts for place in part.where]
  seen: dict[str, str] = {}
  for image, place in zip(images, where, strict=True):
    check_new(image, place, seen, remedy)
  order = [[part.names.index(name) for name in first.names] for part in parts]
  points = [p.points[:, own] for p, own in zip(parts, order, strict=True)]
  confidence = [
      None if p.confidence is None else p.confidence[:, own]
      for p, own in zip(parts, order, strict=True)
  ]
  counts = [len(part.images) for part in parts]
  return dataclasses.replace(
      first,
      images=images,
      points=np.concatenate(points),
      confidence=_joined(confidence, counts, [np.nan] * len(first.names)),
      sizes=_joined([part.sizes for part in parts], counts, [0, 0]),
      where=where,
      splits=_joined([part.splits for part in parts], counts, ''),
      videos=_joined([part.videos for part in parts], counts, ''),
  )


def _joined(columns: list[Any], counts: list[int], missing: Any) -> Any:
  """One column of several files', filled up in those that have none."""
  if all(column is None for column in columns):
    return None
  return [
      value for column, count in zip(columns, counts, strict=True)
      for value in ([missing] * count if column is None else column)
  ]


def check_new(
    image: str, where: str, seen: dict[str, str], remedy: str = ''
) -> None:
  """Checks that an image is not in `seen`, image -> where, and adds it."""
  if image in seen:
    raise UserError(
        f"{where}: found '{paths.shown(image)}' again, expected one row for an "
        f'image; the first is {seen[image]}{remedy}'
    )
  seen[image] = where
