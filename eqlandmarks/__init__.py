"""Unsupervised landmark discovery in JAX.

`import eqlandmarks` imports none of its modules, nor JAX: those of the library
are imported where they are first used, as `eqlandmarks.losses`, say.
"""

import importlib
import typing
from types import ModuleType

if typing.TYPE_CHECKING:
  from eqlandmarks import appearance as appearance
  from eqlandmarks import exporting as exporting
  from eqlandmarks import geometry as geometry
  from eqlandmarks import heatmaps as heatmaps
  from eqlandmarks import losses as losses
  from eqlandmarks import metrics as metrics
  from eqlandmarks import models as models
  from eqlandmarks import predictor as predictor
  from eqlandmarks import regression as regression
  from eqlandmarks import warps as warps

__version__ = '0.1.0'

_MODULES = (
    'appearance', 'exporting', 'geometry', 'heatmaps', 'losses', 'metrics',
    'models', 'predictor', 'regression', 'warps',
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return importlib.import_module(f'{__name__}.{name}')


def __dir__() -> list[str]:
  return sorted([*globals(), *_MODULES])
