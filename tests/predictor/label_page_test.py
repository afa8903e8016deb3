"""The page to click points on, as a browser shows it."""

import json
import re
import types
import zipfile

import browsing
import fresh_run
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from eqlandmarks import formats
from eqlandmarks import regression
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import label_page

COUNT, SIDE = 7, 64
HOSTILE = '<img src=x onerror=alert(1)>'
RIDGE = {'alpha': 0.1, 'fit_intercept': False, 'origin': 'corner', 'unit': 'px'}


def _write(path, ridge=None, names=()):
  """A page of noise, whose landmarks `[N, K, 2]` move at random."""
  rng = np.random.default_rng(0)
  folder = path.parent / 'noise'
  folder.mkdir()
  for n in range(COUNT):
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{n}.png')
  source = inputs.open_source(folder)
  landmarks = rng.uniform(10, 54, (COUNT, 5, 2))
  found = fresh_run.make_prediction(landmarks, np.full((COUNT, 5), 0.9))
  found = found.take(range(COUNT))
  object.__setattr__(found, 'ids', source.ids)
  predictor = types.SimpleNamespace(
      annotation_names=names,
      boxes=lambda sizes: np.tile([4.0, 8.0, 50.0, 40.0], (len(sizes), 1)),
  )
  label_page.write(
      path, source, predictor, found, ridge or RIDGE, f'fit {HOSTILE}'
  )
  return found.landmarks.astype(float)


@pytest.fixture
def page(browser, tmp_path):
  """The page with two points, one of a name that would be HTML."""
  landmarks = _write(tmp_path / 'label.html')
  with browsing.opened(browser, tmp_path / 'label.html') as tab:
    for name in ('nose', HOSTILE):
      tab.fill('#name', name)
      tab.press('#name', 'Enter')
    tab.locator('#name').blur()
    yield tab, landmarks


def _click(tab, point):
  """Clicks at (row, column) of the frame."""
  view = tab.evaluate('({...view})')
  box = tab.locator('#canvas').bounding_box()
  tab.mouse.click(
      box['x'] + view['x'] + float(point[1]) * view['scale'],
      box['y'] + view['y'] + float(point[0]) * view['scale'],
  )


def _truth():
  return np.random.default_rng(1).uniform(6, 58, (COUNT, 2, 2))


def _label(tab, count):
  """Clicks both points in the first frames."""
  for n, points in enumerate(_truth()[:count]):
    for point in points:
      _click(tab, point)
    if n + 1 < count:
      tab.keyboard.press('n')


def test_names_are_text_and_nothing_is_loaded(page, tmp_path):
  tab, _ = page
  html = (tmp_path / 'label.html').read_text()
  assert '<img src=x' not in html
  ours = re.sub(r'<script>.*?</script>', '', html, flags=re.DOTALL)
  assert not re.findall(r'(?:src|href)=["\']?https?:', ours)
  assert HOSTILE in tab.locator('#points li').nth(1).inner_text()
  assert HOSTILE in tab.locator('#command').inner_text()
  assert tab.locator('img[src=x]').count() == 0


def test_table_and_project_hold_what_was_clicked(page, tmp_path):
  tab, _ = page
  _label(tab, 5)
  tab.keyboard.press('n')
  _click(tab, (20, 30))
  tab.keyboard.press('m')
  name = browsing.download(tab, '#table', tmp_path / 'points.csv')
  assert name == 'points.csv'
  poses = formats.read(tmp_path / 'points.csv')
  assert poses.names == ('nose', HOSTILE)
  assert poses.images == tuple(f'{n}.png' for n in range(6))
  # A click is a pixel of the screen, of which a pixel has about nine.
  np.testing.assert_allclose(poses.points[:5], _truth()[:5], atol=0.1)
  assert np.isnan(poses.points[5, 1]).all()
  browsing.download(tab, '#project', tmp_path / 'project.zip')
  with zipfile.ZipFile(tmp_path / 'project.zip') as archive:
    assert archive.testzip() is None
    archive.extractall(tmp_path / 'project')
  folder = tmp_path / 'project/labeled-data/noise'
  project = formats.read(folder / 'CollectedData_me.csv', 'deeplabcut')
  assert project.images == tuple(
      f'labeled-data/noise/{n}.png' for n in range(6)
  )
  np.testing.assert_array_equal(project.points, poses.points)
  for n in range(6):
    own = (tmp_path / f'noise/{n}.png')
    there = np.asarray(Image.open(folder / f'{n}.png'))
    np.testing.assert_array_equal(there, np.asarray(Image.open(own)))


@pytest.mark.parametrize(
    'ridge',
    [
        RIDGE,
        {**RIDGE, 'origin': 'centre', 'unit': 'unit'},
        {**RIDGE, 'fit_intercept': True, 'alpha': 3.0},
        {**RIDGE, 'alpha': 0.0},
    ],
)
def test_the_guess_is_that_of_the_library(browser, tmp_path, ridge):
  landmarks = _write(tmp_path / 'label.html', ridge, ('nose', 'tail'))
  with browsing.opened(browser, tmp_path / 'label.html') as tab:
    _label(tab, 5)
    assert tab.evaluate('guesses[0]') is not None
    tab.keyboard.press('n')
    clicked = np.array(tab.evaluate('state.points.slice(0, 5)'))
    guess = tab.evaluate('guesses.map((guess) => guess.at)')
    error = tab.evaluate('guesses[0].error')
  # In pixels of what the nets see.
  seen = lambda points: (points - [4, 8]) / [50, 40] * 32
  config = ConfigDict({'image_size': 32, 'regression': ridge})
  fit = lambda rows: regression.from_config(
      seen(landmarks[rows]), seen(clicked[rows]), config
  )
  back = lambda points: points / 32 * [50, 40] + [4, 8]
  expected = back(fit(np.arange(5)).predict(seen(landmarks[5:6]))[0])
  np.testing.assert_allclose(guess, expected, atol=2e-3)
  off = []
  for n in range(5):
    rest = np.delete(np.arange(5), n)
    made = back(fit(rest).predict(seen(landmarks[n : n + 1]))[0, 0])
    off.append(np.linalg.norm(made - clicked[n, 0]))
  assert error == pytest.approx(np.mean(off), abs=1e-3)


