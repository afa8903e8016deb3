"""Tables, charts and pictures from records made by hand."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from report_fixtures import COMPARED
from report_fixtures import curve
from report_fixtures import outcome_of
from report_fixtures import record

from eqlandmarks.report import charts
from eqlandmarks.report import colours
from eqlandmarks.report import figures
from eqlandmarks.report import paper_tables
from eqlandmarks.report import published
from eqlandmarks.report import tables


def test_summary_by_hand():
  table = tables.summary([
      record('pck', 'two_stage', 0.5, at=6.0),
      record('pck', 'mean_shape', 0.25, at=6.0),
      record('error_px', 'two_stage', 4.125, std=0.5),
      record('error_iod', 'two_stage', None, count=0),
      record('acc', 'two_stage', 0.875, at=20.0, layer=1),
      record('acc', 'two_stage', 0.125, at=20.0, layer=2),
  ])
  assert table.columns == (
      'method', 'within 6 px, %', 'mean error, px', 'inter-ocular error, %',
      'Acc(20), layer 1',
  )
  assert table.rows == (
      ('two-stage', '50.0', '4.12 ± 0.50', '-', '0.875'),
      ('mean shape (floor)', '25.0', '', '', ''),
  )


def test_rows_of_a_comparison_say_how_long_they_trained():
  table = tables.summary(COMPARED)
  assert [row[0] for row in table.rows] == [
      'two-stage, 6 + 6 epochs', 'end-to-end, 6 epochs (epochs of stage 2)'
  ]
  assert 'Over 3 seeds: mean ± standard deviation' in table.note


def test_accuracy_and_protocol_by_hand():
  records = [
      record('acc', 'two_stage', 0.875, at=5.0, layer=1, stderr=0.02),
      record('acc', 'two_stage', 1.0, at=20.0, layer=1),
      record('acc', 'random', 0.25, at=5.0),
  ]
  table = tables.accuracy(records)
  assert table.rows == (
      ('two-stage, layer 1', '0.875 ± 0.020', '1.000'),
      ('random point (floor)', '0.250', '-'),
  )
  assert '3 points left the image and are masked (12.5 %)' in table.note
  assert ('ridge alpha', '0.1') in tables.protocol(records).rows
  assert ('warps of Acc(d)', '2 an image: rotation 20.0') in (
      tables.protocol(records).rows
  )
  assert 'two-stage, layer 1' in table.to_text()


def test_features_across_images_by_hand():
  table = tables.across([
      record('across', 'two_stage', 0.5, at=5.0, layer=1, stderr=0.02),
      record('across', 'two_stage', 0.75, at=10.0, layer=1),
      record('across', 'two_stage', 0.25, at=5.0, layer=1, point='nose'),
      record('across_px', 'two_stage', 9.125, layer=1),
      record('across', 'random', 0.125, at=5.0),
  ])
  assert table.columns[1:] == ('within 5 px', 'within 10 px', 'mean, px')
  assert table.rows == (
      ('two-stage, layer 1', '0.500 ± 0.020', '0.750', '9.12'),
      ('random point (floor)', '0.125', '-', '-'),
  )
  assert tables.across([record('pck', 'two_stage', 0.5, at=6.0)]) is None


def _trained(method, value, **protocol):
  return record('pck', method, value, at=6.0, split='mafl_test', protocol={
      'objective': {'pretrain': 'contrastive', 'discover': 'equivariance'},
      'pair': 'warped', 'negatives': 'batch', 'epochs': [2, 3],
      'stage_images': 64, 'checkpoint': 'last', 'checkpoint_metric': None,
      'warps': {'pretrain': {'zoom': 0.2, 'aspect': 0.0},
                'discover': {'rotation': 20.0}},
  } | protocol)  # fmt: skip


def test_the_protocol_says_how_methods_were_trained():
  rows = dict(tables.protocol([
      _trained('two_stage', 0.5, checkpoint='best', checkpoint_metric='loss',
               checkpoint_step=[10, 12], steps=16),
      _trained('end_to_end', 0.4, epochs=[0, 4], negatives=None,
               objective={'discover': 'equivariance'},
               warps={'discover': {'rotation': 20.0}}),
      _trained('mean_shape', 0.1),
  ]).rows)  # fmt: skip
  assert rows['dataset, split'] == 'cats, mafl_test'
  assert rows['measured on'] == 'split mafl_test: 4 images (1 points missing)'
  assert rows['regressor fitted on'] == (
      'split validation: 5 images (0 points missing)'
  )
  assert rows['trained on'] == 'split train: 64 images'
  assert rows['pairs of images'] == 'warped'
  assert rows['warps of stage 2'] == 'rotation 20.0'
  # What methods differ in has a row for each.
  for what, two_stage, end_to_end in (
      ('epochs of the stages', '2 + 3', '4, no stage 1'),
      ('negatives of stage 1', 'batch', '-'),
      ('objective', 'contrastive, then equivariance', 'equivariance'),
      ('warps of stage 1', 'zoom 0.2', '-'),
      ('checkpoint', 'best (lowest loss): step 10, 12 of 16', 'last'),
  ):
    assert rows[f'{what}: two-stage'] == two_stage
    assert rows[f'{what}: end-to-end'] == end_to_end
    assert not any('mean shape' in name for name in rows)


def test_the_protocol_of_a_run_without_labels():
  rows = dict(tables.protocol([
      record('equivariance_px', 'two_stage', 1.0, split='unlabelled', protocol={
          'fit_images': 0, 'fit_split': None, 'test_images': 0, 'images': 24,
          'missing_in_test': 0,
      }),
  ]).rows)  # fmt: skip
  assert rows['regressor fitted on'] == 'nothing'
  assert rows['measured on'] == (
      'split unlabelled: 24 images (0 points missing)'
  )
  assert rows['landmarks that these moved out, masked'] == '12.5 %'


def test_sample_table_by_hand():
  few = lambda n, value, std: record(
      'samples_pck', 'two_stage', value, at=6.0, std=std,
      protocol={'fit_images': n, 'repeats': 10},
  )
  table = tables.sample_efficiency([
      few(5, 0.25, 0.1), few(1, 0.125, 0.2),
      record('pck', 'two_stage', 0.5, at=6.0, protocol={'fit_images': 90}),
  ])
  assert table.rows == (
      ('1', '12.5 ± 20.0'), ('5', '25.0 ± 10.0'), ('90 (all)', '50.0')
  )


def test_landmarks_stand_in_the_order_of_their_reliability():
  own = lambda k, value: record(
      'equivariance_px', 'two_stage', value, point=f'landmark {k}'
  )
  table = tables.landmarks([
      record('equivariance_px', 'two_stage', 1.0), own(0, 2.0), own(1, None),
      own(2, 0.5),
      record('backward_px', 'two_stage', 3.0, point='landmark 2'),
  ])
  assert [row[:3] for row in table.rows] == [
      ('2', '0.50', '3.00'), ('0', '2.00', '-'), ('1', '-', '-')
  ]


def test_partial_data_stand_beside_no_published_figures():
  records = [
      record('error_iod', 'two_stage', 8.0, dataset='cat_head', protocol={
          'num_landmarks': 10, 'data': {'crop': 'head', 'partial': '40 images'},
      }),
      record('error_iod', 'mean_shape', 9.0, dataset='cat_head', protocol={
          'num_landmarks': 10, 'data': {'crop': 'head', 'partial': '40 images'},
      }),
  ]  # fmt: skip
  table, ablation = paper_tables.paper_tables(records)
  assert table.name == 'table3'
  assert ablation.rows[2] == (
      'Paper, pre-training (published, whole dataset)', '14.74', '13.80'
  )
  assert table.columns == ('method', 'K = 10', 'K = 20')
  assert table.rows[1][:2] == (
      'Zhang et al. 2018 (published, whole dataset)', '15.35'
  )
  assert 'PARTIAL DATA: the run itself had 40 images' in table.note
  whole = [r.depending_on(data={}) for r in records]
  table, _ = paper_tables.paper_tables(whole)
  assert table.rows[1][0] == 'Zhang et al. 2018 (published)'
  assert table.note == (
      'Published figures: on Cat Head, as quoted in the paper.'
  )


def test_a_split_of_our_own_is_no_comparison():
  data = {'differs': 'a split and a crop of our own'}
  records = [
      record('error_iod', 'two_stage', 8.0, dataset='cat_head',
              protocol={'data': data}),
  ]  # fmt: skip
  table, _ = paper_tables.paper_tables(records)
  assert table.rows[0][0] == 'Thewlis et al. 2017b (published, other data)'
  assert table.note.endswith(
      'the run has a split and a crop of our own: no comparison.'
  )


def test_the_protocol_says_how_the_data_were_read():
  data = {'crop': 'dve', 'stage_rule': 'lmdis, 161962 images'}
  records = [record('pck', 'two_stage', 0.5, at=6, protocol={'data': data})]
  rows = dict(tables.protocol(records).rows)
  assert rows['crop'] == 'dve'
  assert rows['stage rule'] == 'lmdis, 161962 images'


def test_table_1_marks_what_was_published_on_other_images():
  table, ablation = paper_tables.paper_tables(COMPARED)
  assert table.columns == (
      'method', 'Head', 'Wrist', 'Elbow', 'Shoulder', 'Avg.'
  )
  # The paper's two blocks, of five and of two.
  headings = [i for i in table.published if not any(table.rows[i][1:])]
  assert [(i, table.rows[i][0]) for i in headings] == [
      (0, 'Supervised'), (6, 'Unsupervised')
  ]
  for position in set(table.published) - set(headings):
    assert table.rows[position][0].endswith('(published, other images)')
  assert ('Paper (published, other images)', '99.4', '33.5', '78.3', '93.5',
          '72.9') in table.rows
  own = table.rows[len(table.published)]
  assert own == ('two-stage, 6 + 6 epochs', '90.0 ± 1.0', '20.0 ± 1.0',
                 '40.0 ± 1.0', '80.0 ± 1.0', '50.0 ± 1.0')
  assert [row[0] for row in ablation.rows[2:]] == [
      'two-stage, 6 + 6 epochs', 'end-to-end, 6 epochs (epochs of stage 2)'
  ]
  # Within another distance there is nothing to set beside published shares.
  wider = [r.replace(at=10.0) for r in COMPARED]
  assert paper_tables.paper_tables(wider) == []
  same = [r.replace(dataset='bbc_pose') for r in COMPARED]
  assert ('Paper (published)', '99.4', '33.5', '78.3', '93.5', '72.9') in (
      paper_tables.paper_tables(same)[0].rows
  )


def test_tables_3_and_4_have_a_column_for_the_runs_own_k():
  records = [
      record('error_iod', 'two_stage', 15.5),
      record('samples_error_iod', 'two_stage', 20.5, std=1.5,
              protocol={'fit_images': 2, 'repeats': 10}),
  ]
  cats, faces, few = paper_tables.paper_tables(records)
  assert few.columns[1:] == (
      'Jakab et al. 2018 (published, other images)',
      'Paper (published, other images)', 'two-stage',
  )
  assert few.rows[0] == ('1', '12.89 ± 3.2', '11.12 ± 2.1', '')
  assert few.rows[1] == ('2', '', '', '20.50 ± 1.50')
  assert cats.columns == ('method', 'K = 10', 'K = 20', 'K = 3')
  assert cats.rows[-2:] == (
      ('two-stage, 2 images', '', '', '20.50 ± 1.50'),
      ('two-stage, 5 images', '', '', '15.50'),
  )
  assert faces.rows[-1] == ('two-stage', '', '', '', '15.50')
  head = [r.replace(dataset='cat_head') for r in records]
  assert [t.name for t in paper_tables.paper_tables(head)] == [
      'table3', 'table6'
  ]


def test_published_averages_are_those_of_the_seven_joints():
  # Both wrists, elbows and shoulders count: a check of our typing.
  for quoted in (published.BBC_SUPERVISED, published.BBC_UNSUPERVISED):
    for head, wrists, elbows, shoulders, average in quoted.values():
      mean = (head + 2 * (wrists + elbows + shoulders)) / 7
      assert average == pytest.approx(mean, abs=0.11)


def test_charts_hold_the_curves_of_all_methods():
  records = [
      curve('acc_curve', 'two_stage', [0.0, 0.9], layer=1, std=[0.0, 0.1]),
      curve('acc_curve', 'two_stage', [0.0, 0.8], layer=2),
      curve('acc_curve', 'random', [0.0, 0.1]),
      curve('pck_curve', 'two_stage', [0.0, 0.5]),
      curve('pck_curve', 'mean_shape', [0.0, 0.2]),
  ]
  first, layers, found = charts.from_records(records)
  assert [s.label for s in first.series] == [
      'two-stage', 'random point (floor)'
  ]
  assert first.series[0].y == (0.0, 0.9)
  assert first.series[0].spread == (0.0, 0.1)
  assert [s.label for s in layers.series] == [
      'layer 1', 'layer 2', 'random point'
  ]
  assert found.name == 'accuracy_curve'


def test_charts_are_drawn_in_three_formats(tmp_path):
  line = charts.Series('a', (1.0, 10.0), (0.1, 0.9), (0.0, 0.1), '#0072B2')
  chart = charts.Chart('c', 'C', 'x', 'y', (line,), x_log=True)
  figures.draw_chart(tmp_path, chart, 'split: test\nseeds: 0, 1')
  assert Image.open(tmp_path / 'c.png').size[0] > 400
  assert (tmp_path / 'c.svg').read_text().startswith('<?xml')
  assert (tmp_path / 'c.pdf').read_bytes().startswith(b'%PDF')
  # What it depends on goes with the picture.
  description = Image.open(tmp_path / 'c.png').text['Description']
  assert description == 'split: test\nseeds: 0, 1'
  assert 'seeds: 0, 1' in (tmp_path / 'c.svg').read_text()
  assert b'seeds: 0, 1' in (tmp_path / 'c.pdf').read_bytes()


def test_sheets_show_a_landmark_in_its_colour_at_its_place(tmp_path):
  blue = np.array([10, 60, 120], np.uint8)  # like no letter's grey
  images = np.broadcast_to(blue, (1, 32, 32, 3))
  outcome = outcome_of(labels=False)
  outcome['landmarks'] = np.array([[[8.0, 24.0]]])
  figures.draw_method(
      tmp_path, images=images, outcome=outcome, point_names=(), count=24
  )
  picture = np.asarray(Image.open(tmp_path / 'landmarks.png').convert('RGB'))
  colour = np.array(colours.landmark_style(0)['color']) * 255
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
  outcome = outcome_of(labels=True)
  outcome['points'][0, 1] = np.nan
  figures.draw_method(
      tmp_path, images=images, outcome=outcome, point_names=('a', 'b'), count=2
  )
  assert Image.open(tmp_path / 'predictions.png').size[0] > 100


def test_loss_chart_by_hand():
  rows = [{'step': s, 'loss': 1.0 / s, 'variance': 2.0} for s in (1.0, 2.0)]
  chart = charts.losses('pretrain', rows)
  assert [(s.label, s.y) for s in chart.series] == [
      ('loss', (1.0, 0.5)), ('variance', (2.0, 2.0))
  ]


def test_the_report_needs_no_jax():
  code = (
      'import sys; from eqlandmarks.report import figures, page, paper_tables; '
      "assert 'jax' not in sys.modules"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
