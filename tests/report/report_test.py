"""Tables, charts and pictures from records made by hand."""

import csv
import io
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from eqlandmarks.report import charts
from eqlandmarks.report import figures
from eqlandmarks.report import page
from eqlandmarks.report import paper_tables
from eqlandmarks.report import published
from eqlandmarks.report import tables


def _record(metric, method, value, **fields):
  protocol = {
      'num_landmarks': 3, 'image_size': 32, 'fit_images': 5, 'test_images': 4,
      'missing_in_fit': 0, 'missing_in_test': 1, 'seed': 0,
      'resize': 'squashed to a square', 'weights': {'diversity': 5.0},
      'regression': {
          'alpha': 0.1, 'intercept': False, 'origin': 'corner', 'unit': 'px',
      },
      'warps_per_image': 2, 'points_left_image': 3, 'masked_share': 0.125,
      'learning_rate': 1e-3, 'warp': {'rotation': 20.0, 'zoom': 0.0},
  } | fields.pop('protocol', {})
  default = {
      'dataset': 'cats', 'split': 'test', 'at': None, 'point': 'all',
      'layer': None, 'std': None, 'stderr': None, 'count': 7,
      'protocol': protocol,
  }
  return default | {'metric': metric, 'method': method, 'value': value} | fields


def _joints(method, values, **fields):
  names = ('head', 'wrists', 'elbows', 'shoulders', 'all')
  return [
      _record('pck', method, value, at=6.0, point=name, **fields)
      for name, value in zip(names, values, strict=True)
  ]


COMPARED = [
    *_joints(
        'two_stage', (0.9, 0.2, 0.4, 0.8, 0.5), std=0.01,
        protocol={'budgets': ['paper', 'steps', 'time'], 'epochs': [6, 6],
                  'seeds': [0, 1, 2]},
    ),
    *_joints(
        'end_to_end', (0.7, 0.1, 0.3, 0.6, 0.4), std=0.02,
        protocol={'budgets': ['paper'], 'epochs': [0, 6], 'seeds': [0, 1, 2]},
    ),
]  # fmt: skip


# As long as a label gets.
LONG = 'two-stage, F unfrozen, 6 + 6 epochs (epochs of stage 2, equal steps)'


