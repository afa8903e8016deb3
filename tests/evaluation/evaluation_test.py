import dataclasses
import functools

import double
import jax
import numpy as np
import pytest
from sklearn import linear_model

from configs import signer
from eqlandmarks import errors
from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import metrics
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import observe
from eqlandmarks.evaluation import score
from eqlandmarks.evaluation import scored_data
from eqlandmarks.training import devices as devices_lib

DESCRIPTION = examples.Description(
    point_names=('a', 'b', 'c'),
    groups={'ab': ['a', 'b']},
    eyes=('a', 'b'),
    stage_split='train',
    fit_split='validation',
    test_split='test',
)


def _split(count, seed):
  rng = np.random.default_rng(seed)
  return loader.Split(
      images=rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
      points=rng.uniform(4, 28, (count, 3, 2)).astype(np.float32),
      ids=tuple(str(i) for i in range(count)),
      original_sizes=np.tile([64, 96], (count, 1)),
  )


def _config():
  config = signer.get_config('tiny')
  config.dtype = 'float64' if jax.config.jax_enable_x64 else 'float32'
  config.evaluation.batch_size = 4
  config.evaluation.original_pck = 12.0
  return config


def _variables(config):
  variables = models.make_nets(config).init(jax.random.key(0))
  return double.of(variables) if config.dtype == 'float64' else variables


def _observe(config, split):
  return observe.observe(config, _variables(config), split)


@pytest.mark.x64
def test_results_do_not_depend_on_how_images_are_batched():
  split, found = _split(7, 0), []
  for batch_size in (1, 4, 7):
    config = _config()
    config.evaluation.batch_size = batch_size
    seen = _observe(config, split)
    found.append((seen.landmarks, seen.moved, seen.match_errors()))
  for other in found[1:]:
    for a, b in zip(found[0], other, strict=True):
      np.testing.assert_allclose(a, b, atol=1e-9)
  assert found[0][0].shape == (7, 10, 2)
  assert found[0][1].shape == (7, 2, 10)
  assert found[0][2].shape == (7, 2, len(models.LAYERS), 3)


@pytest.mark.x64
def test_without_a_warp_every_point_is_found_where_it_was():
  config = _config()
  config.evaluation.warp.rotation = config.evaluation.warp.elastic = 0.0
  split = _split(4, 1)
  # Points at pixel centres: the feature looked up is that of the pixel.
  split.points[:] = np.floor(split.points) + 0.5
  split.points[1, 2] = np.nan
  seen = _observe(config, split)
  errors = seen.match_errors().copy()
  assert np.isnan(errors[1, :, :, 2]).all()
  errors[1, :, :, 2] = 0.0
  np.testing.assert_allclose(errors[:, :, 0], 0.0, atol=1e-9)
  np.testing.assert_allclose(seen.moved, 0.0, atol=1e-9)


@pytest.mark.x64
def test_directions_by_a_plain_loop_over_pixels():
  config, split = _config(), _split(2, 9)
  nets = models.make_nets(config)
  features = nets.features.apply(
      _variables(config)['features'], split.images / 255.0
  )
  expected = np.zeros((2, 16 + 1))
  for n, pixels in enumerate(np.asarray(features).reshape(2, 32 * 32, 16)):
    for f in pixels:
      # Some pixels have no feature in an untrained net.
      one = [*f, 0.0] if f.any() else [0.0] * 16 + [1.0]
      expected[n] += one / np.linalg.norm(one) / (32 * 32)
  seen = _observe(config, split)
  np.testing.assert_allclose(seen.directions, expected, atol=1e-9)


def test_zero_and_huge_features_have_a_direction():
  # Three of the four pixels point the same way, (1, 1, 1, 1) / 2.
  features = jax.numpy.full((2, 2, 4), 1e30).at[0, 1].set(0.0)
  found = observe._direction(features)
  np.testing.assert_allclose(found, [0.375] * 4 + [0.25], rtol=1e-5)


def test_points_that_leave_the_image_are_masked_and_counted():
  config = _config()
  config.evaluation.warp.rotation = 90.0
  split = _split(8, 2)
  split.points[:, 0] = [0.5, 0.5]  # a corner turns out of most images
  split.points[3, 1] = np.nan
  seen = _observe(config, split)
  errors = seen.match_errors()
  masked = np.isnan(errors[:, :, 0])
  assert masked[:, :, 0].sum() > 0
  assert not masked[:, :, 2].all()
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, _split(4, 3), split, {}
  )
  records = score.acc_records(data, errors, seen.targets)
  protocol = records[0].protocol
  # Beside the two copies of the point that is missing.
  assert protocol['points_left_image'] == masked.sum() - 2
  assert records[0].count == 8 * 2 * 3 - masked.sum()


