"""The fields of configs, as JSON has them, and those that bind a workdir."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from eqlandmarks.training import methods

# Fields that may differ from run to run in one workdir: they change what is
# measured or drawn, or which of the workdir's methods is trained, but not what
# is there already.
_FREE = (
    'regression.', 'evaluation.', 'checkpoint.', 'ablation.num_seeds', 'grid.',
    'discover.train_features', 'predict.', 'label.', 'fit.', 'export.',
    'dataset.cache', 'dataset.memory_gib',
    # The data that they give are compared themselves (`datasets.contents`).
    'dataset.root', 'dataset.labels', 'dataset.eyes', 'dataset.groups',
    'dataset.test', 'dataset.test_share', 'dataset.exclude', 'dataset.skip_bad',
    'dataset.outside', 'dataset.min_likelihood', 'dataset.partial',
    'dataset.fit_rule', 'dataset.num_validation', 'dataset.num_test',
)  # fmt: skip


def _apart(method: methods.Method) -> tuple[str, ...]:
  """Fields that the state of a method does not depend on."""
  if not method.after_pretrain:
    return (
        'pretrain.', 'pretrained', 'discover.num_epochs',
        'discover.features_rate',
    )  # fmt: skip
  rate = () if method.trains_features else ('discover.features_rate',)
  return ('end_to_end.', *rate)


# Fields that the state of a stage does not depend on, either.
_APART = {
    'pretrain': (
        'discover.', 'end_to_end.', 'num_landmarks', 'model.landmark_',
        'model.heatmap_scale', 'pretrained',
    ),
    **{name: _apart(method) for name, method in methods.METHODS.items()},
}  # fmt: skip
STAGES = tuple(_APART)
# For the stages of a comparison, which has lengths of its own.
_COMPARED = ('end_to_end.',)
# Fields of stage 1, and those that decide the shapes of F.
_OF_STAGE_ONE = (
    'pretrain.', 'image_size', 'model.net', 'model.widths', 'model.features',
    'model.norm',
)  # fmt: skip


def plain(config: Any) -> dict[str, Any]:
  """The config as JSON gives it back."""
  return json.loads(json.dumps(config.to_dict()))


def flatten(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
  """The fields of nested dicts, by their dotted names."""
  flat = {}
  for name, value in tree.items():
    if isinstance(value, dict):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[prefix + name] = value
  return flat


def differing(stored: dict[str, Any], asked: dict[str, Any]) -> dict[str, str]:
  """Fields in which two configs differ -> both values, in words.

  Each dataset has fields of its own, so those of `dataset` that only one of the
  configs has do not count.
  """
  old, new = flatten(stored), flatten(asked)
  one_sided = old.keys() ^ new.keys()
  return {
      name: f'{name} ({old.get(name)!r} there, {new.get(name)!r} asked)'
      for name in sorted(old.keys() | new.keys())
      if old.get(name) != new.get(name)
      and not (name in one_sided and name.startswith('dataset.'))
  }


def binding(fields: Iterable[str], stages: Sequence[str]) -> list[str]:
  """Those of the fields that a stage depends on, so that they may not change.

  Args:
    fields: dotted names.
    stages: paths of stages below the workdir, such as 'pretrain' or, in a
      comparison, 'ablation/seed0/pretrain'.
  """
  return [name for name in fields if any(_depends(s, name) for s in stages)]


def is_free(field: str) -> bool:
  """Whether a field may always change."""
  return field.startswith(_FREE)


def is_of_stage_one(field: str) -> bool:
  """Whether a stage 1 with another value does not serve stage 2."""
  return field.startswith(_OF_STAGE_ONE)


def _depends(stage: str, field: str) -> bool:
  folder, _, name = stage.rpartition('/')
  apart = _APART.get(name, _COMPARED)
  if not folder:
    apart = (*apart, 'ablation.')
  return not field.startswith((*_FREE, *apart))