def test_there_is_no_guess_before_three_frames(page):
  tab, _ = page
  _label(tab, 2)
  assert tab.evaluate('guesses') == [None, None]
  assert tab.locator('#take').is_disabled()
  tab.keyboard.press('n')
  _click(tab, _truth()[2, 0])
  tab.keyboard.press('n')
  assert 'guessed' in tab.locator('#points li').first.inner_text()
  guess = tab.evaluate('guesses[0].at')
  tab.keyboard.press('g')
  assert tab.evaluate('here()[0]') == guess


def test_undo_missing_zoom_and_keys(page):
  tab, _ = page
  tab.keyboard.press('m')
  assert tab.evaluate('here()') == [False, None]
  _click(tab, (30, 30))
  tab.keyboard.press('u')
  tab.keyboard.press('Control+z')
  assert tab.evaluate('here()') == [None, None]
  whole = tab.evaluate('view.scale')
  box = tab.locator('#canvas').bounding_box()
  tab.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
  tab.mouse.wheel(0, -800)
  tab.wait_for_function(f'view.scale > 2 * {whole}')
  _click(tab, (31, 33))
  assert tab.evaluate('here()[1]') == pytest.approx([31, 33], abs=0.1)
  tab.keyboard.press('0')
  assert tab.evaluate('view.scale') == whole
  tab.keyboard.press('2')
  tab.keyboard.press('ArrowLeft')
  tab.keyboard.press('Shift+ArrowDown')
  assert tab.evaluate('here()[1]') == pytest.approx([41, 32], abs=0.1)
  tab.keyboard.press('Delete')
  assert tab.evaluate('here()[1]') is None
  # Beside the picture is no place for a point.
  tab.mouse.click(box['x'] + 3, box['y'] + 3)
  assert tab.evaluate('here()') == [None, None]


def test_a_point_is_dragged(page):
  tab, _ = page
  _click(tab, (30, 30))
  view, box = tab.evaluate('({...view})'), tab.locator('#canvas').bounding_box()
  x, y = (box[k] + view[k] + 30 * view['scale'] for k in 'xy')
  tab.mouse.move(x, y)
  tab.mouse.down()
  tab.mouse.move(x + 5 * view['scale'], y)
  tab.mouse.up()
  assert tab.evaluate('here()[0]') == pytest.approx([30, 35], abs=0.1)
  tab.keyboard.press('u')
  assert tab.evaluate('here()[0]') == pytest.approx([30, 30], abs=0.1)


def test_names_are_refused_that_files_cannot_hold(page):
  tab, _ = page
  for name in ('nose', '', '  ', 'a\u2028b', 'a\u00a0b'):
    tab.fill('#name', name)
    tab.press('#name', 'Enter')
    assert tab.locator('#said').inner_text() != ''
  assert tab.evaluate('state.names.length') == 2


def test_a_reload_loses_nothing_and_a_phone_shows_all(page):
  tab, _ = page
  _label(tab, 3)
  before = tab.evaluate('state.points')
  tab.reload()
  tab.wait_for_selector('html[data-ready=true]')
  assert tab.evaluate('state.points') == before
  assert tab.evaluate('state.current') == 2
  tab.set_viewport_size({'width': 390, 'height': 800})
  tab.wait_for_function(
      'document.documentElement.scrollWidth <= window.innerWidth'
  )
  # What storage holds may be anything.
  for text in ('{"names": [1], "rows": {}}', '[]', '{', '{"names": []}'):
    tab.evaluate('(text) => localStorage.setItem(KEY, text)', text)
    tab.reload()
  tab.wait_for_selector('html[data-ready=true]')
  assert tab.evaluate('state.names') == []


def test_another_page_of_the_same_images_knows_the_clicks(browser, tmp_path):
  _write(tmp_path / 'label.html', names=('nose', 'tail'))
  html = (tmp_path / 'label.html').read_text()
  with browsing.opened(browser, tmp_path / 'label.html') as tab:
    _label(tab, 3)
    before = tab.evaluate('state.points')
    # Frames in another order, and the first one gone.
    start = html.index('id="data">') + len('id="data">')
    end = html.index('</script>', start)
    data = json.loads(html[start:end])
    data['frames'] = data['frames'][:0:-1]
    (tmp_path / 'label.html').write_text(
        html[:start] + json.dumps(data) + html[end:]
    )
    tab.reload()
    tab.wait_for_selector('html[data-ready=true]')
    assert tab.evaluate('state.points') == before[:0:-1]
    # What is done to points is done to the other page's frames, too.
    tab.locator('#points li').nth(0).get_by_label('Remove nose').click()
    (tmp_path / 'label.html').write_text(html)
    tab.reload()
    tab.wait_for_selector('html[data-ready=true]')
    assert tab.evaluate('state.names') == ['tail']
    assert tab.evaluate('state.points') == [row[1:] for row in before]
