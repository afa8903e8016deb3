"""Records made by hand, and a page of them."""

import numpy as np

from eqlandmarks.evaluation.records import Record
from eqlandmarks.report import charts
from eqlandmarks.report import page
from eqlandmarks.report import tables


def record(metric, method, value, **fields):
  protocol = {
      'num_landmarks': 3, 'image_size': 32, 'fit_images': 5, 'test_images': 4,
      'images': 4, 'fit_split': 'validation', 'stage_split': 'train',
      'missing_in_fit': 0, 'missing_in_test': 1, 'seed': 0,
      'resize': 'squashed to a square', 'weights': {'diversity': 5.0},
      'regression': {
          'alpha': 0.1, 'intercept': False, 'origin': 'corner', 'unit': 'px',
      },
      'warps_per_image': 2, 'points_left_image': 3, 'masked_share': 0.125,
      'learning_rate': 1e-3, 'warp': {'rotation': 20.0, 'zoom': 0.0},
  } | fields.pop('protocol', {})
  default = {'dataset': 'cats', 'split': 'test', 'count': 7}
  return Record(
      metric=metric, method=method, value=value, protocol=protocol,
      **(default | fields),
  )  # fmt: skip


def joints(method, values, **fields):
  names = ('head', 'wrists', 'elbows', 'shoulders', 'all')
  return [
      record('pck', method, value, at=6.0, point=name, **fields)
      for name, value in zip(names, values, strict=True)
  ]


COMPARED = [
    *joints(
        'two_stage', (0.9, 0.2, 0.4, 0.8, 0.5), std=0.01,
        protocol={'budgets': ['paper', 'steps', 'time'], 'epochs': [6, 6],
                  'seeds': [0, 1, 2]},
    ),
    *joints(
        'end_to_end', (0.7, 0.1, 0.3, 0.6, 0.4), std=0.02,
        protocol={'budgets': ['paper'], 'epochs': [0, 6], 'seeds': [0, 1, 2]},
    ),
]  # fmt: skip
# As long as a label gets.
LONG = 'two-stage, F unfrozen, 6 + 6 epochs (epochs of stage 2, equal steps)'


def curve(metric, method, values, **fields):
  return record(metric, method, values, at=[0.0, 1.0], **fields)


def outcome_of(labels):
  rng = np.random.default_rng(0)
  count = 2 if labels else 0
  points = rng.uniform(0, 32, (4, count, 2))
  truth = rng.uniform(0, 32, (2, count, 2))
  truth[0, 1:] = np.nan
  return {
      'ids': np.array(['<b>a</b>.png', 'b', 'c', 'd']),
      'landmarks': rng.uniform(0, 32, (4, 3, 2)),
      'predicted': points + 1.0,
      'points': points,
      'pair_rows': np.array([0, 3]),
      'pair_images': rng.integers(0, 256, (2, 32, 32, 3), np.uint8),
      'pair_truth': truth,
      'pair_found': rng.uniform(0, 32, (2, 4, count, 2)),
  }


def whole_page(**fields):
  rng = np.random.default_rng(0)
  outcome = outcome_of(labels=True)
  own = lambda k, value: record(
      'equivariance_px', 'two_stage', value, point=f'landmark {k}'
  )
  ranked = tables.landmarks([own(0, 2.0), own(1, 1.0), own(2, 3.0)])
  other = tables.landmarks([own(0, 1.0), own(1, 2.0), own(2, 3.0)])
  records = [
      *COMPARED,
      curve('acc_curve', 'two_stage', [0.0, 0.9], layer=1, std=[0.0, 0.1]),
      curve('acc_curve', 'random', [0.0, 0.1]),
      curve('pck_curve', 'two_stage', [0.0, 0.5]),
  ]
  values = {
      'title': 'Landmarks of <script>alert(1)</script>',
      'tables': [tables.protocol(records), tables.summary(COMPARED)],
      'charts': charts.from_records(records),
      'methods': [
          page.Method('two_stage', LONG, outcome, ranked),
          page.Method('end_to_end', 'end-to-end', outcome, other),
      ],
      'images': rng.integers(0, 256, (4, 32, 32, 3), np.uint8),
      'point_names': ('nose</script>', 'tail'),
      'num_images': 3,
      'warnings': ['few images'],
  }
  return page.Page(**(values | fields))