def test_summary_by_hand():
  table = tables.summary([
      _record('pck', 'two_stage', 0.5, at=6.0),
      _record('pck', 'mean_shape', 0.25, at=6.0),
      _record('error_px', 'two_stage', 4.125, std=0.5),
      _record('error_iod', 'two_stage', None, count=0),
      _record('acc', 'two_stage', 0.875, at=20.0, layer=1),
      _record('acc', 'two_stage', 0.125, at=20.0, layer=2),
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
      _record('acc', 'two_stage', 0.875, at=5.0, layer=1, stderr=0.02),
      _record('acc', 'two_stage', 1.0, at=20.0, layer=1),
      _record('acc', 'random', 0.25, at=5.0),
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


def test_sample_table_by_hand():
  few = lambda n, value, std: _record(
      'samples_pck', 'two_stage', value, at=6.0, std=std,
      protocol={'fit_images': n, 'repeats': 10},
  )
  table = tables.sample_efficiency([
      few(5, 0.25, 0.1), few(1, 0.125, 0.2),
      _record('pck', 'two_stage', 0.5, at=6.0, protocol={'fit_images': 90}),
  ])
  assert table.rows == (
      ('1', '12.5 ± 20.0'), ('5', '25.0 ± 10.0'), ('90 (all)', '50.0')
  )


def test_landmarks_stand_in_the_order_of_their_reliability():
  own = lambda k, value: _record(
      'equivariance_px', 'two_stage', value, point=f'landmark {k}'
  )
  table = tables.landmarks([
      _record('equivariance_px', 'two_stage', 1.0), own(0, 2.0), own(1, None),
      own(2, 0.5),
      _record('backward_px', 'two_stage', 3.0, point='landmark 2'),
  ])
  assert [row[:3] for row in table.rows] == [
      ('2', '0.50', '3.00'), ('0', '2.00', '-'), ('1', '-', '-')
  ]


def test_partial_data_stand_beside_no_published_figures():
  records = [
      _record('error_iod', 'two_stage', 8.0, dataset='cat_head', protocol={
          'num_landmarks': 10, 'data': {'crop': 'head', 'partial': '40 images'},
      }),
      _record('error_iod', 'mean_shape', 9.0, dataset='cat_head', protocol={
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
  whole = [r | {'protocol': r['protocol'] | {'data': {}}} for r in records]
  table, _ = paper_tables.paper_tables(whole)
  assert table.rows[1][0] == 'Zhang et al. 2018 (published)'
  assert table.note == (
      'Published figures: on Cat Head, as quoted in the paper.'
  )


def test_a_split_of_our_own_is_no_comparison():
  data = {'differs': 'a split and a crop of our own'}
  records = [
      _record('error_iod', 'two_stage', 8.0, dataset='cat_head',
              protocol={'data': data}),
  ]  # fmt: skip
  table, _ = paper_tables.paper_tables(records)
  assert table.rows[0][0] == 'Thewlis et al. 2017b (published, other data)'
  assert table.note.endswith(
      'the run has a split and a crop of our own: no comparison.'
  )


def test_the_protocol_says_how_the_data_were_read():
  data = {'crop': 'dve', 'stage_rule': 'lmdis, 161962 images'}
  records = [_record('pck', 'two_stage', 0.5, at=6, protocol={'data': data})]
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
  wider = [r | {'at': 10.0} for r in COMPARED]
  assert paper_tables.paper_tables(wider) == []
  same = [r | {'dataset': 'bbc_pose'} for r in COMPARED]
  assert ('Paper (published)', '99.4', '33.5', '78.3', '93.5', '72.9') in (
      paper_tables.paper_tables(same)[0].rows
  )


def test_tables_3_and_4_have_a_column_for_the_runs_own_k():
  records = [
      _record('error_iod', 'two_stage', 15.5),
      _record('samples_error_iod', 'two_stage', 20.5, std=1.5,
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
  head = [r | {'dataset': 'cat_head'} for r in records]
  assert [t.name for t in paper_tables.paper_tables(head)] == [
      'table3', 'table6'
  ]


def test_published_averages_are_those_of_the_seven_joints():
  # Both wrists, elbows and shoulders count: a check of our typing.
  for quoted in (published.BBC_SUPERVISED, published.BBC_UNSUPERVISED):
    for head, wrists, elbows, shoulders, average in quoted.values():
      mean = (head + 2 * (wrists + elbows + shoulders)) / 7
      assert average == pytest.approx(mean, abs=0.11)


def _curve(metric, method, values, **fields):
  return _record(metric, method, values, at=[0.0, 1.0], **fields)


def test_charts_hold_the_curves_of_all_methods():
  records = [
      _curve('acc_curve', 'two_stage', [0.0, 0.9], layer=1, std=[0.0, 0.1]),
      _curve('acc_curve', 'two_stage', [0.0, 0.8], layer=2),
      _curve('acc_curve', 'random', [0.0, 0.1]),
      _curve('pck_curve', 'two_stage', [0.0, 0.5]),
      _curve('pck_curve', 'mean_shape', [0.0, 0.2]),
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
  figures.draw_chart(tmp_path, chart)
  assert Image.open(tmp_path / 'c.png').size[0] > 400
  assert (tmp_path / 'c.svg').read_text().startswith('<?xml')
  assert (tmp_path / 'c.pdf').read_bytes().startswith(b'%PDF')


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


def test_loss_chart_by_hand():
  rows = [{'step': s, 'loss': 1.0 / s, 'variance': 2.0} for s in (1.0, 2.0)]
  chart = charts.losses('pretrain', rows)
  assert [(s.label, s.y) for s in chart.series] == [
      ('loss', (1.0, 0.5)), ('variance', (2.0, 2.0))
  ]


def _page(**fields):
  rng = np.random.default_rng(0)
  outcome = _outcome(labels=True) | {
      'ids': np.array(['<b>a</b>.png', 'b', 'c', 'd']),
      'pair_rows': np.array([0, 3]),
      'pair_images': rng.integers(0, 256, (2, 32, 32, 3), np.uint8),
      'pair_truth': rng.uniform(0, 32, (2, 2, 2)),
      'pair_found': rng.uniform(0, 32, (2, 4, 2, 2)),
  }
  outcome['pair_truth'][0, 1] = np.nan
  own = lambda k, value: _record(
      'equivariance_px', 'two_stage', value, point=f'landmark {k}'
  )
  ranked = tables.landmarks([own(0, 2.0), own(1, 1.0), own(2, 3.0)])
  other = tables.landmarks([own(0, 1.0), own(1, 2.0), own(2, 3.0)])
  records = [
      *COMPARED,
      _curve('acc_curve', 'two_stage', [0.0, 0.9], layer=1, std=[0.0, 0.1]),
      _curve('pck_curve', 'two_stage', [0.0, 0.5]),
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


def test_page_escapes_names_and_needs_no_network():
  html = page.render(_page())
  assert 'alert(1)</script>' not in html
  assert 'nose</script>' not in html
  assert '<b>a</b>' not in html
  # Nothing is loaded: no source, style or font from elsewhere.
  ours = re.sub(r'<script>.*?</script>', '', html, flags=re.DOTALL)
  assert not re.findall(r'(?:src|href)=["\']?https?:', ours)


def test_what_has_collapsed_stands_first_and_escaped():
  signs = {'two-stage, <i>K</i>': ['a < b'], 'end-to-end': ['c', 'd']}
  html = page.render(_page(collapsed=signs))
  main = html[html.index('<main>') : html.index('few images')]
  assert main.count('class="warning collapsed"') == 2
  assert 'Collapsed: two-stage, &lt;i&gt;K&lt;/i&gt;' in main
  assert '<li>a &lt; b</li>' in main
  assert main.index('<li>c</li>') < main.index('<li>d</li>')
  assert '"warning collapsed"' not in page.render(_page())


@pytest.fixture(scope='module')
def browser():
  """The system's Chromium; its own downloads are not asked for."""
  sync_api = pytest.importorskip('playwright.sync_api')
  path = next(
      filter(None, map(shutil.which, ('chromium', 'google-chrome'))), None
  )
  if path is None:
    pytest.skip('no chromium or google-chrome is installed')
  with sync_api.sync_playwright() as playwright:
    started = playwright.chromium.launch(
        executable_path=path,
        args=[
            '--no-sandbox', '--disable-gpu', '--disable-background-networking'
        ],
    )  # fmt: skip
    yield started
    started.close()


@pytest.fixture
def opened(browser, tmp_path):
  """The page opened from disk, with what its console said."""
  page.write(tmp_path / 'report.html', _page())
  context = browser.new_context(viewport={'width': 1200, 'height': 900})
  tab, said = context.new_page(), []
  tab.on('console', lambda m: m.type == 'error' and said.append(m.text))
  tab.on('pageerror', lambda error: said.append(str(error)))
  tab.on('request', lambda r: r.url.startswith('http') and said.append(r.url))
  tab.goto((tmp_path / 'report.html').as_uri())
  tab.wait_for_selector('html[data-ready=true]')
  yield tab
  assert said == []
  context.close()


def test_hover_marks_a_landmark_in_all_images(opened):
  opened.hover('.landmark-table:not([hidden]) tr[data-k="1"] td')
  assert opened.locator('#sheet .mark.on').count() == 3
  assert opened.locator('#sheet .mark.on[data-k="1"]').count() == 3
  opened.locator('#sheet .mark[data-k="2"]').first.hover(force=True)
  assert opened.locator('#sheet .mark.on[data-k="2"]').count() == 3


def test_switches_hide_landmarks(opened):
  opened.locator('.landmark-table:not([hidden]) tr[data-k="0"] input').uncheck()
  assert opened.locator('#sheet .mark:visible').count() == 3 * 2
  opened.click('#all-off')
  assert opened.locator('#sheet .mark:visible').count() == 0
  # Only the best: landmark 1, by the table's order.
  opened.locator('#best').fill('1')
  assert opened.locator('#sheet .mark[data-k="1"]:visible').count() == 3
  assert opened.locator('#sheet .mark:visible').count() == 3


def test_landmarks_are_sorted_by_a_click_on_a_heading(opened):
  order = lambda: [
      int(row.get_attribute('data-k')) for row in
      opened.locator('.landmark-table:not([hidden]) tr[data-k]').all()
  ]
  assert order() == [1, 0, 2]
  head = '.landmark-table:not([hidden]) thead th:nth-child(2) button'
  opened.click(head)
  assert order() == [1, 0, 2]
  opened.click(head)
  assert order() == [2, 0, 1]


def test_tables_are_copied_in_three_forms(opened):
  copied = {}
  for form in ('Markdown', 'CSV', 'LaTeX'):
    button = opened.locator(f'#table-summary [data-form={form}]')
    button.click()
    opened.wait_for_function(
        "b => b.dataset.copied !== undefined", arg=button.element_handle()
    )
    copied[form] = button.get_attribute('data-copied')
  table = tables.summary(COMPARED)
  rows = list(csv.reader(io.StringIO(copied['CSV'])))
  assert rows == [list(table.columns), *map(list, table.rows)]
  lines = copied['Markdown'].splitlines()
  assert lines[2] == '| ' + ' | '.join(table.rows[0]) + ' |'
  assert '\\%' in copied['LaTeX']
  assert '50.0 $\\pm$ 1.0' in copied['LaTeX']


def test_page_works_by_keyboard_in_the_dark_and_on_a_phone(opened):
  opened.locator(
      '.landmark-table:not([hidden]) tr[data-k="2"] button.row'
  ).focus()
  assert opened.locator('#sheet .mark.on[data-k="2"]').count() == 3
  opened.keyboard.press('Enter')
  opened.locator('#theme').focus()
  # Pinned: it stays marked.
  assert opened.locator('#sheet .mark.on[data-k="2"]').count() == 3
  before = opened.evaluate('getComputedStyle(document.body).backgroundColor')
  opened.keyboard.press('Enter')
  after = opened.evaluate('getComputedStyle(document.body).backgroundColor')
  assert before != after
  opened.set_viewport_size({'width': 390, 'height': 800})
  # Charts follow a little later.
  opened.wait_for_function(
      'document.documentElement.scrollWidth <= window.innerWidth'
  )


def test_pairs_show_the_layer_and_method_that_are_chosen(opened):
  found = 'circle[stroke]:not(.mark)'
  # Two images of two points, one of which left the image.
  assert opened.locator(f'#pair-sheet {found}').count() == 3
  place = lambda: opened.locator(f'#pair-sheet {found}').first.get_attribute(
      'cx'
  )
  before = place()
  opened.select_option('#pair-layer', '3')
  assert place() != before


def test_only_the_best_are_the_shown_methods_best(opened):
  shown = lambda: {
      mark.get_attribute('data-k')
      for mark in opened.locator('#sheet .mark:visible').all()
  }
  opened.locator('#best').fill('1')
  assert shown() == {'1'}
  opened.select_option('#method', '1')
  assert opened.locator('.landmark-table:visible').count() == 1
  assert shown() == {'0'}
  # Sorting the table changes no landmark's reliability.
  head = '.landmark-table:not([hidden]) thead th:nth-child(2) button'
  opened.click(head)
  opened.click(head)
  opened.locator('#best').fill('2')
  assert shown() == {'0', '1'}


def test_the_report_needs_no_jax():
  code = (
      'import sys; from eqlandmarks.report import figures, page, paper_tables; '
      "assert 'jax' not in sys.modules"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
