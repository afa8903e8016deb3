"""Whether a config has the fields of configs/common.py, of their types."""

import difflib
import functools
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict
from ml_collections import FrozenConfigDict
from ml_collections import config_dict

from eqlandmarks import errors
from eqlandmarks.configs import common
from eqlandmarks.runs import config_fields

# Characters of a value that a message shows.
_SHOWN = 60


def check(config: Any) -> None:
  """Checks that a config has all fields, no others, and values of their types.

  Raises:
    UserError: naming all fields that differ.
  """
  if not isinstance(config, ConfigDict) or isinstance(config, FrozenConfigDict):
    raise errors.UserError(
        f'config is of type {type(config).__name__}, expected a ConfigDict, '
        'such as get_config() of configs/common.py returns.'
    )
  said = sorted(_differing(config, _expected(), ''))
  if said:
    raise errors.UserError(
        f'config is not as configs/common.py has it: {"; ".join(said)}.'
    )


def misfits(config: Any) -> list[str]:
  """The fields whose values are of another type, in words.

  Fields that are missing, or that another version has, are none of them.
  """
  return sorted(
      said
      for said in _differing(config, _expected(), '')
      if ', expected ' in said
  )


def shown(value: Any) -> str:
  """A value in a line of a message, cut short where it is long."""
  said = ' '.join(repr(value).split())
  return said if len(said) <= _SHOWN else said[: _SHOWN - 1] + '…'


@functools.cache
def _expected() -> ConfigDict:
  return common.get_config()


def _differing(config: Any, expected: Any, prefix: str) -> Iterator[str]:
  """What differs from the expected fields and types, in words."""
  for name in {*config} - {*expected}:
    yield f'{prefix}{name} is no field, the nearest is {_nearest(prefix, name)}'
  for name, default in expected.items():
    field = prefix + name
    if name not in config:
      yield f'{field} is missing'
      continue
    try:
      value = config[name]
    except config_dict.RequiredValueError:
      yield f'{field} has no value'
      continue
    if not _fits(value, default):
      yield f'{field} is {shown(value)}, expected {_kind(default)}'
    elif isinstance(default, ConfigDict):
      yield from _differing(value, default, f'{field}.')


def _fits(value: Any, default: Any) -> bool:
  """Whether a value may stand in the place of a field's default.

  Whole numbers stand for floats, and lists for tuples, as JSON has them.
  """
  if isinstance(default, tuple):
    return isinstance(value, (tuple, list))
  if isinstance(value, bool) or isinstance(default, bool):
    return type(value) is type(default)
  if isinstance(default, float):
    return isinstance(value, (int, float))
  return isinstance(value, type(default))


def _kind(default: Any) -> str:
  return 'fields' if isinstance(default, ConfigDict) else type(default).__name__


def _nearest(prefix: str, name: str) -> str:
  """The name of the field or group of fields that is most like this one."""
  fields = config_fields.flatten(_expected().to_dict())
  names = {*fields, *(field.partition('.')[0] for field in fields)}
  near = difflib.get_close_matches(f'{prefix}{name}', sorted(names), 1, 0.0)
  return near[0]