def test_points_that_never_were_inside_have_not_left():
  config = _config()
  split = _split(4, 2)
  split.points[:, 1] = [-3.0, 40.0]  # beside the crop, in all images
  split.points[0, 2] = np.nan
  targets = np.broadcast_to(split.points[:, None], (4, 2, 3, 2)).copy()
  targets[:, :, 1] = np.nan
  targets[2, 1, 0] = np.nan  # the only one that a warp has moved out
  data = scored_data.collect(
      'two_stage', config, DESCRIPTION, _split(4, 3), split, {}
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
      'two_stage', _config(), DESCRIPTION, None, _split(3, 4), {}
  )
  followed = _select(
      score.landmark_records(data, moved, np.ones((3, 2))),
      metric='equivariance_px',
  )
  assert [r.point for r in followed] == ['all', 'landmark 0', 'landmark 1']
  assert [r.count for r in followed] == [10, 6, 4]
  protocols = [r.protocol for r in followed]
  assert [p['points_left_image'] for p in protocols] == [2, 0, 2]
  assert [p['masked_share'] for p in protocols] == [2 / 12, 0.0, 2 / 6]
  assert protocols[0]['warp']['rotation'] == 20.0


@pytest.mark.x64
def test_warps_depend_on_the_place_in_the_split_alone():
  split, config = _split(5, 6), _config()
  first = _observe(config, split)
  config.seed, config.evaluation.warps_per_image = 7, 3
  second = _observe(config, split)
  np.testing.assert_allclose(second.targets[:, :2], first.targets, atol=1e-9)


@pytest.mark.x64
def test_own_equivariance_error_by_a_plain_loop():
  config, split = _config(), _split(2, 7)
  variables = _variables(config)
  seen = observe.observe(config, variables, split)
  copies = observe.warped_copies(config, split, np.arange(2))
  nets = models.make_nets(config)
  strengths = config.evaluation.warp.to_dict()
  border = strengths.pop('border')
  keys = jax.random.wrap_key_data(observe._warp_keys(2))
  for n in range(2):
    g = warps.random_warp(
        jax.random.fold_in(keys[n], 0), (32, 32), **strengths
    )
    x = jax.numpy.asarray(split.images[n] / 255.0)
    copy = warps.warp_image(g, x, border=border)
    np.testing.assert_allclose(255 * copy, copies[n], atol=0.51)
    f = nets.features.apply(variables['features'], copy[None])
    outputs = nets.landmarks.apply(variables['landmarks'], f)
    found = heatmaps.soft_argmax(outputs['heatmaps'][0])
    moved = np.asarray(g(seen.landmarks[n]))
    inside = ((moved >= 0) & (moved <= 32)).all(-1)
    expected = np.linalg.norm(found - moved, axis=-1)
    expected = np.where(inside, expected, np.nan)
    np.testing.assert_allclose(seen.moved[n, 0], expected, atol=1e-9)


@pytest.fixture(scope='module')
def outcome():
  config = _config()
  return observe.evaluate(
      'two_stage',
      config,
      _variables(config),
      fit_split=_split(20, 3),
      test_split=_split(6, 4),
      description=DESCRIPTION,
  )


def _value(records, **wanted):
  (record,) = [
      r for r in records
      if all(getattr(r, key) == v for key, v in wanted.items())
  ]
  return record.value


def test_mean_shape_by_hand(outcome):
  mean = _split(20, 3).points.mean(axis=0)
  # In pixels of a 128-pixel image: four times those of 32.
  distance = 4 * np.linalg.norm(_split(6, 4).points - mean, axis=-1)
  find = lambda metric, point: _value(
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
      (_split(6, 4).points - mean) * [2, 3], axis=-1
  )
  np.testing.assert_allclose(
      find('pck_original', 'all'), (original <= 12).mean(), 1e-5
  )
  eyes = _split(6, 4).points
  between = 4 * np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=-1)
  np.testing.assert_allclose(
      find('error_iod', 'all'), 100 * (distance / between[:, None]).mean(), 1e-5
  )


