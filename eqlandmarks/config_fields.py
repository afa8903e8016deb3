"""The fields of configs, as JSON has them: which two of them share a run."""

import json
from typing import Any

# Fields that may differ from run to run in one workdir: they change what is
# measured or drawn, or which of the workdir's methods is trained, but not what
# is there already.
_FREE = (
    'regression.',
    'evaluation.',
    'checkpoint.',
    'ablation.num_seeds',
    'dataset.cache',
    'dataset.memory_gib',
    'discover.train_features',
    'predict.',
    'export.',
)


def plain(config: Any) -> dict[str, Any]:
  """The config as JSON gives it back."""
  return json.loads(json.dumps(config.to_dict()))


def filled(known: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
  """Nested fields, with the defaults of those that are not there."""
  result = {**defaults, **known}
  for name, value in defaults.items():
    if isinstance(value, dict) and isinstance(result[name], dict):
      result[name] = filled(result[name], value)
  return result


def flatten(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  """The fields of nested dicts, by their dotted names."""
  flat = {}
  for name, value in tree.items():
    if isinstance(value, dict):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[prefix + name] = value
  return flat


def differing(there: dict[str, Any], asked: dict[str, Any]) -> list[str]:
  """Fields by which two trainings differ, with both values, in words."""
  found, wanted = flatten(there), flatten(asked)
  return [
      f'{name} ({found.get(name)!r} there, {wanted.get(name)!r} asked)'
      for name in sorted(found.keys() | wanted.keys())
      if found.get(name) != wanted.get(name) and not name.startswith(_FREE)
  ]
