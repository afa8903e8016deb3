"""Seals of checkpoints: the size and the SHA-256 of every file.

TensorStore checks a part of what it reads by CRC-32C, and Orbax's own JSON
files not at all: a flipped byte can pass as another shape or another number. So
each whole checkpoint gets `seal.json`, and one that differs from its seal is
not even opened.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

import tensorstore

from eqlandmarks.errors import UserError
from eqlandmarks.system import data_files
from eqlandmarks.system import files as files_lib
from eqlandmarks.system import fingerprints

_SEAL = 'seal.json'


def write(folder: pathlib.Path) -> None:
  """Seals a checkpoint that is whole."""
  files = {name: _print(path) for name, path in _files(folder).items()}
  with files_lib.replacing(folder / _SEAL) as partial:
    content = {'sha256': fingerprints.of_json(files), 'files': files}
    partial.write_text(json.dumps(content, indent=1) + '\n')


def fault(folder: pathlib.Path) -> str | None:
  """What is wrong with a checkpoint; None where nothing is.

  One without a seal is from a process that was killed before it wrote the seal.
  All of it is read then, as far as TensorStore has checksums.

  Raises:
    UserError: it cannot be read now, which says nothing of its content.
  """
  with spared(folder):
    if not folder.is_dir():
      return 'it is not there'
    if not (folder / _SEAL).exists():
      return _unreadable(folder)
    try:
      return _broken(folder)
    # A seal that is damaged itself can hold anything.
    except Exception as error:
      if data_files.passing(error):
        raise
      return f'{_SEAL} cannot be read ({type(error).__name__})'


@contextlib.contextmanager
def spared(folder: pathlib.Path) -> Iterator[None]:
  """Ends the run where a checkpoint cannot be read, but not for damage.

  Too many files may be open, say, or a network file system may be away. Without
  this, a sound checkpoint would be taken for a damaged one, and removed.
  """
  try:
    yield
  except Exception as error:
    reason = data_files.passing(error)
    if reason is None:
      raise
    raise UserError(
        f'{folder}: the checkpoint cannot be read now ({reason}), expected a '
        'system that lets it be read; it is left as it is, and the same '
        'command resumes from it'
    ) from error


def _broken(folder: pathlib.Path) -> str | None:
  """Where a checkpoint differs from its seal; None where it does not."""
  seal = data_files.load_json(folder / _SEAL)
  sealed, files = seal['files'], _files(folder)
  if seal['sha256'] != fingerprints.of_json(sealed):
    return f'{_SEAL} was altered'
  for name in sorted(sealed.keys() | files.keys()):
    if name not in files:
      return f'{name} is missing'
    if name not in sealed:
      return f'{name} does not belong there'
    size, expected = files[name].stat().st_size, sealed[name]
    if size != expected[0]:
      return f'{name} has {size} bytes, expected {expected[0]}'
    if _print(files[name]) != expected:
      return f'{name} was altered: its SHA-256 differs'
  return None


def _unreadable(folder: pathlib.Path) -> str | None:
  """What TensorStore says of a checkpoint's arrays; None where all are read."""
  # Orbax would say it a hundred times over, in threads of its own.
  place = {'driver': 'ocdbt', 'base': f'file://{folder.absolute()}/state/'}
  try:
    store = tensorstore.KvStore.open(place).result()
    for key in store.list().result():
      store.read(key).result()
  except Exception as error:  # of any kind
    if data_files.passing(error):
      raise
    return ' '.join(str(error).split())[:120]
  return None


def _files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """All files of a checkpoint but the seal, by their paths below it."""

  def fail(error: OSError) -> None:
    raise error

  # `rglob` passes over folders that cannot be read: they would be missing.
  paths = [
      pathlib.Path(place, name)
      for place, _, names in os.walk(folder, onerror=fail)
      for name in names
  ]
  return {
      path.relative_to(folder).as_posix(): path
      for path in sorted(paths)
      # The folder is the seal's, half written, of a process that was killed.
      if path.is_file()
      and path.name != _SEAL
      and not files_lib.is_partial(path.parent.name)
  }


def _print(path: pathlib.Path) -> list:
  """A file's size in bytes, and its SHA-256."""
  return [path.stat().st_size, fingerprints.of_file(path)]
