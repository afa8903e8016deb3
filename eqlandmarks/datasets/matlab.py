"""Reading MATLAB files, with one line for whatever is wrong."""

import pathlib
import zlib
from typing import Any

import numpy as np

from eqlandmarks.datasets import mat5
from eqlandmarks.errors import UserError

# No image is as large; what is beyond is no coordinate.
LARGEST = 100_000


def load(path: pathlib.Path, variable: str) -> Any:
  """A variable of a .mat file, see `mat5.read`.

  Args:
    path: the file.
    variable: its name in the file.

  Raises:
    UserError: the file is damaged, of version 7.3, or has no such variable.
  """
  try:
    return mat5.read(path.read_bytes(), variable)
  except KeyError as error:
    raise UserError(
        f"{path}: found no variable '{variable}', expected one"
    ) from error
  except NotImplementedError as error:
    raise UserError(
        f'{path}: is a MATLAB 7.3 file, expected an earlier form (in MATLAB: '
        'save -v7)'
    ) from error
  # Reading may fail; and zlib and NumPy, at what a damaged file says.
  except (OSError, mat5.DamagedError, zlib.error, ValueError) as error:
    reason = ' '.join(str(error).split()) or type(error).__name__
    raise UserError(
        f'{path}: cannot be read ({reason[:200]}), expected an intact MATLAB '
        'file'
    ) from error


def numbers(value: Any, where: str) -> np.ndarray:
  """A numeric array as float64.

  Raises:
    UserError: it is something else.
  """
  array = np.asarray(value)
  if array.dtype.kind not in 'iufb':
    raise UserError(
        f'{where}: found values of type {array.dtype}, expected numbers'
    )
  return array.astype(np.float64)


def points_of_images(
    path: pathlib.Path, num_images: int, num_points: int
) -> tuple[np.ndarray, np.ndarray]:
  """`gt` and `hw` of the landmark files that lmdis-rep ships.

  Args:
    path: the file.
    num_images: how many images its list has.
    num_points: annotated points per image.

  Returns:
    `[N, J, 2]` points, (row, column) in pixels with the centre of the top-left
    pixel at (0.5, 0.5), and `[N, 2]` the (height, width) that they refer to. In
    the file, that centre is at 0.
  """
  points = numbers(load(path, 'gt'), f"{path}, 'gt'")
  sizes = numbers(load(path, 'hw'), f"{path}, 'hw'")
  for name, array, shape in (
      ('gt', points, (num_images, num_points, 2)),
      ('hw', sizes, (num_images, 2)),
  ):
    if array.shape != shape:
      found = ' x '.join(map(str, array.shape))
      raise UserError(
          f"{path}: '{name}' is {found}, expected "
          f'{" x ".join(map(str, shape))}, one entry for each image listed'
      )
  for name, good in (
      ('gt', np.abs(points) <= LARGEST),
      ('hw', (sizes >= 1) & (sizes <= LARGEST) & (sizes == np.floor(sizes))),
  ):
    if not good.all():
      row = np.argwhere(~good)[0, 0] + 1
      raise UserError(
          f"{path}: '{name}' is out of range in entry {row}, expected "
          f'{_EXPECTED[name]}'
      )
  return points + 0.5, sizes


_EXPECTED = {
    'gt': f'coordinates in pixels, within +-{LARGEST}',
    'hw': f'whole numbers of pixels, from 1 to {LARGEST}',
}
