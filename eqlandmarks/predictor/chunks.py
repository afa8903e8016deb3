"""Predictions on disk, part by part, so that they can be gone on with.

OUTPUT/.parts holds

    about.json   of what input and by what model, and how many there are in all
    N.npz        the predictions from image N on, as many as there are in it

Each file is written under another name first, so one that is there is whole.
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.predictor.result import join
from eqlandmarks.system import files
from eqlandmarks.system import locking
from eqlandmarks.system import stored

# Images in a part: that many are predicted again at most.
_PER_PART = 256

_FOLDER, _ABOUT, _FIRST = '.parts', 'about.json', '000000000.npz'
_ROOM = (
    'expected a folder with room that can be written to '
    '(config.predict.output)'
)
# What to do about a damaged file.
_REMEDY = 'remove the folder, and all is predicted anew'
_TEXTS = ('ids', 'annotation_names', 'skipped')


@contextlib.contextmanager
def opened(output: pathlib.Path, about: dict[str, Any]) -> Iterator['Parts']:
  """Opens the predictions in a folder, for one process at a time.

  The folder is made where it is not there. If an error ends the block before
  anything is predicted, what was made is removed again.

  Args:
    output: the folder of the predictions, new or empty or made by us.
    about: what the predictions are made from, as JSON can hold it.

  Raises:
    UserError: it holds something else, or predictions from something else, or
      another process predicts into it, or it cannot be written.
  """
  folder = output / _FOLDER
  _check_ours(output)
  with locking.held(folder, '--mode=predict', expected=_ROOM):
    try:
      yield Parts(folder, about)
    finally:
      if not any(folder.glob('*.npz')):
        (folder / _ABOUT).unlink(missing_ok=True)


def _check_ours(output: pathlib.Path) -> None:
  """Checks that a folder holds predictions, or nothing."""
  if (output / _FOLDER).is_symlink():
    raise UserError(
        f'{output / _FOLDER} is a link, expected a folder of predictions, or '
        'nothing; remove it'
    )
  try:
    names = {path.name for path in output.iterdir()} - {_FOLDER}
  except OSError:  # not there, or else making it says why it is of no use
    return
  if all(map(files.is_partial, names)):
    return
  if not any((output / _FOLDER / name).exists() for name in (_ABOUT, _FIRST)):
    raise UserError(
        f'{output} holds other files, expected a new or empty folder, or one '
        'of predictions to go on with (config.predict.output)'
    )


class Parts:
  """The predictions in an output folder.

  Attributes:
    folder: OUTPUT/.parts, which is there.
    about: what they are made from: names of fields -> values.
    num_seen: how many images they cover, from the first one on.
  """

  def __init__(self, folder: pathlib.Path, about: dict[str, Any]):
    self.folder, self.about = folder, about
    self._count: int | None = None
    self._waiting: list[Prediction] = []
    self._check()
    self._write_about()
    self.num_seen = sum(part.num_seen for part in self)

  @property
  def is_complete(self) -> bool:
    """Whether nothing is left to predict."""
    return self.num_seen == self._count

  def __iter__(self) -> Iterator[Prediction]:
    """The parts in their order, one at a time."""
    number = 0
    while True:
      try:
        part = _read(self._path(number))
      # None there yet, or one that a failing disk has spoilt: it is replaced.
      except UserError:
        return
      yield part
      number += part.num_seen

  def append(self, prediction: Prediction) -> None:
    """Takes the next images; writes when there are enough for a part."""
    self._waiting.append(prediction)
    if sum(one.num_seen for one in self._waiting) >= _PER_PART:
      self.flush()

  def flush(self) -> None:
    """Writes what waits for more."""
    if not self._waiting:
      return
    part = join(self._waiting)
    path = self._path(self.num_seen)
    kept = f'{_ROOM}; what was predicted before is kept'
    with files.replacing(path, kept) as partial, partial.open('wb') as file:
      np.savez(file, **_to_arrays(part))
    self._waiting = []
    self.num_seen += part.num_seen

  def discard(self) -> None:
    """Removes what was predicted."""
    for path in self.folder.glob('*.npz'):
      path.unlink()

  def complete(self) -> None:
    """Marks the predictions as all there."""
    self.flush()
    self._count = self.num_seen
    self._write_about()

  def _path(self, number: int) -> pathlib.Path:
    return self.folder / f'{number:09d}.npz'

  def _write_about(self) -> None:
    content = {**self.about, 'count': self._count}
    with files.replacing(self.folder / _ABOUT, _ROOM) as partial:
      partial.write_text(json.dumps(content, indent=2) + '\n')

  def _check(self) -> None:
    """Checks that the folder is of the same input, and reads how far it is."""
    if not self._path(0).exists():  # nothing was predicted
      self.discard()
      return
    path = self.folder / _ABOUT
    if path.exists():
      known = stored.read_json(path, _REMEDY, dict)
      self._count = known.pop('count', None)
      for name in {**self.about, **known}:
        found, asked = known.get(name), self.about.get(name)
        if found != asked:
          raise UserError(
              f'{self.folder.parent} holds predictions with other {name}: '
              f'{_short(found)} there, {_short(asked)} asked; expected the '
              'same, or another folder (config.predict.output)'
          )


def _short(value: Any) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:20] + '...'


def _to_arrays(part: Prediction) -> dict[str, np.ndarray]:
  arrays = {}
  for field in dataclasses.fields(part):
    value = getattr(part, field.name)
    if value is not None:
      text = str if field.name in _TEXTS else None
      arrays[field.name] = np.asarray(value, text)
  return arrays


def _read(path: pathlib.Path) -> Prediction:
  arrays: dict[str, Any] = stored.read_arrays(path, _REMEDY)
  with stored.intact(path, _REMEDY):
    for name in _TEXTS:
      arrays[name] = tuple(map(str, arrays[name]))
    return Prediction(**arrays)
