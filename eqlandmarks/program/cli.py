"""The command line: main.py and the command `eqlandmarks`."""

import contextlib
import os
import pathlib
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_flags

from eqlandmarks import errors
from eqlandmarks.program import commands
from eqlandmarks.program import config_file
from eqlandmarks.program import modes
from eqlandmarks.system import console
from eqlandmarks.system import huge_pages
from eqlandmarks.system import signals

_USAGE = """Discovers landmarks: {program} --config=signer --workdir=DIR.

Or {program} COMMAND, which flags can follow:

{commands}

RUN is the folder of a run, which knows its config; --config.FIELD=VALUE sets
what may change, such as config.predict.trail.

Exit codes: 0 done, 2 something in the flags, the config or the data is wrong
(one line on standard error says what), 1 another process of the run is gone,
129 hung up (SIGHUP), 130 interrupted (SIGINT) and 143 terminated (SIGTERM): the
state is saved, and the same command resumes from it.

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
    """See base class; also takes the config.json of a workdir."""
    from eqlandmarks.runs import config_types  # takes a second

    if path.endswith(_STORED):
      from eqlandmarks.runs import stored_config

      self.config = stored_config.load(path.removesuffix(_STORED)).lock()
      return self.config
    self.config = self._parser.parse(path)
    named = [a for a in sys.argv if a.lstrip('-').startswith(_DATASET)]
    name = named[-1].partition('=')[2] if named else ''
    config_types.complete(self.config, name)
    return self.config


_DATASET = 'config.dataset.name='
_STORED = os.sep + 'config.json'
_PARSER = _ConfigParser(flags.FLAGS['config'].parser)
flags.FLAGS['config'].parser = _PARSER
_WORKDIR = flags.DEFINE_string('workdir', None, "The run's folder.")
_MODE = flags.DEFINE_enum('mode', 'train', [*modes.MODES], 'What to do.')
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
_CSV = flags.DEFINE_string(
    'csv', None, 'Where compare writes its table, as a file too.'
)
_VERBOSE = flags.DEFINE_bool('verbose', False, 'Log more, show tracebacks.')


def _parse(argv: Sequence[str]) -> list[str]:
  """Parses the flags; where they are wrong, exits with one line.

  Returns:
    The program, and the runs that it is to compare.
  """
  # What ml_collections logs of a config is said in the line itself.
  logging.set_verbosity(logging.ERROR)
  try:
    switches = [n for n in flags.FLAGS if flags.FLAGS[n].boolean]
    switches += [f'no{name}' for name in switches]
    arguments, compared = commands.expanded(argv, switches)
    arguments = config_file.with_files(arguments)
    # The config last: it may import whatever it likes, which can take seconds.
    flags.FLAGS(_without_config(arguments))
    if not compared:
      arguments = _with_config(arguments)
    # There ml_collections looks for the fields that are set.
    sys.argv = arguments
    left = flags.FLAGS(arguments)
    if len(left) > 1:
      raise errors.UserError(
          f'{left[1]!r} is not a flag, expected --FLAG=VALUE.'
      )
    _check_csv(compared)
    # An OSError within the config is raised when its fields are looked at.
    getattr(_CONFIG.value, 'keys', None)
  # Configs are code: they may raise anything.
  except (Exception, SystemExit) as error:
    if isinstance(error, SystemExit) and not config_file.place(error, argv):
      raise  # of --help
    line = config_file.explain(error, argv, _PARSER.config)
    _print_error(line, verbose=_wants_traceback(argv))
    sys.exit(2)
  return left + compared


def _with_config(arguments: list[str]) -> list[str]:
  """The arguments with a config: that of the workdir where it is the model."""
  given = any(a.startswith('--config=') for a in arguments)
  of_run = _MODE.value in commands.OF_RUN and not given
  for name, is_there in (
      ('config', given or of_run), ('workdir', _WORKDIR.value is not None)
  ):  # fmt: skip
    if not is_there:
      raise errors.UserError(
          f'--{name} is missing, expected a value (see --help).'
      )
  if not of_run:
    return arguments
  if not _WORKDIR.value:
    raise errors.UserError("--workdir is '', expected a folder.")
  # First, since ml_collections wants it before its fields.
  stored = f'--config={_WORKDIR.value}{_STORED}'
  return [arguments[0], stored, *arguments[1:]]


def _check_csv(compared: Sequence[str]) -> None:
  if _CSV.present and not (compared and _CSV.value):
    raise errors.UserError(
        f'--csv is {_CSV.value!r}, expected a file, for the command '
        f'{commands.COMPARE}.'
    )


def _without_config(arguments: Sequence[str]) -> list[str]:
  """The arguments but for --config and its fields, with their values."""
  left, is_value = [], False
  for argument in arguments:
    if is_value and not argument.startswith('-'):
      is_value = False
    elif _is_of_config(argument):
      is_value = '=' not in argument
    else:
      left.append(argument)
      is_value = False
  return left


def _is_of_config(argument: str) -> bool:
  """Whether an argument is --config, or sets a field of it."""
  name = argument.lstrip('-').partition('=')[0]
  return argument.startswith('-') and name.partition('.')[0] == 'config'


def _wants_traceback(argv: Sequence[str]) -> bool:
  """Whether --verbose is among flags that cannot be parsed."""
  parser = flags.BooleanParser()
  for argument in reversed(argv):
    name, equals, value = argument.lstrip('-').partition('=')
    if name in ('verbose', 'noverbose') and argument.startswith('-'):
      with contextlib.suppress(ValueError):
        return name == 'verbose' and (not equals or parser.parse(value))
  return False


def main(argv: Sequence[str]) -> None:
  """Runs a mode, or compares the runs that are named."""
  if len(argv) > 1:
    _compare(argv[1:])
    return
  # Here, since they take seconds: a flag that is refused needs none of them.
  from eqlandmarks.runs import config_checks
  from eqlandmarks.training import devices
  from eqlandmarks.training import hosts

  logging.set_verbosity(logging.INFO if _VERBOSE.value else logging.ERROR)
  config, mode = _CONFIG.value, _MODE.value
  processes = _NUM_PROCESSES.value or 1
  modes.find(mode)
  try:
    with signals.handled():
      config_checks.check(config)
      if mode in ('predict', 'label', 'fit'):
        devices.use_all_cores(config.predict.batch_size, processes)
      elif mode != 'export':  # which needs one device
        parts = processes * config.accumulate
        devices.use_all_cores(config.batch_size, parts)
      devices.keep_compiled()
      hosts.join(
          _DISTRIBUTED.value, _COORDINATOR.value, _NUM_PROCESSES.value,
          _PROCESS_ID.value,
      )  # fmt: skip
      modes.start(config, _WORKDIR.value, mode)
      hosts.finish()
  except (errors.UserError, OSError) as error:
    _print_error(str(error), verbose=_VERBOSE.value)
    hosts.leave(2)
  except KeyboardInterrupt as error:
    print('interrupted: the same command resumes from here', file=sys.stderr)
    hosts.leave(getattr(error, 'code', 130))


def _compare(runs: Sequence[str]) -> None:
  from eqlandmarks.program import compare

  try:
    compare.compare(runs, _CSV.value)
  except (errors.UserError, OSError) as error:
    _print_error(str(error), verbose=_VERBOSE.value)
    sys.exit(2)


def _print_error(text: str, *, verbose: bool) -> None:
  """Says what is wrong in one line."""
  if verbose:
    traceback.print_exc()
  line = errors.printable(' '.join(text.split()))
  print(f'error: {line}', file=sys.stderr, flush=True)


def run() -> None:
  """The program: parses the flags, and runs a mode."""
  # Nothing is there to be saved yet: a signal ends the process at once.
  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os._exit(128 + number))
  huge_pages.restart()
  # Messages of the runtime about absent accelerators tell a user nothing.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  _describe_usage(sys.argv[0])
  with console.lasting():
    app.run(main, flags_parser=_parse)


def _describe_usage(started: str) -> None:
  """Sets what absl's --help says: it speaks of the script that was started."""
  program = pathlib.Path(started).name
  if program.endswith('.py'):
    program = f'python {program}'
  sys.modules['__main__'].__doc__ = _USAGE.format(
      program=program, names=', '.join(config_file.names()),
      commands=commands.usage(),
  )
  for flag in flags.FLAGS.get_flags_for_module(sys.modules[__name__]):
    flags.FLAGS.register_key_flag_for_module(started, flag)
