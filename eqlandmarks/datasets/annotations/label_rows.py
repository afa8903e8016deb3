"""Labels as the dataset `folder` holds them, row by row.

A row belongs to one image, and its numbers are x, y in pixels of the image as
displayed, with the CENTRE of the top-left pixel at 0, as in a table; a point
that is nan is missing.
"""

import dataclasses

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses
from eqlandmarks.formats import conventions


@dataclasses.dataclass(frozen=True)
class Row:
  """The labels of one image.

  Attributes:
    points: [J, 2] (x, y) in pixels of the image, NaN where missing.
    split: the table's cell in lower case, or '' where there is none.
    where: the file and the row, for messages.
    size: (height, width) in pixels that the file states, or None.
    video: the video file that the image is a frame of, as the label file says,
      or ''.
  """

  points: np.ndarray
  split: str
  where: str
  size: tuple[int, int] | None = None
  video: str = ''

  @property
  def labelled(self) -> bool:
    """Whether any point is annotated."""
    return bool(np.isfinite(self.points).any())


@dataclasses.dataclass(frozen=True)
class Labels:
  """All labels of a dataset.

  Attributes:
    names: the points, in the order of `Row.points`.
    rows: path below the root -> labels.
    has_split: whether the labels say what is train and what is test.
    form: the format they were read from, a key of `formats.FORMATS`, or ''.
    scored: how many points came with a likelihood, as predictions do.
    unsure: how many of these were left out for it.
    notes: lines that the program shows.
  """

  names: tuple[str, ...] = ()
  rows: dict[str, Row] = dataclasses.field(default_factory=dict)
  has_split: bool = False
  form: str = ''
  scored: int = 0
  unsure: int = 0
  notes: tuple[str, ...] = ()


def from_poses(poses: Poses, form: str, least: float = 0.0) -> Labels:
  """The labels in what a reader of `formats` returned.

  Args:
    poses: the points.
    form: the format they were read from.
    least: points of a lower confidence become missing ones.
  """
  splits = poses.splits or ('',) * len(poses.images)
  points = conventions.to_file(poses.points, 'table')
  scored = unsure = np.zeros(points.shape[:2], bool)
  if poses.confidence is not None:
    scored = np.isfinite(points).all(-1) & np.isfinite(poses.confidence)
    unsure = scored & (poses.confidence < least)
    points = np.where(unsure[..., None], np.nan, points)
  sizes = [None] * len(poses.images)
  if poses.sizes is not None:
    sizes = [(h, w) if h and w else None for h, w in poses.sizes.tolist()]
  videos = poses.videos or ('',) * len(poses.images)
  rows = {
      image: Row(*fields)
      for image, *fields in zip(
          poses.images, points, splits, poses.where, sizes, videos, strict=True
      )
  }
  return Labels(
      poses.names, rows, poses.splits is not None, form,
      int(scored.sum()), int(unsure.sum()),
  )  # fmt: skip


def add(rows: dict[str, Row], path: str, row: Row) -> None:
  """Adds the row of an image, which must have none yet."""
  if path in rows:
    raise UserError(
        f"{row.where}: found '{path}' again, expected one row for an image; "
        f'the first is {rows[path].where}'
    )
  rows[path] = row
