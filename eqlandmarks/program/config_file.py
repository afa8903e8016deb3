"""The file that --config names, and what is wrong with it in one line."""

import contextlib
import os
import pathlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from eqlandmarks import configs
from eqlandmarks import errors


def with_files(argv: Sequence[str]) -> list[str]:
  """The arguments with the file of a config in the place of its name.

  Modules beside the file can be imported from then on.

  Raises:
    UserError: there is neither a file nor a config of this name.
  """
  expected = f'expected the path of one, or one of {", ".join(names())}.'
  arguments, rest = [], list(argv)
  while rest:
    argument = rest.pop(0)
    flag, equals, value = argument.partition('=')
    if flag not in ('-config', '--config'):
      arguments.append(argument)
      continue
    if not equals and rest and not rest[0].startswith('-'):
      value = rest.pop(0)
    if not value:
      raise errors.UserError(f'--config is missing, {expected}')
    name, colon, variant = value.partition(':')
    if name in names():
      file = pathlib.Path(configs.__file__).with_name(f'{name}.py')
      value = f'{file}{colon}{variant}'
    elif not os.path.isfile(name):
      raise errors.UserError(f'--config: found no file {name!r}, {expected}')
    else:
      _let_import_from(pathlib.Path(name).resolve().parent)
    arguments.append(f'--config={value}')
  return arguments


def _let_import_from(folder: pathlib.Path) -> None:
  """Lets a config name modules that lie beside it."""
  ours = pathlib.Path(configs.__file__).resolve().parent
  if folder != ours and str(folder) not in sys.path:
    sys.path.append(str(folder))


def names() -> list[str]:
  """The configs that come with the package."""
  files = pathlib.Path(configs.__file__).parent.glob('*.py')
  others = {'__init__', 'common', 'presets'}
  return sorted({file.stem for file in files} - others)


def explain(error: BaseException, argv: Sequence[str], config: Any) -> str:
  """The one line that says what is wrong with the flags or in the config.

  The config is the one that was loaded last; None where none was.
  """
  root = _chain(error)[-1]
  where = place(error, argv)
  if isinstance(root, SyntaxError):
    source = f' ({where})' if where else ', expected the text of a config'
    return f'--config: SyntaxError: {root.msg}{source}'
  if where is not None:
    kind = '' if isinstance(root, ValueError) else f'{type(root).__name__}: '
    return f'--config: {kind}{root} ({where})'
  if isinstance(root, errors.UserError):
    return str(root)
  if "<class 'NoneType'>" in str(root):
    return '--config: get_config() returns None, expected a ConfigDict.'
  if isinstance(root, KeyError):  # all that ml_collections says
    field = str(root.args[0]).rpartition('lookup: ')[2]
    for argument in argv:
      name = argument.lstrip('-').partition('=')[0]
      if name.startswith('config.') and field in name.split('.'):
        field = name
    from eqlandmarks.runs import config_types  # takes a second

    near = config_types.nearest(config, field.partition('.')[2])
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


def place(error: BaseException, argv: Sequence[str]) -> str | None:
  """The line of the config's file that raised an error; None for others."""
  files = set()
  with contextlib.suppress(errors.UserError):  # which is then the error itself
    for argument in with_files(argv):
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
