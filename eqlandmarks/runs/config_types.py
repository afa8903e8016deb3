"""Whether a config has the fields of configs/common.py, of their types."""

import difflib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict
from ml_collections import FrozenConfigDict
from ml_collections import config_dict

from eqlandmarks import errors
from eqlandmarks.configs import common
from eqlandmarks.runs import config_fields
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs

# The sections of the stages, and what decides which fields they have.
_STAGES = ('pretrain', 'discover')
_SEAMS = (objectives.SEAM, pairs.SEAM)


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
  expected = _expected(config, ours_alone=False)
  differing = sorted(_differing(config, expected, ''))
  if differing:
    raise errors.UserError(
        f'config is not as configs/common.py has it: {"; ".join(differing)}.'
    )


def misfits(config: Any) -> list[str]:
  """The fields whose values are of another type, in words.

  Fields that are missing, or that another version has, are none of them.
  """
  return sorted(
      text
      for text in _differing(config, defaults(config), '')
      if ', expected ' in text
  )


def defaults(stored: Any) -> ConfigDict:
  """The fields that a stored config should have, with their defaults.

  No module of a user's own is imported: a stage whose objective or pair is one
  stands for itself.
  """
  return _expected(stored, ours_alone=True)


def _expected(config: Any, *, ours_alone: bool) -> ConfigDict:
  """Our defaults, with the fields of the objectives and pairs of a config."""
  result = common.get_config()
  for stage in _STAGES:
    section, ours = config.get(stage), result[stage]
    if not hasattr(section, 'get'):
      continue  # of another type, which is said of it
    names = {s: section.get(s.field, ours[s.field]) for s in _SEAMS}
    if ours_alone and not all(s.is_ours(name) for s, name in names.items()):
      result[stage] = ConfigDict(section)
      continue
    for seam, name in names.items():
      if isinstance(name, str) and name != ours[seam.field]:
        seam.load(name, stage)
        seam.use(ours, name)
  return result


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
      yield f'{field} is {field_rules.shown(value)}, expected {_kind(default)}'
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
  fields = config_fields.flatten(common.get_config().to_dict())
  names = {*fields, *(field.partition('.')[0] for field in fields)}
  near = difflib.get_close_matches(f'{prefix}{name}', sorted(names), 1, 0.0)
  return near[0]
