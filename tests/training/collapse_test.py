import math

import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import losses
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.training import collapse
from eqlandmarks.training import stages
from eqlandmarks.training.objectives import contrastive
from eqlandmarks.training.objectives import landmarks


def _config(**fields):
  """Eight images a step, and 16 points of each."""
  config = signer.get_config('tiny')
  config.update_from_flattened_dict(fields)
  return config


def _flat(row, config=None):
  config = config or _config()
  return contrastive.collapsed(config, config.pretrain, row)


def _equal(row, config=None):
  config = config or _config()
  return landmarks.collapsed(config, config.discover, row)


def test_the_flat_loss_is_that_of_equal_features():
  # 16 points of an image, 12 of them valid: 2M - 1 = 23 to choose from.
  features = jnp.broadcast_to(jnp.array([0.3, -2.0]), (16, 2))
  loss = losses.contrastive(features, features, valid=jnp.arange(16) < 12)
  np.testing.assert_allclose(loss, 2 * math.log(23), rtol=1e-4)
  row = {'loss': float(loss), 'points_used': 0.75}
  said = _flat(row)
  # 2 ln 23 = 6.27099 by bc -l.
  assert said.startswith('the contrastive loss is 6.271, and 6.271 is that')
  assert 'learning_rate' in said


def test_negatives_of_the_batch_are_those_of_all_images_of_a_part():
  # 2 ln(2 * 0.75 * 16 * 8 - 1) = 2 ln 191 = 10.50455 by bc -l, and with two
  # parts 2 ln 95 = 9.10775.
  for accumulate, loss, other in ((1, 10.5046, 9.1078), (2, 9.1078, 10.5046)):
    config = _config(
        **{'pretrain.negatives': 'batch', 'accumulate': accumulate}
    )
    row = {'loss': loss, 'points_used': 0.75}
    assert _flat(row, config)
    assert _flat(row | {'loss': other}, config) is None


def test_how_near_the_loss_has_to_be_on_both_sides():
  # 1 % of 2 ln 23 = 6.27099 is 0.06271.
  row = {'points_used': 0.75}
  for loss, collapsed in (
      (6.2090, True), (6.2080, False), (6.3330, True), (6.3340, False)
  ):
    said = _flat(row | {'loss': loss})
    assert (said is not None) == collapsed, loss


def test_a_high_temperature_leaves_less_room_for_any_loss():
  # At tau = 10 no loss is lower by more than about 2 / 10, of which 1 % is
  # 0.002: 6.2705 is flat, and 6.25 has learned something.
  config = _config(**{'pretrain.temperature': 10.0})
  row = {'points_used': 0.75}
  assert _flat(row | {'loss': 6.2705}, config)
  assert _flat(row | {'loss': 6.25}, config) is None


def test_a_single_pair_has_nothing_to_be_told_from():
  config = _config(**{'pretrain.num_locations': 1})
  assert _flat({'loss': 0.0, 'points_used': 1.0}, config) is None


def test_equal_heatmaps_by_hand():
  # K = 10 equal heatmaps: the loss is K - 1 = 9, whatever the patch.
  heatmaps = jnp.full((8, 8, 10), 1 / 64)
  diversity = losses.diversity(heatmaps, patch=4)
  said = _equal({'diversity': float(diversity)})
  assert said.startswith('the diversity loss is 9 of at most 9: ')
  assert 'patch of 0.0625 of the side' in said
  assert 'weights.diversity' in said


def test_how_near_to_its_largest_value_diversity_has_to_be():
  # 90 % of K - 1 = 9.
  assert _equal({'diversity': 8.1})
  assert _equal({'diversity': 8.09}) is None


def test_a_sign_is_told_once_when_it_has_lasted():
  sign = stages._watch(_config(), 'discover', num_images=16)
  told = []
  # The first epoch ends with step 2. One row that is healthy begins anew.
  for step, value in enumerate((9.0, 9.0, 9.0, 3.0, 9.0, 8.9, 8.8, 9.0, 9.0)):
    row = {'step': step, 'diversity': value, 'points_used': 0.01}
    told.append(sign(row) or '')
  assert told[0].startswith('the warps leave only 1 % of the points')
  assert [bool(text) for text in told] == [True] + [False] * 5 + [True] + 2 * [
      False
  ]
  assert told[6].startswith('the diversity loss is 8.8')


def test_a_single_landmark_never_collapses():
  config = _config(num_landmarks=1)
  assert _equal({'diversity': 0.0}, config) is None
  assert np.isnan(collapse.extents(np.zeros((3, 1, 2)))).all()


def test_extents_by_hand():
  triangles = np.array([
      # Sides of 3, 4 and 5.
      [[10.0, 10.0], [13.0, 10.0], [10.0, 14.0]],
      [[2.0, 7.0], [2.0, 7.0], [2.0, 7.0]],
  ])
  np.testing.assert_allclose(collapse.extents(triangles), [5.0, 0.0])


def test_alignment_by_hand():
  # Two images: one direction each, at a right angle; the mean of (1, 0) and
  # (0, 1) is (1/2, 1/2), of length 1 / sqrt(2).
  right_angle = np.array([[1.0, 0.0], [0.0, 1.0]])
  np.testing.assert_allclose(collapse.alignment(right_angle), 0.5**0.5)
  np.testing.assert_allclose(collapse.alignment(right_angle[:1]), 1.0)
  opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
  np.testing.assert_allclose(collapse.alignment(opposite), 0.0)


def _record(metric, value):
  return records_lib.Record(
      'lips', 'test', 'two_stage', metric=metric, value=value
  )


@pytest.mark.parametrize(
    ('metric', 'collapsed', 'healthy', 'says'),
    [
        ('extent_px', 6.39, 6.4, 'within 6.4 px (at 128 px)'),
        ('alignment', 0.991, 0.99, '0.991'),
    ],
)
def test_records_of_a_collapse_are_told(metric, collapsed, healthy, says):
  others = [_record('extent_px', 60.0), _record('alignment', 0.5)]
  others = [r for r in others if r.metric != metric]
  assert collapse.of_records([_record(metric, healthy), *others]) == []
  (said,) = collapse.of_records([_record(metric, collapsed), *others])
  assert says in said


def test_records_without_the_metrics_tell_nothing():
  # Those of an earlier version, and of a single landmark.
  assert collapse.of_records([_record('equivariance_px', 0.0)]) == []
  assert collapse.of_records([_record('extent_px', None)]) == []


def test_both_signs_are_told():
  records = [_record('extent_px', 0.0), _record('alignment', 1.0)]
  of_features, of_landmarks = collapse.of_records(records)
  assert 'config.pretrain' in of_features
  assert 'config.discover' in of_landmarks
