"""The command line: main.py and the command `eqlandmarks`."""

import contextlib
import os
import pathlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from eqlandmarks import configs
from eqlandmarks import errors
from eqlandmarks.program import modes
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_types
from eqlandmarks.system import console
from eqlandmarks.system import signals
from eqlandmarks.training import devices
from eqlandmarks.training import hosts

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


class _ConfigParser(flags.ArgumentParser):
  """Loads a config, with all fields of its dataset for flags to change.

  Attributes:
    config: the one that was loaded last.
  """

  def __init__(self, parser: flags.ArgumentParser):
    self._parser = parser
    self.config: Any = None

  def parse(self, path: str) -> Any:
    """See base class."""
    self.config = self._parser.parse(path)
    named = [a for a in sys.argv if a.lstrip('-').startswith(_DATASET)]
    name = named[-1].partition('=')[2] if named else ''
    config_types.complete(self.config, name)
    return self.config


_DATASET = 'config.dataset.name='
_PARSER = _ConfigParser(flags.FLAGS['config'].parser)
flags.FLAGS['config'].parser = _PARSER
_WORKDIR = flags.DEFINE_string('workdir', None, "The run's folder.")
_MODE = flags.DEFINE_enum('mode', 'train', modes.MODES, 'What to do.')
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
  # What ml_collections logs of a config is said in the line itself.
  logging.set_verbosity(logging.ERROR)
  try:
    left = flags.FLAGS(_with_files(argv))
    for name in ('config', 'workdir'):
      if not flags.FLAGS[name].present:
        raise errors.UserError(f'--{name} is missing, expected a value.')
    if len(left) > 1:
      raise errors.UserError(
          f'{left[1]!r} is not a flag, expected --FLAG=VALUE.'
      )
    # An OSError within the config is raised when its fields are looked at.
    getattr(_CONFIG.value, 'keys', None)
    config_types.check(_CONFIG.value)
  # Configs are code: they may raise anything.
  except (Exception, SystemExit) as error:
    if isinstance(error, SystemExit) and not _place_in_config(error, argv):
      raise  # of --help
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


def _explain(error: BaseException, argv: Sequence[str]) -> str:
  """The one line that says what is wrong with the flags or in the config."""
  root = _chain(error)[-1]
  place = _place_in_config(error, argv)
  if isinstance(root, SyntaxError):
    where = f' ({place})' if place else ', expected the text of a config'
    return f'--config: SyntaxError: {root.msg}{where}'
  if place is not None:
    what = '' if isinstance(root, ValueError) else f'{type(root).__name__}: '
    return f'--config: {what}{root} ({place})'
  if "<class 'NoneType'>" in str(root):
    return '--config: get_config() returns None, expected a ConfigDict.'
  if isinstance(root, KeyError):  # all that ml_collections says
    field = str(root.args[0]).rpartition('lookup: ')[2]
    for argument in argv:
      name = argument.lstrip('-').partition('=')[0]
      if name.startswith('config.') and field in name.split('.'):
        field = name
    near = config_types.nearest(_PARSER.config, field.partition('.')[2])
    return f'--{field}: found no such field, the nearest is config.{near}.'
  if isinstance(root, AttributeError) and root.name == 'get_config':
    return '--config: the file has no get_config, expected one that returns it.'
  if 'Traceback' in str(error):  # raised where get_config is called
    return f'--config: {root}'
  return str(error)


def _chain(error: BaseException | None) -> list[BaseException]:
  """An error and those that it comes of, the first of all last."""
  chain = []
  while error is not None:
    chain.append(error)
    error = error.__cause__ or error.__context__
  return chain


def _place_in_config(error: BaseException, argv: Sequence[str]) -> str | None:
  """The line of the config's file that raised an error; None for others."""
  files = set()
  with contextlib.suppress(errors.UserError):  # which is then the error itself
    for argument in _with_files(argv):
      files.add(argument.partition('=')[2].partition(':')[0])
  places = [
      f'{frame.f_code.co_filename}, line {number}'
      for each in _chain(error)
      for frame, number in traceback.walk_tb(each.__traceback__)
      if frame.f_code.co_filename in files
  ]
  root = _chain(error)[-1]
  if isinstance(root, SyntaxError) and root.filename:
    places = [f'{root.filename}, line {root.lineno}']
  return places[-1] if places else None


def main(_: Sequence[str]) -> None:
  """Runs a mode."""
  logging.set_verbosity(logging.INFO if _VERBOSE.value else logging.ERROR)
  try:
    config = _CONFIG.value
    config_checks.check(config)
    if _MODE.value != 'export':  # which needs one device
      stage = config.predict if _MODE.value == 'predict' else config
      parts = 1 if stage is not config else config.accumulate
      devices.use_all_cores(
          stage.batch_size, (_NUM_PROCESSES.value or 1) * parts
      )
    devices.keep_compiled()
    hosts.join(
        _DISTRIBUTED.value, _COORDINATOR.value, _NUM_PROCESSES.value,
        _PROCESS_ID.value,
    )  # fmt: skip
    modes.run(config, _WORKDIR.value, _MODE.value)
    hosts.finish()
  except (errors.UserError, OSError) as error:
    _fail(str(error), verbose=_VERBOSE.value)


def _fail(said: str, *, verbose: bool) -> None:
  """Says what is wrong in one line, and exits with 2."""
  if verbose:
    traceback.print_exc()
  line = errors.printable(' '.join(said.split()))
  print(f'error: {line}', file=sys.stderr, flush=True)
  hosts.leave(2)


def run() -> None:
  """What `eqlandmarks.program.starting` calls."""
  # Messages of the runtime about absent accelerators tell a user nothing.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  _describe_usage(sys.argv[0])
  with console.lasting():
    try:
      with signals.handled():
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