def test_predictions_and_records_agree(outcome):
  arrays = outcome.arrays
  errors = 4 * np.linalg.norm(arrays['predicted'] - arrays['points'], axis=-1)
  found = _value(
      outcome.records, method='two_stage', metric='error_px', point='all'
  )
  np.testing.assert_allclose(found, errors.mean(), rtol=1e-4)


def _select(records, **wanted):
  return [
      r for r in records if all(getattr(r, k) == v for k, v in wanted.items())
  ]


def test_acc_records_of_features_that_the_warp_carries():
  # Coordinates on a sphere, so that cosine similarity tells them apart, carried
  # by the warp: perfectly equivariant, up to the pixel.
  def code(points):
    return np.concatenate([np.cos(points / 32), np.sin(points / 32)], -1)

  config, test = _config(), _split(6, 8)
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
    assert _value(records, metric='acc', method='two_stage', layer=layer) == 1.0
  (curve,) = _select(records, metric='acc_curve', method='two_stage', layer=1)
  assert curve.value[4:] == [1.0] * 125
  assert curve.value[0] < 0.1


@pytest.mark.x64
def test_features_are_looked_for_in_the_next_image_of_the_split():
  config, split = _config(), _split(3, 5)
  variables, nets = _variables(config), models.make_nets(config)
  seen = observe.observe(config, variables, split)
  assert seen.across.shape == (3, len(models.LAYERS), 3, 2)
  outputs = models.apply(
      nets, variables, jax.numpy.asarray(split.images / 255.0)
  )
  for layer, name in enumerate(models.LAYERS):
    features = np.asarray(outputs[name], np.float64)
    for n in range(3):
      query = geometry.sample(features[n], split.points[n].astype(np.float64))
      other = features[(n + 1) % 3]
      norms = np.linalg.norm(other, axis=-1, keepdims=True)
      # Without any feature, a pixel is like nothing.
      cosine = np.where(
          norms > 0, other @ np.asarray(query).T / np.maximum(norms, 1e-9), -2
      )
      best = cosine.reshape(-1, 3).argmax(0)
      np.testing.assert_array_equal(
          seen.across[n, layer], np.stack(divmod(best, 32), -1) + 0.5
      )


def test_across_records_by_hand():
  # Two images; the annotations of the first are a b c at rows 4, 8 and 12 of
  # 32, those of the second 1 pixel further down, c is missing there.
  points = np.zeros((2, 3, 2), np.float32) + 5
  points[0, :, 0], points[1, :, 0] = [4, 8, 12], [5, 9, np.nan]
  test = dataclasses.replace(_split(2, 5), points=points)
  config = _config()
  config.evaluation.distances, config.evaluation.layers = (4.0,), (1,)
  across = np.zeros((2, 4, 3, 2), np.float32) + 5
  # a is found in the second, b 2 pixels (8 of 128) off; in the first, a is 1
  # pixel off (4 of 128: within 4), b is found.
  across[0, 0, :, 0], across[1, 0, :, 0] = [5, 11, 0], [5, 8, 0]
  data = scored_data.collect('two_stage', config, DESCRIPTION, test, test, {})
  records = score.across_records(data, across)
  assert _value(records, metric='across', point='all', method='two_stage') == (
      3 / 4
  )
  assert _value(records, metric='across_px', point='all') == (0 + 8 + 4 + 0) / 4
  assert _value(records, metric='across_px', point='b') == 4.0
  assert _value(records, metric='across_px', point='c') is None
  (floor,) = _select(records, metric='across', method='random')
  # A disc of 4 px about points that lie further than that from any edge.
  np.testing.assert_allclose(floor.value, np.pi * 16 / 128**2, rtol=1e-9)
  assert floor.count == 4


@pytest.mark.x64
def test_one_device_and_eight_see_the_same():
  config, split = _config(), _split(9, 6)
  config.evaluation.batch_size = 5
  eight = _observe(config, split)
  with devices_lib.using(jax.local_devices()[:1]):
    one = _observe(config, split)
  for field in dataclasses.fields(one):
    np.testing.assert_allclose(
        getattr(one, field.name), getattr(eight, field.name), atol=1e-9
    )


