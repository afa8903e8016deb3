"""Reading MATLAB files, with one line for whatever is wrong."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys
import zipfile
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.system import data_files
from eqlandmarks.system import regular_files

# No image is as large; what is beyond is no coordinate.
LARGEST = 100_000

# SciPy is not made for damaged files: a type that is out of range kills the
# process. So another process reads them, with bounded memory, and answers with
# plain arrays and JSON.
_READ = """
import io, json, resource, sys, warnings
import numpy as np
import scipy.io

limit = 4 * 2**30
if hasattr(resource, 'RLIMIT_AS'):
  resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
warnings.simplefilter('ignore')  # of duplicate variables, say
_, path, *names = sys.argv
variables = scipy.io.loadmat(path, variable_names=names)
leaves = []

def pack(value):
  array = np.asarray(value)
  if array.dtype.names or array.dtype == object:
    fields = array.dtype.names
    items = [
        [pack(item[f]) for f in fields] if fields else pack(item)
        for item in array.ravel()
    ]
    return {'fields': fields, 'shape': array.shape, 'items': items}
  leaves.append(array)
  return len(leaves) - 1

tree = json.dumps([
    pack(variables[n]) if n in variables else None for n in names
])
answer = io.BytesIO()
np.savez(answer, *leaves, tree=np.array(tree))
sys.stdout.buffer.write(answer.getvalue())
"""


def load(path: pathlib.Path, *variables: str) -> list[Any]:
  """Variables of a .mat file by their names, as SciPy gives them.

  Raises:
    UserError: the file is damaged, of version 7.3, or lacks a variable.
  """
  with contextlib.suppress(OSError):  # which the other process reports
    regular_files.check(path)
  answer = subprocess.run(
      # Without -P, Python would import modules from the current folder.
      [sys.executable, '-P', '-c', _READ, str(path), *variables],
      capture_output=True,
      check=False,
      # Each of its threads reserves memory, which is limited.
      env={**os.environ, 'OPENBLAS_NUM_THREADS': '1'},
  )
  if answer.returncode:
    raise UserError(f'{path}: {_why(answer)}')
  try:
    with np.load(io.BytesIO(answer.stdout), allow_pickle=False) as leaves:
      tree = data_files.parse_json(str(leaves['tree']))
      values = [_unpack(node, leaves) for node in tree]
  except (ValueError, KeyError, zipfile.BadZipFile) as error:
    raise UserError(f'{path}: {_why(answer)}') from error
  for name, value in zip(variables, values, strict=True):
    if value is None:
      raise UserError(f"{path}: found no variable '{name}', expected one")
  return values


def _unpack(node: Any, leaves: Any) -> Any:
  """A variable from its structure, and the arrays within it."""
  if node is None:
    return None
  if isinstance(node, int):
    return leaves[f'arr_{node}']
  fields, items = node['fields'], node['items']
  kind = [(name, object) for name in fields] if fields else object
  array = np.empty(len(items), kind)
  for number, item in enumerate(items):
    parts = [_unpack(part, leaves) for part in (item if fields else [item])]
    array[number] = tuple(parts) if fields else parts[0]
  return array.reshape(node['shape'])


def _why(answer: subprocess.CompletedProcess[bytes]) -> str:
  """What went wrong in the other process, and what was expected."""
  lines = answer.stderr.decode(errors='replace').split('\n')
  reason = next((line for line in reversed(lines) if line.strip()), '')
  if reason.startswith('NotImplementedError'):  # SciPy reads no HDF5
    return (
        'is a MATLAB 7.3 file, expected an earlier form (in MATLAB: save -v7)'
    )
  if answer.returncode < 0 or not reason:
    reason = 'it makes SciPy crash'
  printable = ''.join(c if c.isprintable() else '?' for c in reason.strip())
  return f'cannot be read ({printable[:200]}), expected an intact MATLAB file'


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
  points, sizes = (
      numbers(value, f"{path}, '{name}'")
      for name, value in zip(('gt', 'hw'), load(path, 'gt', 'hw'), strict=True)
  )
  in_range = (sizes >= 1) & (sizes <= LARGEST) & (sizes == np.floor(sizes))
  for name, array, shape, good, expected in (
      ('gt', points, (num_images, num_points, 2), np.abs(points) <= LARGEST,
       f'coordinates in pixels, within +-{LARGEST}'),
      ('hw', sizes, (num_images, 2), in_range,
       f'whole numbers of pixels, from 1 to {LARGEST}'),
  ):  # fmt: skip
    if array.shape != shape:
      raise UserError(
          f"{path}: '{name}' is {' x '.join(map(str, array.shape))}, expected "
          f'{" x ".join(map(str, shape))}, one entry for each image listed'
      )
    if not good.all():
      row = np.argwhere(~good)[0, 0] + 1
      raise UserError(
          f"{path}: '{name}' is out of range in entry {row}, expected "
          f'{expected}'
      )
  return points + 0.5, sizes
