"""What runs have written among the images of a user: it is no data.

A workdir may lie in the folder of the images, and so may predictions and
exported files. Their pictures, videos and label files are left out.
"""

import glob
import json
import os
import pathlib
from collections.abc import Iterable, Sequence

from eqlandmarks.errors import UserError
from eqlandmarks.system import file_names

# Files that the program leaves in a folder of its own, and names of what they
# hold, since others may call a file the same.
_MARKS = {
    'run.json': {'format', 'versions', 'methods'},
    'dataset.json': {'splits', 'estimated_seconds'},
    'predictions.json': {'method', 'parameters'},
}


def below(
    root: pathlib.Path, given: Iterable[str | os.PathLike[str]]
) -> tuple[str, ...]:
  """The folders below a root that hold no data, as posix paths below it.

  Args:
    root: the folder of a user's data.
    given: where this run writes to; other runs' folders are recognised.
  """
  top, outputs = root.resolve(), set()
  for folder in given:
    real = file_names.expanded(folder).resolve()
    if str(folder) and real != top and real.is_relative_to(top):
      outputs.add(real.relative_to(top).as_posix())
  for place, folders, names in os.walk(root):
    folders[:] = [name for name in folders if name[0] != '.']
    path = pathlib.Path(place)
    if path != root and any(_is_ours(path / m) for m in _MARKS if m in names):
      outputs.add(path.relative_to(root).as_posix())
      folders.clear()
  return tuple(sorted(outputs))


def check_apart(
    outputs: Sequence[str | os.PathLike[str]], root: pathlib.Path
) -> None:
  """Checks that the workdir, the first output, is not the folder of the data.

  Raises:
    UserError: it is. Nothing would tell its pictures from the images.
  """
  for place in map(pathlib.Path, outputs[:1]):
    if root.is_dir() and root.resolve() == place.resolve():
      raise UserError(
          f'workdir {place} is config.dataset.root, the folder of the data; '
          f'expected another one, such as {place / "run"}'
      )


def patterns(folders: Iterable[str]) -> tuple[str, ...]:
  """As `finding.matches` takes them: all paths below these folders."""
  return tuple(f'{glob.escape(folder)}/*' for folder in folders)


def _is_ours(path: pathlib.Path) -> bool:
  """Whether a file is one of the program's."""
  try:
    content = json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError):
    return False
  return isinstance(content, dict) and _MARKS[path.name] <= content.keys()
