"""The page, as it is written and as a browser shows it."""

import csv
import io
import re

import pytest
from report_fixtures import COMPARED
from report_fixtures import whole_page

from eqlandmarks.report import page
from eqlandmarks.report import tables


def test_page_escapes_names_and_needs_no_network():
  html = page.render(whole_page())
  assert 'alert(1)</script>' not in html
  assert 'nose</script>' not in html
  assert '<b>a</b>' not in html
  # Nothing is loaded: no source, style or font from elsewhere.
  ours = re.sub(r'<script>.*?</script>', '', html, flags=re.DOTALL)
  assert not re.findall(r'(?:src|href)=["\']?https?:', ours)


def test_what_has_collapsed_stands_first_and_escaped():
  signs = {'two-stage, <i>K</i>': ['a < b'], 'end-to-end': ['c', 'd']}
  html = page.render(whole_page(collapsed=signs))
  main = html[html.index('<main>') : html.index('few images')]
  assert main.count('class="warning collapsed"') == 2
  assert 'Collapsed: two-stage, &lt;i&gt;K&lt;/i&gt;' in main
  assert '<li>a &lt; b</li>' in main
  assert main.index('<li>c</li>') < main.index('<li>d</li>')
  assert '"warning collapsed"' not in page.render(whole_page())


@pytest.fixture
def opened(browser, tmp_path):
  """The page opened from disk, with what its console said."""
  page.write(tmp_path / 'report.html', whole_page())
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


_CURVES = '#chart-equivariance_layer1'


def _ticks(opened):
  """The labels of a chart's axes, those of x first."""
  return opened.locator(f'{_CURVES} text:not(.axis)').all_text_contents()


def test_charts_tell_the_values_under_the_pointer(opened):
  plot = opened.locator(f'{_CURVES} .plot svg').first
  plot.scroll_into_view_if_needed()
  # Of x = 0 and x = 1 on an axis to 40, the second is nearer to the middle.
  plot.hover()
  tip = opened.locator(f'{_CURVES} .tip')
  assert tip.inner_text().split('\n')[0] == '1'
  assert 'two-stage: 0.9 ± 0.1' in tip.inner_text()
  opened.hover('h1')
  assert not tip.is_visible()


def test_charts_zoom_by_a_drag_and_back_by_a_double_click(opened):
  assert '40' in _ticks(opened)
  plot = opened.locator(f'{_CURVES} .plot svg').first
  plot.scroll_into_view_if_needed()
  box = plot.bounding_box()
  opened.mouse.move(box['x'] + 80, box['y'] + 100)
  opened.mouse.down()
  opened.mouse.move(box['x'] + 140, box['y'] + 102)
  opened.mouse.up()
  zoomed = _ticks(opened)
  assert '40' not in zoomed and '1' in zoomed  # the y axis stays
  plot.dblclick()
  assert '40' in _ticks(opened)
  plot.dblclick()  # all there is: x from 0 to 1
  assert '40' not in _ticks(opened)
  plot.dblclick()
  assert '40' in _ticks(opened)


def test_names_in_a_legend_switch_lines_off(opened):
  chart = '#chart-equivariance_two_stage'
  lines = opened.locator(f'{chart} path.line')
  names = opened.locator(f'{chart} .legend button')
  count = names.count()
  assert lines.count() == count == 2
  names.first.focus()
  opened.keyboard.press('Enter')
  assert lines.count() == count - 1
  assert names.first.get_attribute('aria-pressed') == 'false'
  names.first.dblclick()  # alone
  assert lines.count() == 1
  names.first.dblclick()
  assert lines.count() == count


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
