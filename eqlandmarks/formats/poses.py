"""The one form in memory of what all label formats hold."""

import dataclasses
import pathlib

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import conventions
from eqlandmarks.formats import paths


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
  """Points on images: labels, or predictions.

  Attributes:
    names: the J points, in the order of `points`.
    images: N paths below a root folder, with forward slashes; frames of a video
      are named as `paths.frame_name` does.
    points: [N, J, 2] (row, column) in pixels of the original image, the centre
      of the top-left pixel at (0.5, 0.5); NaN where missing.
    confidence: [N, J] on [0, 1], NaN where unknown; None for labels.
    sizes: [N, 2] (height, width) of the original images in pixels, 0 where not
      said; or None.
    scorer: who labelled, or what predicted.
    video: the file whose frames the images are, or ''; without its ending if
      that was not said.
    splits: N names such as 'train' and 'test', '' where not said; None in a
      format that does not say.
    where: N places in the file that was read, for messages; () if in memory.
    videos: of which video file each frame is, as the file says, '' of images;
      None in a format that does not say.

  Raises:
    UserError: the attributes do not fit together, a name or an image is blank
      or there twice, or a number is not what it should be.
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
    for field in ('names', 'images', 'where'):
      object.__setattr__(self, field, tuple(getattr(self, field)))
    count, width = len(self.images), len(self.names)
    self._set_array('points', np.float64, (count, width, 2))
    self._set_array('confidence', np.float64, (count, width))
    self._set_array('sizes', np.int64, (count, 2))
    for field in ('splits', 'videos'):
      if getattr(self, field) is not None:
        object.__setattr__(self, field, tuple(getattr(self, field)))
    lists = {'splits': self.splits, 'where': self.where or None,
             'videos': self.videos}  # fmt: skip
    for field, values in lists.items():
      if values is not None and len(values) != count:
        raise UserError(
            f'poses.{field}: found {len(values)}, expected {count}'
        )
    _check_names(self.names)
    _check_once('images', self.images)
    _check_numbers(self)

  def _set_array(self, field: str, dtype, shape: tuple[int, ...]) -> None:
    if getattr(self, field) is None and field != 'points':
      return
    values = np.asarray(getattr(self, field), dtype)
    if values.shape != shape:
      raise UserError(
          f'poses.{field}: found shape {values.shape}, expected {shape}'
      )
    object.__setattr__(self, field, values)


def _check_names(names: tuple[str, ...]) -> None:
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
  if not names:
    raise UserError('poses.names: found none, expected at least one point')


def _check_once(field: str, values: tuple[str, ...]) -> None:
  seen = set()
  for value in values:
    if value in seen:
      raise UserError(
          f"poses.{field}: found '{paths.shown(value)}' twice, expected each "
          'once'
      )
    seen.add(value)


def _check_numbers(poses: Poses) -> None:
  missing = np.isnan(poses.points)
  if np.isinf(poses.points).any() or (missing[..., 0] != missing[..., 1]).any():
    raise UserError(
        'poses.points: found a point that is infinite or has one coordinate, '
        'expected two numbers, or NaN for both'
    )
  if poses.confidence is not None:
    known = poses.confidence[~np.isnan(poses.confidence)]
    if ((known < 0) | (known > 1)).any():
      raise UserError(
          f'poses.confidence: found {known.min():g} to {known.max():g}, '
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
    split: in lower case, '' where not said.
    size: (height, width) in pixels, or None.
    video: the video file that the image is a frame of, as in the file, or ''.
  """

  image: str
  points: np.ndarray
  where: str
  confidence: np.ndarray | None = None
  split: str = ''
  size: tuple[int, int] | None = None
  video: str = ''


def assemble(
    form: str,
    path: pathlib.Path,
    names: tuple[str, ...],
    rows: list[Row],
    **fields,
) -> Poses:
  """Makes the rows of a file into `Poses`.

  Args:
    form: the format, a key of `conventions.CENTRE`.
    path: the file, for messages.
    names: the points.
    rows: one for each image.
    **fields: of `Poses`: `scorer`, `video`, `splits`.

  Raises:
    UserError: an image is there twice, or a name or a number is not what it
      should be.
  """
  first: dict[str, Row] = {}
  for row in rows:
    if row.image in first:
      raise UserError(
          f"{row.where}: found '{paths.shown(row.image)}' again, expected one "
          f'row for an image; the first is {first[row.image].where}'
      )
    first[row.image] = row
  points = [conventions.from_file(row.points, form) for row in rows]
  sizes = [row.size or (0, 0) for row in rows]
  videos = [row.video for row in rows]
  try:
    return Poses(
        names=names,
        images=tuple(first),
        points=np.array(points).reshape(len(rows), len(names), 2),
        confidence=_confidence(rows, len(names)),
        sizes=sizes if any(row.size for row in rows) else None,
        where=tuple(row.where for row in rows),
        videos=videos if any(videos) else None,
        **fields,
    )
  except UserError as error:
    raise UserError(f'{path}: {error}') from error


def _confidence(rows: list[Row], width: int) -> np.ndarray | None:
  """[N, J], NaN in rows without; None where no row has any."""
  if all(row.confidence is None for row in rows):
    return None
  nothing = np.full(width, np.nan)
  return np.array(
      [nothing if r.confidence is None else r.confidence for r in rows]
  )
