import subprocess
import sys

import numpy as np
from PIL import Image

from eqlandmarks.report import figures
from eqlandmarks.report import tables


def _record(metric, method, value, **fields):
  protocol = {
      'num_landmarks': 3, 'image_size': 32, 'fit_images': 5, 'test_images': 4,
      'missing_in_fit': 0, 'missing_in_test': 1, 'seed': 0,
      'regression': {
          'alpha': 0.1, 'intercept': False, 'origin': 'corner', 'unit': 'px',
      },
  }
  default = {
      'dataset': 'cats', 'split': 'test', 'at': None, 'point': 'all',
      'layer': None, 'std': None, 'count': 7, 'protocol': protocol,
  }
  return default | {'metric': metric, 'method': method, 'value': value} | fields


def test_table_by_hand():
  table = tables.results_table([
      _record('pck', 'two_stage', 0.5, at=6.0),
      _record('pck', 'mean_shape', 0.25, at=6.0),
      _record('error_px', 'two_stage', 4.125),
      _record('error_iod', 'two_stage', None, count=0),
      _record('acc', 'two_stage', 0.875, at=5.0, layer=1),
      _record('acc', 'end_to_end', 0.5, at=10.0, layer=1),
  ])
  cells = [line.split() for line in table.splitlines()]
  assert ['all', '50.0', '25.0', '4.12', '-', '7'] in cells
  assert ['two_stage', 'layer', '1', '0.875'] in cells
  assert ['end_to_end', 'layer', '1', '0.500'] in cells
  assert 'alpha 0.1' in table
  assert '1 missing' in table


def _outcome(labels):
  rng = np.random.default_rng(0)
  points = rng.uniform(0, 32, (4, 2 if labels else 0, 2))
  return {
      'landmarks': rng.uniform(0, 32, (4, 3, 2)),
      'predicted': points + 1.0,
      'points': points,
  }


def test_sheets_show_a_landmark_in_its_colour_at_its_place(tmp_path):
  blue = np.array([10, 60, 120], np.uint8)  # like no letter's grey
  images = np.broadcast_to(blue, (1, 32, 32, 3))
  outcome = _outcome(labels=False)
  outcome['landmarks'] = np.array([[[8.0, 24.0]]])
  figures.draw_sheets(
      tmp_path, images=images, outcome=outcome, point_names=(), count=24
  )
  picture = np.asarray(Image.open(tmp_path / 'landmarks.png').convert('RGB'))
  colour = np.array(figures.landmark_style(0)['color']) * 255
  image = np.argwhere((picture == blue).all(-1))
  top, left = image.min(0)
  bottom, right = image.max(0)
  at = np.argwhere(np.abs(picture - colour).max(-1) < 3)
  at = at[at[:, 0] < bottom].mean(axis=0)  # the legend is below
  found = (at - [top, left]) / [bottom - top, right - left] * 32
  np.testing.assert_allclose(found, [8.0, 24.0], atol=0.5)
  assert not (tmp_path / 'predictions.png').exists()


def test_sheets_with_annotations_and_missing_points(tmp_path):
  images = np.zeros((4, 32, 32, 3), np.uint8)
  outcome = _outcome(labels=True)
  outcome['points'][0, 1] = np.nan
  figures.draw_sheets(
      tmp_path, images=images, outcome=outcome, point_names=('a', 'b'), count=2
  )
  assert Image.open(tmp_path / 'predictions.png').size[0] > 100


def test_loss_curves_of_stages_that_have_any(tmp_path):
  rows = [{'step': s, 'loss': 1.0 / s} for s in (1, 2, 3)]
  figures.draw_loss_curves(tmp_path / 'a.png', {'pretrain': rows, 'none': []})
  assert (tmp_path / 'a.png').exists()
  figures.draw_loss_curves(tmp_path / 'b.png', {'none': []})
  assert not (tmp_path / 'b.png').exists()


def test_the_report_needs_no_jax():
  code = (
      'import sys; from eqlandmarks.report import figures, tables; '
      "assert 'jax' not in sys.modules"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
