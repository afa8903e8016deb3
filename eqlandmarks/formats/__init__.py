"""Label files: a plain table.

x and y are in pixels of the original image, with the CENTRE of its top-left
pixel at 0.
"""

import csv
import dataclasses
import os
import pathlib
from collections.abc import Callable

import numpy as np

from eqlandmarks.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
  """Points on images.

  Attributes:
    names: the J points.
    images: N paths below a root folder, or names of a video's frames.
    points: `[N, J, 2]` (row, column) in pixels of the original image, the
      centre of the top-left pixel at (0.5, 0.5); NaN where missing.
    confidence: `[N, J]` on [0, 1], or None.
    sizes: `[N, 2]` (height, width) of the original images, or None.
    scorer: what predicted.
    video: the file whose frames the images are, or ''.
  """

  names: tuple[str, ...]
  images: tuple[str, ...]
  points: np.ndarray
  confidence: np.ndarray | None = None
  sizes: np.ndarray | None = None
  scorer: str = 'eqlandmarks'
  video: str = ''


def write(poses: Poses, path: str | os.PathLike, form: str) -> None:
  """Writes a label file, whole or not at all.

  Args:
    poses: the points.
    path: where to; a file that is there is replaced.
    form: a key of `FORMATS`.

  Raises:
    UserError: the place cannot be written to.
  """
  path = pathlib.Path(path)
  partial = path.with_name(path.name + '.partial')
  try:
    FORMATS[form](poses, partial)
    partial.replace(path)
  except OSError as error:
    raise UserError(
        f'{path}: cannot be written ({error.strerror}), expected a place that '
        'can be written to'
    ) from error


def _write_table(poses: Poses, path: pathlib.Path) -> None:
  scored = poses.confidence is not None
  kinds = ('_x', '_y', '_confidence') if scored else ('_x', '_y')
  header = ['path'] + [name + kind for name in poses.names for kind in kinds]
  columns = [poses.points[..., ::-1] - 0.5]
  columns += [poses.confidence[..., None]] if scored else []
  values = np.concatenate(columns, axis=-1).reshape(len(poses.images), -1)
  with open(path, 'w', encoding='utf-8', newline='') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(header)
    for image, row in zip(poses.images, values, strict=True):
      writer.writerow(
          [image, *('' if v != v else round(float(v), 4) for v in row)]
      )


FORMATS: dict[str, Callable[[Poses, pathlib.Path], None]] = {
    'table': _write_table
}