def test_samples_are_mean_and_deviation_over_draws(outcome):
  config, fit, test = _config(), _split(20, 3), _split(6, 4)
  find = functools.partial(
      observe.find_landmarks, config, _variables(config)
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
  records = _select(outcome.records, metric='samples_error_px')
  assert [r.protocol['fit_images'] for r in records] == [1, 5, 10]
  assert [r.fit_images for r in records] == [1, 5, 10]
  record = records[1]
  assert record.count == config.evaluation.repeats
  np.testing.assert_allclose(record.value, np.mean(expected), rtol=1e-4)
  np.testing.assert_allclose(
      record.std, np.std(expected, ddof=1), rtol=1e-3
  )


def test_more_samples_than_images_are_refused():
  config = _config()
  config.evaluation.samples = (5, 21)
  with pytest.raises(errors.UserError, match='on 20 images'):
    score.samples(config.evaluation, 20)
  config.evaluation.samples = (5, 20)
  assert score.samples(config.evaluation, 20) == (5, 20)


def test_backward_error_by_the_closed_form(outcome):
  config, fit, test = _config(), _split(20, 3), _split(6, 4)
  find = functools.partial(
      observe.find_landmarks, config, _variables(config)
  )
  x = fit.points.reshape(20, -1).astype(np.float64) / 32
  y = find(fit.images).astype(np.float64) / 32
  weights = np.linalg.solve(
      x.T @ x + 0.1 * np.eye(6), x.T @ y.reshape(20, -1)
  )
  predicted = (test.points.reshape(6, -1) / 32 @ weights).reshape(6, 10, 2)
  found = find(test.images) / 32
  expected = 128 * np.linalg.norm(predicted - found, axis=-1)
  find = lambda point: _value(
      outcome.records, metric='backward_px', point=point
  )
  np.testing.assert_allclose(find('all'), expected.mean(), rtol=1e-3)
  np.testing.assert_allclose(
      find('landmark 7'), expected[:, 7].mean(), rtol=1e-3
  )


def test_missing_points_are_those_of_the_images_that_are_used():
  config, fit, test = _config(), _split(20, 3), _split(6, 4)
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
      r.count for r in _select(
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
      for r in _select(outcome.records, point='all')
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
  test = _split(6, 4)
  data = scored_data.collect(
      'end_to_end', _config(), DESCRIPTION, _split(20, 3), test, training
  )
  own, floor = (
      _select(score.forward_records(data, test.points), method=method)[0]
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
      (DESCRIPTION, _split(3, 3), 'test', 6),
      (dataclasses.replace(DESCRIPTION, test_split='mafl_test'), _split(3, 3),
       'mafl_test', 6),
      (about, None, 'train+unlabelled', 0),
  ):
    data = scored_data.collect(
        'two_stage', _config(), description, fit, _split(6, 4), {}
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
    (curve,) = _select(
        outcome.records, metric=f'{metric}_curve', method='two_stage', **wanted
    )
    for record in _select(
        outcome.records, metric=metric, method='two_stage', point='all',
        **wanted,
    ):
      at = curve.at.index(record.at)
      np.testing.assert_allclose(curve.value[at], record.value, atol=1e-6)
    assert curve.at[0] == 0.0
    assert curve.at[-1] == 128.0


def test_coinciding_eyes_are_left_out_and_counted():
  test = _split(6, 4)
  test.points[2, 0] = test.points[2, 1]
  test.points[4, 0] = np.nan
  data = scored_data.collect(
      'two_stage', _config(), DESCRIPTION, _split(20, 3), test, {}
  )
  records = score.forward_records(data, test.points + 1.0)
  (record,) = _select(records, metric='error_iod', method='two_stage')
  assert record.protocol['images_without_eyes'] == 2
  between = np.linalg.norm(test.points[:, 0] - test.points[:, 1], axis=-1)
  kept = [0, 1, 3, 5]
  np.testing.assert_allclose(
      record.value, 100 * np.mean(2**0.5 / between[kept]), rtol=1e-5
  )


def test_collapse_records_by_hand():
  config, test = _config(), _split(3, 4)
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
  config = _config()
  found = observe.evaluate(
      'two_stage', config, _variables(config), fit_split=None,
      test_split=_split(5, 5), description=DESCRIPTION,
  )
  assert {r.metric for r in found.records} == {
      'equivariance_px', 'spread_px', 'extent_px', 'alignment'
  }
  assert found.arrays['landmarks'].shape == (5, 10, 2)
  assert found.arrays['predicted'].shape == (5, 0, 2)
