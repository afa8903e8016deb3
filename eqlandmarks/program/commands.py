"""Commands as a person types them: `eqlandmarks predict RUN INPUT`.

Each stands for flags, which may follow it: the command above is --mode=predict
--workdir=RUN --config.predict.input=INPUT.
"""

import difflib
import pathlib
import shlex
import sys
from collections.abc import Container, Sequence

from eqlandmarks import errors

# Compares finished runs, which no flags of a single run tell.
COMPARE = 'compare'
# Command -> the words that follow it, and what it does. All but the last one
# are modes.
_COMMANDS = {
    'prepare': ('CONFIG', 'look at the data, and at the time training takes'),
    'train': ('CONFIG', 'discover landmarks, into the folder runs/CONFIG'),
    'pretrain': ('CONFIG', 'stage 1 alone'),
    'discover': ('CONFIG', 'stage 2 alone'),
    'end_to_end': ('CONFIG', "the paper's baseline"),
    'ablation': ('CONFIG', 'the methods against each other, over seeds'),
    'grid': ('CONFIG', "the same for other methods' objectives"),
    'predict': ('RUN [INPUT]', 'points of an image, a folder or a video'),
    'label': ('RUN [INPUT]', 'a page on which you click named points'),
    'fit': ('RUN LABELS [INPUT]', 'from landmarks to the points of a table'),
    'export': ('RUN', 'the model as one file'),
    'evaluate': ('RUN', 'measure anew'),
    'report': ('RUN', 'tables, pictures and report.html'),
    COMPARE: ('RUN RUN ...', 'the figures of runs in one table'),
}
# Modes that take their config from the workdir of a run, if none is given.
OF_RUN = tuple(
    name for name, (words, _) in _COMMANDS.items() if words[:3] == 'RUN'
)
_FLAGS = {
    'CONFIG': 'config', 'RUN': 'workdir', 'INPUT': 'config.predict.input',
    'LABELS': 'config.fit.labels',
}  # fmt: skip


def program() -> str:
  """What a user types before a command."""
  name = pathlib.Path(sys.argv[0]).name
  return 'python main.py' if name == 'main.py' else 'eqlandmarks'


def next_ones(run: pathlib.Path) -> str:
  """What can be done with a run that is trained, in a line."""
  start, folder = program(), shlex.quote(str(run))
  return f'next: {start} predict {folder} INPUT, or {start} export {folder}'


def usage() -> str:
  """All commands, a line each."""
  shown = {f'{name} {words}': says for name, (words, says) in _COMMANDS.items()}
  width = max(map(len, shown))
  return '\n'.join(f'  {c:{width}}  {says}' for c, says in shown.items())


def expanded(
    argv: Sequence[str], switches: Container[str]
) -> tuple[list[str], list[str]]:
  """The arguments with flags in the place of a command and its words.

  Args:
    argv: the program and its arguments.
    switches: names of flags that no value follows.

  Returns:
    The arguments, and the folders of runs to compare.

  Raises:
    UserError: there is no such command, or its words are too few or too many.
  """
  if len(argv) < 2 or argv[1].startswith('-') or not argv[1]:
    return [*argv], []
  command = argv[1]
  if command not in _COMMANDS:
    near = difflib.get_close_matches(command, _COMMANDS, 1, 0.0)[0]
    raise errors.UserError(
        f'{command!r} is no command, the nearest is {near}; expected one of '
        f'{", ".join(_COMMANDS)}, or flags.'
    )
  given, rest = _parted(argv[2:], switches)
  if {'--help', '-help', '--helpfull', '--helpshort'} & {*rest}:
    return [argv[0], *rest], []
  if command == COMPARE:
    _check_count(command, given, len(given) > 1)
    return [argv[0], *rest], given
  names = _COMMANDS[command][0].split()
  least = sum(name[0] != '[' for name in names)
  flags = ['mode', *(_FLAGS[name.strip('[]')] for name in names[: len(given)])]
  # A word may be given as its flag.
  least -= sum(_is_given(_FLAGS[name.strip('[]')], rest) for name in names)
  _check_count(command, given, least <= len(given) <= len(names))
  for flag in flags:
    if _is_given(flag, rest):
      raise errors.UserError(
          f'--{flag} is given beside what {command!r} says already; expected '
          'one of them.'
      )
  values = zip(flags, (command, *given), strict=True)
  said = [f'--{flag}={value}' for flag, value in values]
  if names[0] == 'CONFIG' and given and not _is_given('workdir', rest):
    said.append(f'--workdir={_folder(given[0])}')
  return [argv[0], *said, *rest], []


def _check_count(command: str, given: Sequence[str], fits: bool) -> None:
  words, _ = _COMMANDS[command]
  if fits and all(given):
    return
  found = ' '.join(map(repr, given[:3])) + ' ...' * (len(given) > 3)
  pattern = ' (a pattern in quotes)' if 'INPUT' in words else ''
  raise errors.UserError(
      f'{command!r} is followed by {found or "nothing"}, expected '
      f'{command} {words}{pattern}, and flags after that.'
  )


def _folder(config: str) -> str:
  """Where a config is trained by default."""
  name, colon, variant = config.partition(':')
  stem = pathlib.Path(name).stem + colon.replace(':', '-') + variant
  return str(pathlib.Path('runs') / stem.replace('/', '-').replace(',', '-'))


def _parted(
    arguments: Sequence[str], switches: Container[str]
) -> tuple[list[str], list[str]]:
  """The words among arguments, and the flags with their values."""
  words, flags, takes_value = [], [], False
  for argument in arguments:
    is_flag = argument.startswith('-')
    (flags if is_flag or takes_value else words).append(argument)
    name = argument.lstrip('-')
    takes_value = is_flag and '=' not in argument and name not in switches
  return words, flags


def _is_given(flag: str, arguments: Sequence[str]) -> bool:
  return any(
      argument.startswith('-')
      and argument.lstrip('-').partition('=')[0] == flag
      for argument in arguments
  )
