"""Discovers landmarks: python main.py --config=configs/signer.py --workdir=DIR.

Exit codes: 0 done, 2 something in the flags, the config or the data is wrong
(one line on standard error says what), 1 another process of the run is gone,
130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from eqlandmarks import errors
from eqlandmarks import pipeline
from eqlandmarks.training import hosts
from eqlandmarks.training import parallel

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'A file of configs/, with a variant after a colon.'
)
_WORKDIR = flags.DEFINE_string('workdir', None, "The run's folder.")
_MODE = flags.DEFINE_enum('mode', 'train', pipeline.MODES, 'What to do.')
_DISTRIBUTED = flags.DEFINE_bool(
    'distributed', False,
    'Train with the processes that Slurm, Cloud TPU, Kubernetes or Open MPI '
    'has started.',
)  # fmt: skip
_COORDINATOR = flags.DEFINE_string(
    'coordinator_address', None, 'Or with these: HOST:PORT of process 0,'
)
_NUM_PROCESSES = flags.DEFINE_integer(
    'num_processes', None, 'how many there are,', lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer(
    'process_id', None, 'and the number of this one, from 0.'
)
_VERBOSE = flags.DEFINE_bool('verbose', False, 'Log more, show tracebacks.')


def _parse(argv: Sequence[str]) -> list[str]:
  """Parses the flags; what is wrong with them is said in one line."""
  try:
    _check_config_file(argv)
    left = flags.FLAGS(argv)
    for name in ('config', 'workdir'):
      if flags.FLAGS[name].value is None:
        raise errors.UserError(f'--{name} is missing, expected a value.')
    if len(left) > 1:
      raise errors.UserError(
          f'{left[1]!r} is not a flag, expected --FLAG=VALUE.'
      )
  except Exception as error:  # configs are code: they may raise anything
    if '--verbose' in argv:
      raise
    _fail(_explain(error, argv))
  return left


def _check_config_file(argv: Sequence[str]) -> None:
  for argument in argv:
    name, _, value = argument.lstrip('-').partition('=')
    path = value.partition(':')[0]
    if name == 'config' and not os.path.isfile(path):
      raise errors.UserError(
          f'--config: found no file {path!r}, expected one of configs/.'
      )


def _explain(error: Exception, argv: Sequence[str]) -> str:
  """The one line that says what is wrong with the flags."""
  root: BaseException = error
  while root.__cause__ or root.__context__:
    root = root.__cause__ or root.__context__
  if isinstance(root, KeyError):  # all that ml_collections says
    field = str(root.args[0])
    for argument in argv:
      name = argument.lstrip('-').partition('=')[0]
      if name.startswith('config.') and field in name.split('.'):
        field = name
    return f'--{field}: found no such field, expected one of the config.'
  if 'Traceback' in str(error):  # raised inside the config's file
    return f'--config: {root}'
  return str(error)


def main(_: Sequence[str]) -> None:
  """Runs a mode."""
  logging.set_verbosity(logging.INFO if _VERBOSE.value else logging.ERROR)
  try:
    config = _CONFIG.value
    stage = config.predict if _MODE.value == 'predict' else config
    parallel.use_all_cores(stage.batch_size, _NUM_PROCESSES.value or 1)
    parallel.keep_compiled()
    hosts.join(
        _DISTRIBUTED.value, _COORDINATOR.value, _NUM_PROCESSES.value,
        _PROCESS_ID.value,
    )  # fmt: skip
    pipeline.run(config, _WORKDIR.value, _MODE.value)
    hosts.finish()
  except (errors.UserError, OSError) as error:
    if _VERBOSE.value:
      raise
    _fail(str(error))
  except KeyboardInterrupt:
    print('interrupted: the same command goes on from here', file=sys.stderr)
    hosts.leave(130)  # as shells count: 128 and the number of the signal


def _fail(said: str) -> None:
  """Says what is wrong in one line, and exits with 2."""
  line = ' '.join(said.split())
  print(f'error: {line}', file=sys.stderr, flush=True)
  hosts.leave(2)


if __name__ == '__main__':
  # Messages of the runtime about absent accelerators tell a user nothing.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  app.run(main, flags_parser=_parse)
