"""Every figure of the evaluation, and the records that hold it."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from evaluation_fixtures import DESCRIPTION
from evaluation_fixtures import make_config
from evaluation_fixtures import observed
from evaluation_fixtures import selected
from evaluation_fixtures import split_of
from evaluation_fixtures import value_of
from evaluation_fixtures import variables_of
from sklearn import linear_model

from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import metrics
from eqlandmarks import warps
from eqlandmarks.evaluation import observe
from eqlandmarks.evaluation import score
from eqlandmarks.evaluation import scored_data


def test_points_that_leave_the_image_are_masked_and_counted():
  config = make_config()
  config.evaluation.warp.rotation = 90.0
  split = split_of(8, 2)
  split.points[:, 0] = [0.5, 0.5]  # a corner turns out of most images
  split.points[3, 1] = np.nan
  seen = observed(config, split)
  errors = seen.match_errors()
  masked = np.isnan(errors[:, :, 0])
  assert masked[:, :, 0].sum() > 0
  assert not masked[:, :, 2].all()
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, split_of(4, 3), split, {}
  )
  records = score.acc_records(data, errors, seen.targets)
  protocol = records[0].protocol
  # Beside the two copies of the point that is missing.
  assert protocol['points_left_image'] == masked.sum() - 2
  assert records[0].count == 8 * 2 * 3 - masked.sum()


def test_points_that_never_were_inside_have_not_left():
  config = make_config()
  split = split_of(4, 2)
  split.points[:, 1] = [-3.0, 40.0]  # beside the crop, in all images
  split.points[0, 2] = np.nan
  targets = np.broadcast_to(split.points[:, None], (4, 2, 3, 2)).copy()
  targets[:, :, 1] = np.nan
  targets[2, 1, 0] = np.nan  # the only one that a warp has moved out
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, split_of(4, 3), split, {}
  )
  errors = np.zeros((4, 2, 4, 3)) * targets[:, :, None, :, 0]
  for record in score.acc_records(data, errors, targets):
    assert record.protocol['points_left_image'] == 1
    # Of two copies of 4 + 3 points.
    assert record.protocol['masked_share'] == 1 / 14
    assert record.count == 13


def test_landmarks_that_leave_are_counted_landmark_by_landmark():
  moved = np.zeros((3, 2, 2), np.float32)
  moved[1, :, 1] = np.nan
  data = scored_data.collect(
      'two_stage', make_config(), DESCRIPTION, None, split_of(3, 4), {}
  )
  followed = selected(
      score.landmark_records(data, moved, np.ones((3, 2))),
      metric='equivariance_px',
  )
  assert [r.point for r in followed] == ['all', 'landmark 0', 'landmark 1']
  assert [r.count for r in followed] == [10, 6, 4]
  protocols = [r.protocol for r in followed]
  assert [p['points_left_image'] for p in protocols] == [2, 0, 2]
  assert [p['masked_share'] for p in protocols] == [2 / 12, 0.0, 2 / 6]
  assert protocols[0]['warp']['rotation'] == 20.0


@pytest.fixture(scope='module')
def outcome():
  config = make_config()
  return observe.evaluate(
      'two_stage',
      config,
      variables_of(config),
      fit_split=split_of(20, 3),
      test_split=split_of(6, 4),
      description=DESCRIPTION,
  )


def test_mean_shape_by_hand(outcome):
  mean = split_of(20, 3).points.mean(axis=0)
  # In pixels of a 128-pixel image: four times those of 32.
  distance = 4 * np.linalg.norm(split_of(6, 4).points - mean, axis=-1)
  find = lambda metric, point: value_of(
      outcome.records, method='mean_shape', metric=metric, point=point
  )
  np.testing.assert_allclose(find('error_px', 'b'), distance[:, 1].mean(), 1e-5)
  np.testing.assert_allclose(find('error_px', 'all'), distance.mean(), 1e-5)
  np.testing.assert_allclose(
      find('pck', 'ab'), (distance[:, :2] <= 6).mean(), 1e-5
  )
  # In the user's own pixels: twice as many rows as 32, three times as many
  # columns.
  original = np.linalg.norm(
      (split_of(6, 4).points - mean) * [2, 3], axis=-1
  )
  np.testing.assert_allclose(
      find('pck_original', 'all'), (original <= 12).mean(), 1e-5
  )
  eyes = split_of(6, 4).points
  between = 4 * np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1)
  np.testing.assert_allclose(
      find('error_iod', 'all'), 100 * (distance / between[:, None]).mean(), 1e-5
  )


def test_predictions_and_records_agree(outcome):
  arrays = outcome.arrays
  errors = 4 * np.linalg.norm(arrays['predicted'] - arrays['points'], axis=-1)
  found = value_of(
      outcome.records, method='two_stage', metric='error_px', point='all'
  )
  np.testing.assert_allclose(found, errors.mean(), rtol=1e-4)


def test_acc_records_of_features_that_the_warp_carries():
  # Coordinates on a sphere, so that cosine similarity tells them apart, carried
  # by the warp: perfectly equivariant, up to the pixel.
  def code(points):
    return np.concatenate([np.cos(points / 32), np.sin(points / 32)], -1)

  config, test = make_config(), split_of(6, 8)
  targets = np.full((6, 1, 3, 2), np.nan, np.float32)
  found = np.full((6, 1, 4, 3, 2), np.nan, np.float32)
  centres = geometry.pixel_centres((32, 32))
  for n in range(6):
    g = warps.random_warp(
        jax.random.key(n), (32, 32), rotation=20.0, elastic=0.03
    )
    moved = g(test.points[n])
    inside = geometry.inside(moved, (32, 32))[:, None]
    targets[n, 0] = np.where(inside, moved, np.nan)
    features = code(np.asarray(g.inverse()(centres)))
    found[n, 0] = metrics.match(features, code(test.points[n]))
  seen = observe.Observation(None, None, None, targets, found, None, None)
  config.evaluation.distances = (4.0,)  # one pixel of 32
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, test, test, {}
  )
  records = score.acc_records(data, seen.match_errors(), targets)
  for layer in (1, 2, 3, 4):
    (share,) = selected(records, metric='acc', layer=layer)
    assert share.value == 1.0
  (curve,) = selected(records, metric='acc_curve', method='two_stage', layer=1)
  assert curve.value[4:] == [1.0] * 125
  assert curve.value[0] < 0.1


def test_across_records_by_hand():
  # Two images; the annotations of the first are a b c at rows 4, 8 and 12 of
  # 32, those of the second 1 pixel further down, c is missing there.
  points = np.zeros((2, 3, 2), np.float32) + 5
  points[0, :, 0], points[1, :, 0] = [4, 8, 12], [5, 9, np.nan]
  test = dataclasses.replace(split_of(2, 5), points=points)
  config = make_config()
  config.evaluation.distances, config.evaluation.layers = (4.0,), (1,)
  across = np.zeros((2, 4, 3, 2), np.float32) + 5
  # a is found in the second, b 2 pixels (8 of 128) off; in the first, a is 1
  # pixel off (4 of 128: within 4), b is found.
  across[0, 0, :, 0], across[1, 0, :, 0] = [5, 11, 0], [5, 8, 0]
  data = scored_data.collect('two_stage', config, DESCRIPTION, test, test, {})
  records = score.across_records(data, across)
  (share,) = selected(records, metric='across', point='all', layer=1)
  assert share.value == 3 / 4
  mean = value_of(records, metric='across_px', point='all')
  assert mean == (0 + 8 + 4 + 0) / 4
  assert value_of(records, metric='across_px', point='b') == 4.0
  assert value_of(records, metric='across_px', point='c') is None
  (floor,) = selected(records, metric='across', method='random')
  # A disc of 4 px about points that lie further than that from any edge.
  np.testing.assert_allclose(floor.value, np.pi * 16 / 128**2, rtol=1e-9)
  assert floor.count == 4


def test_samples_are_mean_and_deviation_over_draws(outcome):
  config, fit, test = make_config(), split_of(20, 3), split_of(6, 4)
  find = functools.partial(
      observe.find_landmarks, config, variables_of(config)
  )
  # In float64: how far off a fit in float32 is depends on who solves it.
  landmarks = find(test.images).astype(np.float64)
  expected = []
  for repeat in range(config.evaluation.repeats):
    draw = np.random.default_rng([5, repeat]).choice(20, 5, replace=False)
    x = find(fit.images[draw]).astype(np.float64)
    x = x.reshape(5, -1) / 32
    ridge = linear_model.Ridge(alpha=0.1, fit_intercept=False)
    ridge.fit(x, fit.points[draw].reshape(5, -1) / 32)
    found = ridge.predict(landmarks.reshape(6, -1) / 32).reshape(6, 3, 2) * 32
    expected.append(4 * np.linalg.norm(found - test.points, axis=-1).mean())
  records = selected(outcome.records, metric='samples_error_px')
  assert [r.protocol['fit_images'] for r in records] == [1, 5, 10]
  assert [r.fit_images for r in records] == [1, 5, 10]
  record = records[1]
  assert record.count == config.evaluation.repeats
  np.testing.assert_allclose(record.value, np.mean(expected), rtol=1e-4)
  np.testing.assert_allclose(
      record.std, np.std(expected, ddof=1), rtol=1e-3
  )


def test_more_samples_than_images_are_refused():
  config = make_config()
  config.evaluation.samples = (5, 21)
  with pytest.raises(errors.UserError, match='on 20 images'):
    score.samples(config.evaluation, 20)
  config.evaluation.samples = (5, 20)
  assert score.samples(config.evaluation, 20) == (5, 20)


def test_backward_error_by_the_closed_form(outcome):
  config, fit, test = make_config(), split_of(20, 3), split_of(6, 4)
  find = functools.partial(
      observe.find_landmarks, config, variables_of(config)
  )
  x = fit.points.reshape(20, -1).astype(np.float64) / 32
  y = find(fit.images).astype(np.float64) / 32
  weights = np.linalg.solve(
      x.T @ x + 0.1 * np.eye(6), x.T @ y.reshape(20, -1)
  )
  predicted = (test.points.reshape(6, -1) / 32 @ weights).reshape(6, 10, 2)
  found = find(test.images) / 32
  expected = 128 * np.linalg.norm(predicted - found, axis=-1)
  value = lambda metric, point: value_of(
      outcome.records, metric=metric, point=point
  )
  np.testing.assert_allclose(
      value('backward_px', 'all'), expected.mean(), rtol=1e-3
  )
  np.testing.assert_allclose(
      value('backward_px', 'landmark 7'), expected[:, 7].mean(), rtol=1e-3
  )
  # R^2: 1 - missed / moved, of one landmark and of all together.
  missed = ((predicted - found) ** 2).sum((0, 2))
  moved = ((found - found.mean(0)) ** 2).sum((0, 2))
  np.testing.assert_allclose(
      value('explained', 'landmark 7'), 1 - missed[7] / moved[7], rtol=1e-3
  )
  np.testing.assert_allclose(
      value('explained', 'all'), 1 - missed.sum() / moved.sum(), rtol=1e-3
  )


def test_missing_points_are_those_of_the_images_that_are_used():
  config, fit, test = make_config(), split_of(20, 3), split_of(6, 4)
  fit.points[:4, 1] = np.nan
  test.points[0, 2] = np.nan
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, fit, test, {}
  )
  landmarks = np.random.default_rng(0).uniform(0, 32, (26, 10, 2))
  first, second = landmarks[:20], landmarks[20:]
  fields = ('fit_images', 'images', 'missing_in_fit', 'missing_in_test')
  for records, expected in (
      (score.forward_records(data, test.points), (20, 6, 4, 1)),
      (score.sample_records(data, first, second), (1, 6, None, 1)),
      (score.backward_records(data, first, second), (16, 5, 0, 0)),
  ):
    protocol = records[0].protocol
    assert tuple(protocol[name] for name in fields) == expected
    assert records[0].fit_images == expected[0]


def test_count_is_how_many_values_a_figure_is_the_mean_of(outcome):
  copies = outcome.records[0].protocol['images'] * 2
  points = sum(
      r.count for r in selected(
          outcome.records, metric='acc', method='two_stage', layer=1, at=2.0
      )
  )
  expected = {
      'pck': 6 * 3, 'pck_original': 6 * 3, 'error_px': 6 * 3,
      'error_iod': 6 * 3, 'pck_curve': 6 * 3, 'acc': points,
      'acc_curve': points, 'samples_pck': 10, 'samples_error_px': 10,
      'samples_error_iod': 10, 'backward_px': 6 * 10,
      'equivariance_px': copies * 10, 'spread_px': 6 * 10, 'extent_px': 6,
      'alignment': 6, 'across': 6 * 3, 'across_px': 6 * 3, 'explained': 6,
  }
  found = {
      (r.metric, r.method): r.count
      for r in selected(outcome.records, point='all')
  }
  assert {m for m, _ in found} == {*expected}
  assert found == {(m, method): expected[m] for m, method in found}


def test_records_differ_in_fields_of_their_own(outcome):
  names = ('method', 'budget', 'metric', 'at', 'point', 'layer', 'fit_images')
  keys = [
      tuple(str(getattr(r, name)) for name in names) for r in outcome.records
  ]
  assert len({*keys}) == len(keys)
  fitted = {r.metric for r in outcome.records if r.fit_images is None}
  assert fitted == {
      'acc', 'acc_curve', 'equivariance_px', 'spread_px', 'extent_px',
      'alignment', 'across', 'across_px',
  }


def test_floors_know_nothing_of_a_training():
  training = {'epochs': [2, 4], 'budgets': ['steps', 'time']}
  test = split_of(6, 4)
  data = scored_data.collect(
      'end_to_end', make_config(), DESCRIPTION, split_of(20, 3), test, training
  )
  own, floor = (
      selected(score.forward_records(data, test.points), method=method)[0]
      for method in ('end_to_end', 'mean_shape')
  )
  assert (own.budget, own.protocol['epochs']) == ('steps', [2, 4])
  assert floor.budget is None
  assert (floor.protocol['epochs'], floor.protocol['budgets']) == (
      None, None
  )


def test_figures_carry_the_true_name_of_their_split():
  about = dataclasses.replace(
      DESCRIPTION, stage_split='train+unlabelled', test_split=''
  )
  for description, fit, split, number in (
      (DESCRIPTION, split_of(3, 3), 'test', 6),
      (dataclasses.replace(DESCRIPTION, test_split='mafl_test'), split_of(3, 3),
       'mafl_test', 6),
      (about, None, 'train+unlabelled', 0),
  ):
    data = scored_data.collect(
        'two_stage', make_config(), description, fit, split_of(6, 4), {}
    )
    moved, spreads = np.ones((6, 2, 1)), np.ones((6, 1))
    record = score.landmark_records(data, moved, spreads)[0]
    assert record.split == split
    protocol = record.protocol
    assert protocol['stage_split'] == description.stage_split
    assert protocol['fit_split'] == ('validation' if fit else None)
    assert (protocol['images'], protocol['test_images']) == (6, number)


def test_curves_pass_through_the_figures(outcome):
  for metric, wanted in (('pck', {}), ('acc', {'layer': 2})):
    (curve,) = selected(
        outcome.records, metric=f'{metric}_curve', method='two_stage', **wanted
    )
    for record in selected(
        outcome.records, metric=metric, method='two_stage', point='all',
        **wanted,
    ):
      at = curve.at.index(record.at)
      np.testing.assert_allclose(curve.value[at], record.value, atol=1e-6)
    assert curve.at[0] == 0.0
    assert curve.at[-1] == 128.0


def test_coinciding_eyes_are_left_out_and_counted():
  test = split_of(6, 4)
  test.points[2, 0] = test.points[2, 1]
  test.points[4, 0] = np.nan
  data = scored_data.collect(
      'two_stage', make_config(), DESCRIPTION, split_of(20, 3), test, {}
  )
  records = score.forward_records(data, test.points + 1.0)
  (record,) = selected(records, metric='error_iod', method='two_stage')
  assert record.protocol['images_without_eyes'] == 2
  between = np.linalg.norm(test.points[:, 0] - test.points[:, 1], axis=-1)
  kept = [0, 1, 3, 5]
  np.testing.assert_allclose(
      record.value, 100 * np.mean(2**0.5 / between[kept]), rtol=1e-5
  )


def test_collapse_records_by_hand():
  config, test = make_config(), split_of(3, 4)
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, None, test, {}
  )
  # Largest distances of 5, 0 and 1 pixels of 32: the median is 4 of 128.
  landmarks = np.array([
      [[1.0, 1.0], [4.0, 5.0]], [[2.0, 2.0], [2.0, 2.0]],
      [[9.0, 9.0], [9.0, 8.0]],
  ])  # fmt: skip
  directions = np.array([[0.6, 0.0], [0.6, 0.0], [0.0, 0.9]])
  extent, alignment = score.collapse_records(data, landmarks, directions)
  assert (extent.metric, extent.value) == ('extent_px', 4.0)
  assert extent.count == 3
  assert extent.protocol['over_images'] == 'median'
  # The mean is (0.4, 0.3).
  np.testing.assert_allclose(alignment.value, 0.5)
  alone, _ = score.collapse_records(data, landmarks[:, :1], directions)
  assert (alone.value, alone.count) == (None, 0)


def test_without_labels_there_are_figures_of_landmarks_only():
  config = make_config()
  found = observe.evaluate(
      'two_stage', config, variables_of(config), fit_split=None,
      test_split=split_of(5, 5), description=DESCRIPTION,
  )
  assert {r.metric for r in found.records} == {
      'equivariance_px', 'spread_px', 'extent_px', 'alignment'
  }
  assert found.arrays['landmarks'].shape == (5, 10, 2)
  assert found.arrays['predicted'].shape == (5, 0, 2)
