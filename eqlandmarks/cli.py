"""The command line: main.py and the command `eqlandmarks`."""

import contextlib
import os
import pathlib
import sys
import traceback
from collections.abc import Sequence

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from eqlandmarks import configs
from eqlandmarks import console
from eqlandmarks import errors
from eqlandmarks import interrupts
from eqlandmarks import pipeline
from eqlandmarks.training import hosts
from eqlandmarks.training import parallel

_USAGE = """Discovers landmarks: {program} --config=signer --workdir=DIR.

Exit codes: 0 done, 2 something in the flags, the config or the data is wrong
(one line on standard error says what), 1 another process of the run is gone,
129 hung up (SIGHUP), 130 interrupted (SIGINT) and 143 terminated (SIGTERM): the
state is saved, and the same command goes on from it.

Configs: {names}.
"""

_CONFIG = config_flags.DEFINE_config_file(
    'config',
    None,
    "A config's name or file, with a variant after a colon: signer:tiny. "
    '--config.FIELD=VALUE sets any field of it.',
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
    left = flags.FLAGS(_with_files(argv))
    for name in ('config', 'workdir'):
      if flags.FLAGS[name].value is None:
        raise errors.UserError(f'--{name} is missing, expected a value.')
    if len(left) > 1:
      raise errors.UserError(
          f'{left[1]!r} is not a flag, expected --FLAG=VALUE.'
      )
  except Exception as error:  # configs are code: they may raise anything
    _fail(_explain(error, argv), verbose=_wants_traceback(argv))
  return left


def _wants_traceback(argv: Sequence[str]) -> bool:
  """Whether --verbose is among flags that cannot be parsed."""
  parser = flags.BooleanParser()
  for argument in reversed(argv):
    name, equals, value = argument.lstrip('-').partition('=')
    if name in ('verbose', 'noverbose') and argument.startswith('-'):
      with contextlib.suppress(ValueError):
        return name == 'verbose' and (not equals or parser.parse(value))
  return False


def _with_files(argv: Sequence[str]) -> list[str]:
  """The arguments with the file of a config in the place of its name."""
  found, rest = [], list(argv)
  while rest:
    argument = rest.pop(0)
    flag, equals, value = argument.partition('=')
    if flag not in ('-config', '--config'):
      found.append(argument)
      continue
    if not equals and rest and not rest[0].startswith('-'):
      value = rest.pop(0)
    if not value:
      raise errors.UserError(
          '--config is missing, expected the path of one, or one of '
          + ', '.join(_config_names()) + '.'
      )
    found.append(f'--config={_find_config(value)}')
  return found


def _find_config(given: str) -> str:
  """FILE:VARIANT of a config that is given so, or as NAME:VARIANT.

  Raises:
    UserError: there is neither a file nor a config of this name.
  """
  name, colon, variant = given.partition(':')
  if name in _config_names():
    file = pathlib.Path(configs.__file__).with_name(f'{name}.py')
    return f'{file}{colon}{variant}'
  if not os.path.isfile(name):
    raise errors.UserError(
        f'--config: found no file {name!r}, expected the path of one, or one '
        f'of {", ".join(_config_names())}.'
    )
  return given


def _config_names() -> list[str]:
  """The configs that come with the package."""
  files = pathlib.Path(configs.__file__).parent.glob('*.py')
  return sorted({file.stem for file in files} - {'__init__', 'common'})


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
    if _MODE.value != 'export':  # which needs one device
      stage = config.predict if _MODE.value == 'predict' else config
      parts = 1 if stage is not config else max(config.accumulate, 1)
      parallel.use_all_cores(
          stage.batch_size, (_NUM_PROCESSES.value or 1) * parts
      )
    parallel.keep_compiled()
    hosts.join(
        _DISTRIBUTED.value, _COORDINATOR.value, _NUM_PROCESSES.value,
        _PROCESS_ID.value,
    )  # fmt: skip
    pipeline.run(config, _WORKDIR.value, _MODE.value)
    hosts.finish()
  except (errors.UserError, OSError) as error:
    _fail(str(error), verbose=_VERBOSE.value)


def _fail(said: str, *, verbose: bool) -> None:
  """Says what is wrong in one line, and exits with 2."""
  if verbose:
    traceback.print_exc()
  line = console.printable(' '.join(said.split()))
  print(f'error: {line}', file=sys.stderr, flush=True)
  hosts.leave(2)


def run() -> None:
  """What `eqlandmarks.starting` calls."""
  # Messages of the runtime about absent accelerators tell a user nothing.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  _describe_usage(sys.argv[0])
  with console.lasting():
    try:
      with interrupts.handled():
        app.run(main, flags_parser=_parse)
    except KeyboardInterrupt as error:
      print('interrupted: the same command goes on from here', file=sys.stderr)
      hosts.leave(getattr(error, 'code', 130))


def _describe_usage(started: str) -> None:
  """Sets what absl's --help says: it speaks of the script that was started."""
  program = pathlib.Path(started).name
  if program.endswith('.py'):
    program = f'python {program}'
  sys.modules['__main__'].__doc__ = _USAGE.format(
      program=program, names=', '.join(_config_names())
  )
  own = (
      'config', 'workdir', 'mode', 'distributed', 'coordinator_address',
      'num_processes', 'process_id', 'verbose',
  )  # fmt: skip
  for name in own:
    flags.FLAGS.register_key_flag_for_module(started, flags.FLAGS[name])
