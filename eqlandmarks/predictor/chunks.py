"""Predictions on disk, chunk by chunk, so that they can be resumed.

OUTPUT/.parts holds

    about.json   of what input and by what model, and how many there are in all
    N.npz        the predictions from image N on

A file gets its name when it is whole.
"""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.predictor.result import join
from eqlandmarks.system import data_files
from eqlandmarks.system import files
from eqlandmarks.system import locking
from eqlandmarks.system.journal import say

# Images in a chunk: at most so many are predicted again.
_PER_CHUNK = 256

_FOLDER, _ABOUT, _FIRST = '.parts', 'about.json', '000000000.npz'
_ROOM = (
    'expected a folder with room that can be written to '
    '(config.predict.output)'
)
# What to do about a damaged file.
_REMEDY = 'remove the folder, and all is predicted anew'
# What the named points depend on alone; the landmarks are the same.
_OF_REGRESSOR = {'annotations', 'regression', 'labels'}
_TEXTS = ('ids', 'annotation_names', 'skipped')


@contextlib.contextmanager
def opened(output: pathlib.Path, about: dict[str, Any]) -> Iterator['Chunks']:
  """Opens the predictions in a folder, for one process at a time.

  The folder is made if needed. If an error ends the block before anything is
  predicted, what was made is removed again.

  Raises:
    UserError: the folder is not new, empty or ours, or holds predictions that
      are `about` something else, or is in use, or cannot be written.
  """
  folder = output / _FOLDER
  _check_ours(output)
  with locking.held(folder, '--mode=predict', expected=_ROOM):
    try:
      yield Chunks(folder, about)
    finally:
      if not any(folder.glob('*.npz')):
        (folder / _ABOUT).unlink(missing_ok=True)


def _check_ours(output: pathlib.Path) -> None:
  """Checks that a folder holds predictions, or nothing."""
  folder = output / _FOLDER
  if folder.is_symlink():
    raise UserError(
        f'{folder} is a link, expected a folder of predictions, or nothing; '
        'remove it'
    )
  try:
    names = {path.name for path in output.iterdir()} - {_FOLDER}
  except OSError:  # it does not exist, or making it will say what is wrong
    return
  ours = any((folder / name).exists() for name in (_ABOUT, _FIRST))
  if not ours and not all(map(files.is_partial, names)):
    raise UserError(
        f'{output} holds other files, expected a new or empty folder, or one '
        'of predictions to resume (config.predict.output)'
    )


class Chunks:
  """The predictions in an output folder.

  Attributes:
    folder: OUTPUT/.parts, which exists.
    about: what they are made from.
    num_seen: how many images they cover, from the first one on.
  """

  def __init__(self, folder: pathlib.Path, about: dict[str, Any]):
    self.folder, self.about = folder, about
    self._count = self._read_count()
    self._waiting: list[Prediction] = []
    self._write_about()
    self.num_seen = sum(chunk.num_seen for chunk in self)

  @property
  def is_complete(self) -> bool:
    """Whether nothing is left to predict."""
    return self.num_seen == self._count

  def __iter__(self) -> Iterator[Prediction]:
    """The chunks in their order, one at a time."""
    number = 0
    while True:
      try:
        chunk = _read(self._path(number))
      # There is none yet, or a failing disk has spoilt it: it is replaced.
      except UserError:
        return
      yield chunk
      number += chunk.num_seen

  def append(self, prediction: Prediction) -> None:
    """Takes the next images; writes when there are enough for a chunk."""
    self._waiting.append(prediction)
    if sum(waiting.num_seen for waiting in self._waiting) >= _PER_CHUNK:
      self.flush()

  def flush(self) -> None:
    """Writes what waits for more."""
    if not self._waiting:
      return
    chunk = join(self._waiting)
    arrays = {
        name: np.asarray(value, str if name in _TEXTS else None)
        for name, value in vars(chunk).items()
        if value is not None
    }
    kept = f'{_ROOM}; what was predicted before is kept'
    with (
        files.replacing(self._path(self.num_seen), kept) as partial,
        partial.open('wb') as file,
    ):
      np.savez(file, **arrays)
    self._waiting = []
    self.num_seen += chunk.num_seen

  def discard(self) -> None:
    """Removes what was predicted."""
    for path in self.folder.glob('*.npz'):
      path.unlink()

  def complete(self) -> None:
    """Marks the predictions as complete."""
    self.flush()
    self._count = self.num_seen
    self._write_about()

  def _path(self, number: int) -> pathlib.Path:
    return self.folder / f'{number:09d}.npz'

  def _write_about(self) -> None:
    content = {**self.about, 'count': self._count}
    with files.replacing(self.folder / _ABOUT, _ROOM) as partial:
      partial.write_text(json.dumps(content, indent=2) + '\n')

  def _read_count(self) -> int | None:
    """The number of images in all, if known; checks what they are made from."""
    if not self._path(0).exists():  # nothing was predicted
      self.discard()
      return None
    if not (self.folder / _ABOUT).exists():
      return None
    stored = data_files.read_json(
        self.folder / _ABOUT, _REMEDY, lambda x: data_files.typed(x, dict)
    )
    count = stored.pop('count', None)
    differing = [
        name for name in {**self.about, **stored}
        if stored.get(name) != self.about.get(name)
    ]
    if differing and {*differing} <= _OF_REGRESSOR:
      say('the named points are others than those here: predicting anew')
      self.discard()
      return None
    for name in differing[:1]:
      before, asked = stored.get(name), self.about.get(name)
      raise UserError(
          f'{self.folder.parent} holds predictions with other {name}: '
          f'{_short(before)} there, {_short(asked)} asked; expected the '
          'same, or another folder (config.predict.output)'
      )
    return count


def _short(value: Any) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:20] + '...'


def _read(path: pathlib.Path) -> Prediction:
  arrays: dict[str, Any] = data_files.read_arrays(path, _REMEDY)
  with data_files.intact(path, _REMEDY):
    for name in _TEXTS:
      arrays[name] = tuple(map(str, arrays[name]))
    return Prediction(**arrays)
