"""METHOD/fit.npz: named points that were fitted on a finished method.

The regressor is small enough to be fitted again wherever it is needed, so that
what it is fitted on is kept. METHOD/fit.json says how well it does.
"""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import data_files
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints

NAME, SCORES = 'fit.npz', 'fit.json'
_REMEDY = 'remove it, or --mode=fit writes it anew'


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
  """What a regressor is fitted on.

  Attributes:
    names: the J named points.
    ids: the N images.
    landmarks: `[N, K, 2]`, in pixels of what the nets see.
    points: `[N, J, 2]`, in the same pixels, NaN where missing.
    regression: fields as `config.regression`.
    parameters: SHA-256 of the nets that found the landmarks.
  """

  names: tuple[str, ...]
  ids: tuple[str, ...]
  landmarks: np.ndarray
  points: np.ndarray
  regression: dict[str, Any]
  parameters: str

  @property
  def digest(self) -> str:
    """What tells two of them apart."""
    return fingerprints.of_values(
        self.names, self.regression, self.parameters,
        self.landmarks.tobytes(), self.points.tobytes(),
    )  # fmt: skip


def path(workdir: Workdir, method: str) -> pathlib.Path:
  """Where that of a method is."""
  return workdir.path / method / NAME


def write(
    workdir: Workdir, method: str, fitted: Fitted, scores: dict[str, Any]
) -> None:
  """Writes it, and the scores beside it."""
  workdir.write(f'{method}/{SCORES}', scores)
  files.write_arrays(
      path(workdir, method),
      names=np.array(fitted.names),
      ids=np.array(fitted.ids),
      landmarks=fitted.landmarks,
      points=fitted.points,
      regression=np.array(json.dumps(fitted.regression)),
      parameters=np.array(fitted.parameters),
  )


def read(workdir: Workdir, method: str, parameters: str) -> Fitted | None:
  """What `write` kept; None where it kept nothing.

  Raises:
    UserError: it was fitted on nets of other parameters, or is damaged.
  """
  file = path(workdir, method)
  if not file.exists():
    return None
  arrays = data_files.read_arrays(file, _REMEDY)
  with data_files.intact(file, _REMEDY):
    fitted = Fitted(
        names=tuple(map(str, arrays['names'])),
        ids=tuple(map(str, arrays['ids'])),
        landmarks=arrays['landmarks'],
        points=arrays['points'],
        regression=data_files.typed(
            data_files.parse_json(str(arrays['regression'])), dict
        ),
        parameters=str(arrays['parameters']),
    )
    _check(fitted)
  if fitted.parameters != parameters:
    raise UserError(
        f'{file}: was fitted before {method} was trained on, expected the '
        f'same parameters; {_REMEDY}'
    )
  return fitted


def _check(fitted: Fitted) -> None:
  count = len(fitted.ids)
  if (
      not count
      or fitted.landmarks.ndim != 3
      or fitted.landmarks.shape[::2] != (count, 2)
      or fitted.points.shape != (count, len(fitted.names), 2)
      or {a.dtype.kind for a in (fitted.landmarks, fitted.points)} != {'f'}
      or not np.isfinite(fitted.landmarks).all()
      or np.isnan(fitted.points).all((0, 2)).any()
  ):
    raise ValueError('its arrays do not fit together')
  for name in ('alpha', 'fit_intercept', 'origin', 'unit'):
    if name not in fitted.regression:
      raise ValueError(f'its regression lacks {name}')
