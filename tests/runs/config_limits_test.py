"""Configs of one's own, and values out of all reason: one line for each."""

import copy
import math

import pytest
from ml_collections import ConfigDict
from ml_collections import FrozenConfigDict
from ml_collections import config_dict

from configs import common
from configs import signer
from eqlandmarks import errors
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields

FIELDS = config_fields.flatten(common.get_config().to_dict())
TINY = signer.get_config('tiny').to_dict()
ABSURD = (
    math.nan, math.inf, -math.inf, -1, -1.0, 0, 0.0, 1e-300, 1e9, 1e300, 10**9,
    2**64, 10**400, True, '', 'x', b'x', None, (), (1e9,), (10**400,), (None,),
    ((1,), (1,)), ([1],), ('x', 'x'), [], {}, {'x': 1}, ConfigDict(), object,
)  # fmt: skip


def _with(name, value):
  """The tiny config with one value, set without ConfigDict's own checks."""
  content = copy.deepcopy(TINY)
  *groups, field = name.split('.')
  part = content
  for group in groups:
    part = part[group]
  part[field] = value
  return ConfigDict(content)


def _refusal(config):
  """What is said of a config; None where it passes."""
  try:
    config_checks.check(config)
  except errors.UserError as error:
    assert '\n' not in str(error)
    assert len(str(error)) < 500
    return str(error)
  return None


@pytest.mark.parametrize('name', FIELDS)
def test_any_value_of_any_field_is_taken_or_refused_in_a_line(name):
  for value in ABSURD:
    said = _refusal(_with(name, value))
    assert said is None or name in said, (name, value, said)


@pytest.mark.parametrize('name', FIELDS)
def test_numbers_out_of_all_reason_are_refused(name):
  default = FIELDS[name]
  if not isinstance(default, (int, float, tuple)) or isinstance(default, bool):
    return
  absurd = [math.nan, math.inf, -1, None, 'x', 2**64, 10**400]
  if isinstance(default, tuple):
    absurd = [None, 'x', *((value,) for value in absurd)]
  for value in absurd:
    assert _refusal(_with(name, value)), (name, value)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('image_size', 10**9), ('num_landmarks', 10**9), ('batch_size', 10**9),
        ('accumulate', 10**9), ('model.features', 10**9),
        ('model.widths', (16, 32, 64, 10**9)), ('model.landmark_width', 10**9),
        ('model.landmark_blocks', 10**9), ('model.landmark_dilation', 10**9),
        ('pretrain.num_locations', 10**9), ('pretrain.num_epochs', 10**12),
        ('end_to_end.num_epochs', 10**12), ('discover.patch', 1.01),
        ('discover.warp.grid', 10**9), ('evaluation.batch_size', 10**9),
        ('evaluation.warps_per_image', 10**9), ('evaluation.repeats', 10**9),
        ('evaluation.samples', (10**9,)), ('evaluation.sheet_images', 10**9),
        ('evaluation.curve_step', 1e-9), ('ablation.num_seeds', 10**9),
        ('predict.batch_size', 10**9), ('checkpoint.keep', 10**9),
        ('seed', 2**32), ('dataset.seed', -1), ('dataset.num_train', 10**9),
        # Both have to go together.
        ('model.landmark_dilation', 33),
    ],
)  # fmt: skip
def test_counts_out_of_all_reason_are_refused(name, value):
  said = _refusal(_with(name, value))
  assert said.startswith(f'config.{name} is ')
  assert ', expected ' in said


def test_what_stands_for_a_value_is_taken():
  config = signer.get_config('tiny')
  # A whole number for a float, and a list for a tuple.
  for name, value in (
      ('pretrain.l2', 0), ('model.widths', [8, 8, 16, 16]),
      ('evaluation.distances', [2, 5]), ('evaluation.samples', []),
      ('predict.formats', ['table']),
  ):  # fmt: skip
    config = _with(name, value)
    assert _refusal(config) is None, name
  config.seed = 2**32 - 1
  assert _refusal(config) is None


def test_all_fields_that_differ_are_named_with_the_nearest():
  config = signer.get_config('tiny')
  with config.unlocked():
    config.pretrain.learning_rte = 1e-3
    config.batchsize = 8
    del config.batch_size, config.discover
    with config.ignore_type():
      config.seed = '1'
      config.regression = 3
      config.model.widths = None
  said = _refusal(config)
  assert said == (
      'config is not as configs/common.py has it: batch_size is missing; '
      'batchsize is no field, the nearest is batch_size; discover is missing; '
      'model.widths is None, expected tuple; pretrain.learning_rte is no '
      'field, the nearest is pretrain.learning_rate; regression is 3, expected '
      "fields; seed is '1', expected int."
  )


def test_a_placeholder_without_a_value_is_named():
  config = signer.get_config('tiny')
  config.seed = config_dict.required_placeholder(int)
  assert 'seed has no value' in _refusal(config)


@pytest.mark.parametrize(
    'config', [None, {}, 3, common, FrozenConfigDict(common.get_config())]
)
def test_what_is_no_config_is_named_by_its_type(config):
  assert _refusal(config).startswith('config is of type ')
