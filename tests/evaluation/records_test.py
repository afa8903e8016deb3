import numpy as np

from eqlandmarks.evaluation import records


def _record(value, seed, **fields):
  protocol = {'seed': seed, **fields.pop('protocol', {})}
  default = {'method': 'two_stage', 'metric': 'pck', 'at': 6.0}
  return records.Record(
      'lips', 'test', value=value, stderr=0.1, count=9, protocol=protocol,
      **(default | fields),
  )  # fmt: skip


def test_over_seeds_by_hand():
  merged = records.over_seeds(
      [[_record(0.5, 0)], [_record(0.7, 1)], [_record(0.9, 2)]]
  )
  (record,) = merged
  np.testing.assert_allclose(record.value, 0.7)
  np.testing.assert_allclose(record.std, 0.2)  # of a sample of three
  assert record.stderr is None
  assert record.count == 3 * 9
  assert record.protocol == {'seeds': [0, 1, 2]}


def test_what_seeds_differ_in_is_listed():
  best = lambda step: {'checkpoint': 'best', 'checkpoint_step': step}
  (record,) = records.over_seeds(
      [[_record(value, seed, protocol=best(step))]
       for value, seed, step in ((0.5, 3, 10), (0.7, 4, 5))]
  )
  assert record.protocol == {
      'seeds': [3, 4], 'checkpoint': 'best', 'checkpoint_step': [10, 5]
  }


def test_repeats_and_seeds_add_their_variances():
  (record,) = records.over_seeds(
      [[_record(1.0, 0, std=0.3)], [_record(1.0, 1, std=0.5)]]
  )
  np.testing.assert_allclose(record.std, np.sqrt((0.09 + 0.25) / 2))


def test_curves_are_merged_point_by_point():
  (record,) = records.over_seeds([
      [_record([0.0, 0.5], 0, at=[0, 1])], [_record([0.2, 0.7], 1, at=[0, 1])]
  ])
  np.testing.assert_allclose(record.value, [0.1, 0.6])
  np.testing.assert_allclose(record.std, 0.2 / np.sqrt(2))


def test_what_differs_stays_apart():
  run = lambda seed: [
      _record(0.1, seed), _record(0.2, seed, point='head'),
      _record(0.3, seed, protocol={'budgets': ['paper']}),
      _record(0.4, seed, metric='samples_pck', protocol={'fit_images': 5}),
      _record(0.5, seed, metric='samples_pck', protocol={'fit_images': 9}),
  ]
  merged = records.over_seeds([run(0), run(1)])
  np.testing.assert_allclose(
      [r.value for r in merged], [0.1, 0.2, 0.3, 0.4, 0.5]
  )


def test_single_landmarks_and_the_spread_of_floors_are_left_out():
  run = lambda seed: [
      _record(1.0, seed, metric='equivariance_px', point='landmark 3'),
      _record(2.0, seed, method='mean_shape'),
      # An annotation may be called like that.
      _record(3.0, seed, point='landmark 3'),
  ]
  floor, annotation = records.over_seeds([run(0), run(1)])
  assert (floor.method, floor.std) == ('mean_shape', None)
  # It is the same mean of the same values twice, not one of twice as many.
  assert (floor.value, floor.count) == (2.0, 9)
  assert (annotation.metric, annotation.value) == ('pck', 3.0)


def test_a_figure_that_one_seed_lacks_is_no_figure():
  (record,) = records.over_seeds([[_record(None, 0)], [_record(0.5, 1)]])
  assert (record.value, record.count) == (None, 0)


def test_select_looks_into_the_protocol_too():
  found = [_record(0.1, 0), _record(0.2, 1, protocol={'budgets': ['time']})]
  assert records.select(found, seed=1) == found[1:]
  assert records.select(found, metric='pck', budgets=None) == found[:1]


def test_json_holds_the_fields_that_are_documented_in_their_order():
  record = _record(0.5, 0, layer=2, protocol={'unit': 'px at 128'})
  content = record.to_json()
  assert list(content) == [
      'variant', 'epochs', 'seeds',
      'dataset', 'split', 'method', 'budget', 'metric', 'at', 'point', 'layer',
      'fit_images', 'value', 'std', 'stderr', 'count', 'protocol',
  ]
  assert records.from_json([content]) == [record]


def test_other_fields_leave_the_record_as_it_was():
  record = _record(0.5, 0)
  other = record.depending_on(seed=1, unit='px')
  assert other.protocol == {'seed': 1, 'unit': 'px'}
  assert record.protocol == {'seed': 0}
