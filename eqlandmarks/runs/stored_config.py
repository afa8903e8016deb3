"""The config that a workdir holds, from which its later modes take theirs.

Nothing slow is imported here: flags that are refused wait for it.
"""

import os
import pathlib
from typing import Any

from ml_collections import ConfigDict

from eqlandmarks import errors
from eqlandmarks.runs import config_types
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names

NAME, RUN = 'config.json', 'run.json'
# What to do about damaged files.
REMEDIES = {
    RUN: 'without it, the next mode that trains or measures writes it anew',
    NAME: 'without it, the next run writes it anew: give it the same config',
}
# Fields that hold paths, as they are given.
_PATHS = ('root', 'labels', 'cache')


def load(workdir: str | os.PathLike[str]) -> ConfigDict:
  """The config of a run, as its file gave it.

  Data that lie in the workdir are found where it is now, and others where they
  were: relative paths start from the folder that the run was started in.

  Raises:
    UserError: the folder holds no config, or a file of it is damaged.
  """
  folder = file_names.expanded(workdir)
  stored = read(folder)
  if stored is None:
    raise errors.UserError(
        f'workdir {folder} holds no {NAME}, expected the workdir of a run '
        'with --mode=train or --mode=end_to_end.'
    )
  with data_files.intact(folder / NAME, REMEDIES[NAME]):
    config = config_types.from_json(stored)
    before = (read_run(folder) or {}).get('places', {})
    section = config.get('dataset')
    for name in _PATHS if hasattr(section, 'get') else ():
      path = section.get(name)
      if path and isinstance(path, str):
        section[name] = _now(path, folder, before)
  return config


def read(folder: pathlib.Path) -> dict[str, Any] | None:
  """The config in a folder, as JSON holds it; None where there is none."""
  path = folder / NAME
  if path.exists():
    return data_files.read_json(
        path, REMEDIES[NAME], lambda c: data_files.typed(c, dict)
    )
  # It may have been removed, but run.json holds it too.
  return (read_run(folder) or {}).get('config')


def read_run(folder: pathlib.Path) -> dict[str, Any] | None:
  """What run.json holds; None where it is not there."""
  path = folder / RUN
  if not path.exists():
    return None
  return data_files.read_json(path, REMEDIES[RUN], _check_run)


def places(workdir: pathlib.Path) -> dict[str, str]:
  """What `load` finds data by that have moved since."""
  return {'workdir': str(workdir.resolve()), 'started_in': os.getcwd()}


def _now(path: str, folder: pathlib.Path, before: dict[str, str]) -> str:
  """Where the data of a field lie now; the path itself if nothing is there."""
  started = before.get('started_in', os.getcwd())
  absolute = pathlib.Path(started) / file_names.expanded(path)
  places_now = [absolute]
  if 'workdir' in before and absolute.is_relative_to(before['workdir']):
    inside = absolute.relative_to(before['workdir'])
    places_now.insert(0, folder.resolve() / inside)
  for place in places_now:
    if place.exists() and place.resolve() != pathlib.Path(path).resolve():
      return str(place)
    if place.exists():
      break
  return path


def _check_run(run: Any) -> None:
  data_files.typed(run, dict)
  for name in ('versions', 'methods', 'data', 'places', 'config'):
    data_files.typed(run.get(name, {}), dict, name)
  for name, method in run.get('methods', {}).items():
    data_files.typed(method, dict, name)
  for name, place in run.get('places', {}).items():
    data_files.typed(place, str, name)
