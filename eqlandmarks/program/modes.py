"""The modes, and where each is done: `report` by `report.report`."""

import importlib
import os
from collections.abc import Callable
from typing import Any

# Mode -> the file beside this one that has a function of the mode's name.
MODES = {
    'train': 'train',
    'pretrain': 'train',
    'discover': 'train',
    'end_to_end': 'train',
    'ablation': 'ablation',
    'grid': 'grid',
    'evaluate': 'evaluate',
    'report': 'report',
    'prepare': 'prepare',
    'predict': 'predict',
    'label': 'label',
    'fit': 'fit',
    'export': 'export',
}

# Those that several processes can share.
_SHARED = ('train', 'pretrain', 'discover', 'end_to_end', 'ablation')


def find(mode: str) -> Callable[[Any, Any], None]:
  """What does a mode, as a function of a config and a `Workdir`.

  It is imported here, which takes seconds: the flags need `MODES` alone.
  """
  module = importlib.import_module(f'eqlandmarks.program.{MODES[mode]}')
  return getattr(module, mode)


def run(config: Any, workdir: str | os.PathLike[str], mode: str) -> None:
  """Checks a config, and does what a mode says in a folder, made if needed.

  Raises:
    UserError: something in the config, the data or the workdir is wrong. What
      is found before the first step leaves nothing behind.
  """
  from eqlandmarks.runs import config_checks

  config_checks.check(config)
  start(config, workdir, mode)


def start(config: Any, workdir: str | os.PathLike[str], mode: str) -> None:
  """Does what a mode says, by a config that has been checked."""
  import jax

  from eqlandmarks import errors
  from eqlandmarks.runs import workdir_checks
  from eqlandmarks.runs.workdir import Workdir

  if jax.process_count() > 1 and mode not in _SHARED:
    raise errors.UserError(
        f'--mode={mode} is the work of one process, found '
        f'{jax.process_count()}; expected one of {", ".join(_SHARED)}, or '
        'no flags of several processes.'
    )
  folder = Workdir(workdir)
  workdir_checks.check(folder, config)
  find(mode)(config, folder)
