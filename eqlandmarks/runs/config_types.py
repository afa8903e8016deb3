"""Whether a config has the fields of configs/common.py, of their types."""

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict
from ml_collections import FrozenConfigDict
from ml_collections import config_dict

from eqlandmarks import errors
from eqlandmarks.configs import common
from eqlandmarks.datasets import by_name
from eqlandmarks.runs import config_fields
from eqlandmarks.system import field_rules
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import base as pairs

# The sections of the stages, and what decides which fields they have.
_STAGES = ('pretrain', 'discover')
_EXTENSION_POINTS = (objectives.EXTENSION_POINT, pairs.EXTENSION_POINT)


def check(config: Any) -> None:
  """Checks that a config has all fields, no others, and values of their types.

  Raises:
    UserError: naming all fields that differ, or the dataset if there is none
      of its name.
  """
  if not isinstance(config, ConfigDict) or isinstance(config, FrozenConfigDict):
    raise errors.UserError(
        f'config is of type {type(config).__name__}, expected a ConfigDict, '
        'such as get_config() of configs/common.py returns.'
    )
  name = _dataset_name(config)
  if name is not None:
    by_name.find(name)
  expected = _expected(config, name or '', ours_alone=False)
  differing = sorted(_differing(config, expected, ''))
  if differing:
    raise errors.UserError(
        f'config is not as configs/common.py has it: {"; ".join(differing)}.'
    )


def misfits(config: Any) -> list[str]:
  """The fields whose values are of another type, in words.

  Missing fields, those of another version, and those of a user's own dataset,
  objective or pair do not count.
  """
  name = _dataset_name(config)
  ours = name if name in by_name.names() else ''
  texts = _differing(config, _expected(config, ours, ours_alone=True), '')
  return sorted(text for text in texts if ', expected ' in text)


def from_json(stored: dict[str, Any]) -> ConfigDict:
  """The config that JSON gives back, with tuples and floats as they were.

  What a workdir may change freely has its default where `stored` lacks it, as
  that of an older version does.
  """
  config = ConfigDict(stored)
  name = _dataset_name(config)
  ours = name if name in by_name.names() else ''
  expected = _expected(config, ours, ours_alone=True)
  return ConfigDict(_restored(stored, expected, ''))


def _restored(
    stored: dict[str, Any], expected: Any, prefix: str
) -> dict[str, Any]:
  restored = dict(stored)
  for name, default in expected.items():
    value = stored.get(name)
    if isinstance(default, ConfigDict):
      if isinstance(value, dict):
        restored[name] = _restored(value, default, f'{prefix}{name}.')
      elif name not in stored and config_fields.is_free(f'{prefix}{name}.'):
        restored[name] = default.to_dict()
    elif name not in stored:
      if config_fields.is_free(prefix + name):
        restored[name] = default
    elif isinstance(default, tuple) and isinstance(value, list):
      restored[name] = tuple(value)
    elif isinstance(default, float) and type(value) is int:
      restored[name] = float(value)
  return restored


def complete(config: Any, name: str = '') -> None:
  """Gives a config the fields of the dataset that it names.

  Fields of the dataset that `common.get_config()` is for are removed where they
  have their defaults.

  Args:
    config: a user's own, made from `common.get_config()`. Anything but a config
      stays as it is.
    name: a dataset in the place of the one that the config names.
  """
  made_for = _dataset_name(config)
  if not made_for:
    return
  with contextlib.suppress(errors.UserError), config.unlocked():
    fields = by_name.defaults(name or made_for)
    section = config.dataset
    usual = common.get_config().dataset.name
    left = by_name.defaults(made_for if name else usual)
    for field, value in left.items():
      if field in section and field not in fields and (
          name or section[field] == value
      ):
        del section[field]
    section.update({f: v for f, v in fields.items() if f not in section})


def _expected(config: Any, dataset: str, *, ours_alone: bool) -> ConfigDict:
  """Our defaults, with the fields of the dataset and the extension points."""
  result = common.get_config(dataset)
  for stage in _STAGES:
    section, ours = config.get(stage), result[stage]
    if not hasattr(section, 'get'):
      continue  # of another type, which is said of it
    names = {p: section.get(p.field, ours[p.field]) for p in _EXTENSION_POINTS}
    if ours_alone and not all(p.is_ours(name) for p, name in names.items()):
      result[stage] = ConfigDict(section)
      continue
    for point, name in names.items():
      if isinstance(name, str) and name != ours[point.field]:
        point.load(name, stage)
        point.use(ours, name)
  return result


def _dataset_name(config: Any) -> str | None:
  """The name of a config's dataset, None where it has none."""
  with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
    name = config.dataset.name
    return name if isinstance(name, str) else None
  return None


def _differing(
    config: Any, expected: Any, prefix: str, whole: Any = None
) -> Iterator[str]:
  """What differs in a section from the expected fields and types, in words."""
  whole = whole or expected  # of the whole config
  for name in {*config} - {*expected}:
    near = nearest(whole, prefix + name)
    yield f'{prefix}{name} is no field, the nearest is {near}'
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
      yield from _differing(value, default, f'{field}.', whole)


def _fits(value: Any, default: Any) -> bool:
  """Whether a value may replace a field's default, also as JSON gives it."""
  if isinstance(default, tuple):
    return isinstance(value, (tuple, list))
  if isinstance(value, bool) or isinstance(default, bool):
    return type(value) is type(default)
  if isinstance(default, float):
    return isinstance(value, (int, float))
  return isinstance(value, type(default))


def _kind(default: Any) -> str:
  return 'fields' if isinstance(default, ConfigDict) else type(default).__name__


def nearest(config: Any, name: str) -> str:
  """The field or section of a config whose name is most like this one."""
  fields = config_fields.flatten(config.to_dict())
  names = {*fields, *(field.partition('.')[0] for field in fields)}
  return difflib.get_close_matches(name, sorted(names), 1, 0.0)[0]
