"""The page to watch a prediction, as a browser shows it."""

import dataclasses

import browsing
import fresh_run
import numpy as np
import pytest
from PIL import Image

from eqlandmarks import formats
from eqlandmarks.media import video_playback
from eqlandmarks.media import videos
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import watch_page

COUNT, HEIGHT, WIDTH = 40, 64, 96
HOSTILE = '<img src=x onerror=alert(1)>'
NAMES = ('landmark_0', 'landmark_1', 'landmark_2')


def _level(number):
  """The brightness that frame `number` has."""
  return 5 * number + 20


def _film(path, fps=50.0):
  with videos.writing(path, size=(HEIGHT, WIDTH), fps=fps) as append:
    for number in range(COUNT):
      append(np.full((HEIGHT, WIDTH, 3), _level(number), np.uint8))
  return inputs.open_source(path)


def _result(ids):
  rng = np.random.default_rng(0)
  count = len(ids)
  landmarks = rng.uniform(10, 50, (count, 3, 2))
  landmarks[:, 0] = [32.0, 80.0]  # away from the others
  made = fresh_run.make_prediction(landmarks, rng.uniform(0.1, 1, (count, 3)))
  return dataclasses.replace(
      made,
      ids=tuple(ids),
      sizes=np.tile(np.int32([HEIGHT, WIDTH]), (count, 1)),
      annotation_names=(HOSTILE,),
      annotations=rng.uniform(10, 50, (count, 1, 2)).astype(np.float32),
      annotation_confidence=rng.uniform(0.1, 1, (count, 1)).astype(np.float32),
  )


def _write(folder, source):
  ids = [entry.id for entry in source.read(0)]
  result = _result(ids)
  page = watch_page.write(folder, source, result, NAMES, (ids[9], ids[4]))
  return page, result


@pytest.fixture
def watched(browser, tmp_path):
  """The page of a video that the browser plays."""
  source = _film(tmp_path / 'clip.mp4')
  if not video_playback.kind(source.root):
    pytest.skip('this PyAV does not write H.264')
  page, result = _write(tmp_path, source)
  with browsing.opened(browser, page) as tab:
    tab.wait_for_function('!plays || video.readyState >= 2')
    if not tab.evaluate('plays'):
      pytest.skip('this browser does not play H.264')
    yield tab, result


def _brightness(tab):
  """That of the frame that the browser shows."""
  return tab.evaluate("""() => {
    const canvas = make('canvas', {width: 4, height: 4});
    const pen = canvas.getContext('2d');
    pen.drawImage(plays ? video : image, 0, 0, 4, 4);
    return pen.getImageData(1, 1, 1, 1).data[0];
  }""")


def _settled(tab, row):
  tab.wait_for_function(f'marks.dataset.settled === "{row}" && !video.seeking')
  assert tab.evaluate('row') == row
  assert abs(_brightness(tab) - _level(row)) < 2.5


def test_each_frame_is_shown_with_its_own_marks(watched):
  tab, _ = watched
  for row in (7, 31, 30, 39, 0, 1):
    tab.evaluate(f'go({row})')
    _settled(tab, row)
  tab.keyboard.press('ArrowRight')
  _settled(tab, 2)
  tab.keyboard.press('Shift+ArrowRight')
  _settled(tab, 12)
  tab.keyboard.press('End')
  _settled(tab, 39)
  tab.keyboard.press('ArrowLeft')
  _settled(tab, 38)
  tab.locator('#slider').fill('20')
  _settled(tab, 20)


def test_playing_shows_the_marks_of_what_is_seen(watched):
  tab, _ = watched
  # Slower than it was filmed, by default.
  assert tab.evaluate('speed()') == 0.5
  tab.select_option('#speed', '1/8')
  tab.keyboard.press(' ')
  tab.wait_for_function('row > 3')
  tab.keyboard.press(' ')
  tab.wait_for_function('video.paused')
  row = tab.evaluate('row')
  assert abs(_brightness(tab) - _level(row)) < 7.5  # a frame is 5


def test_a_click_chooses_and_the_curves_lead_to_frames(watched):
  tab, result = watched
  tab.evaluate('go(11)')
  _settled(tab, 11)
  box = tab.locator('#marks').bounding_box()
  row, column = result.landmarks[11, 0]
  tab.mouse.click(
      box['x'] + float(column) / WIDTH * box['width'],
      box['y'] + float(row) / HEIGHT * box['height'],
  )
  assert tab.evaluate('chosen') == 0
  text = tab.locator('#where').inner_text()
  assert f'confidence {result.confidence[11, 0]:.2f}' in text
  assert 'row 32.0, column 80.0' in text
  plots = tab.locator('#plots').bounding_box()
  assert plots['height'] > 200
  middle = plots['x'] + 52 + (plots['width'] - 60) * 25 / 39
  tab.mouse.click(middle, plots['y'] + 20)
  _settled(tab, 25)


def test_least_sure_frames_are_a_click_away(watched):
  tab, result = watched
  assert tab.locator('#unsure button').all_inner_texts() == [
      f'{n}: {result.confidence[n].mean():.2f}' for n in (9, 4)
  ]
  tab.click('#next-unsure')
  _settled(tab, 9)
  tab.keyboard.press('u')
  _settled(tab, 4)


def test_what_is_chosen_is_downloaded_under_its_names(watched, tmp_path):
  tab, result = watched
  assert tab.locator('#points li').count() == 4
  item = lambda p, what: tab.locator(f'#points li[data-p="{p}"] {what}')
  item(1, '[type=checkbox]').uncheck()
  item(2, '[type=text]').fill('ear, "left"')
  item(0, '[type=text]').fill(HOSTILE)  # taken
  item(0, '[type=text]').blur()
  assert 'already' in tab.locator('#said').inner_text()
  tab.reload()
  tab.wait_for_selector('html[data-ready=true]')
  assert tab.locator('#download').inner_text() == 'Download 3 points'
  browsing.download(tab, '#download', tmp_path / 'points.csv')
  poses = formats.read(tmp_path / 'points.csv')
  assert poses.names == ('landmark_0', 'ear, "left"', HOSTILE)
  assert poses.images == result.ids
  expected = np.concatenate(
      [result.landmarks[:, [0, 2]], result.annotations], axis=1
  )
  np.testing.assert_allclose(poses.points, expected, atol=1e-3)
  tab.click('#named')
  assert tab.evaluate('[...shown]') == [2, 3]
  assert tab.locator('img[src=x]').count() == 0


def test_it_fits_a_phone(watched):
  tab, _ = watched
  tab.set_viewport_size({'width': 390, 'height': 800})
  tab.wait_for_function(
      'document.documentElement.scrollWidth <= window.innerWidth'
  )


def test_where_the_video_does_not_play_there_are_pictures(
    browser, tmp_path, monkeypatch, capsys
):
  source = _film(tmp_path / 'clip.mp4')
  monkeypatch.setattr(video_playback, 'kind', lambda path: '')
  monkeypatch.setattr(watch_page, '_MOST_PICTURES', 10)
  page, _ = _write(tmp_path, source)
  said = 'page has pictures of 10 of 40 frames'
  assert said in capsys.readouterr().err
  with browsing.opened(browser, page) as tab:
    assert said in tab.locator('footer').inner_text()
    rows = tab.evaluate('rows')
    assert len(rows) == 10 and {0, 4, 9, 39} <= {*rows}
    tab.evaluate('go(9)')
    tab.wait_for_function('image.complete')
    assert abs(_brightness(tab) - _level(9)) < 2.5
    tab.keyboard.press('ArrowRight')
    assert tab.evaluate('row') == rows[rows.index(9) + 1]


def test_a_linked_video_that_is_gone_is_said(browser, tmp_path, monkeypatch):
  source = _film(tmp_path / 'my clip #1.mp4')
  if not video_playback.kind(source.root):
    pytest.skip('this PyAV does not write H.264')
  monkeypatch.setattr(watch_page, '_LARGEST_VIDEO', 10)
  (tmp_path / 'out').mkdir()
  page, _ = _write(tmp_path / 'out', source)
  assert '../my%20clip%20%231.mp4' in page.read_text()
  with browsing.opened(browser, page) as tab:
    tab.wait_for_function('!plays || video.readyState >= 2')
    if not tab.evaluate('plays'):
      pytest.skip('this browser does not play H.264')
  source.root.rename(tmp_path / 'other.mp4')
  gone = ('Failed to load resource',)
  with browsing.opened(browser, page, complaints=gone) as tab:
    tab.wait_for_function('!plays')
    assert 'not where it was' in tab.locator('#unplayed').inner_text()
    assert tab.evaluate('rows.length') == 30


def test_images_of_several_sizes(browser, tmp_path):
  folder = tmp_path / 'photos'
  folder.mkdir()
  sizes = [(40, 90), (90, 40), (64, 64)]
  for n, (height, width) in enumerate(sizes):
    Image.new('RGB', (width, height), (9, 9, 9)).save(folder / f'{n}.png')
  source = inputs.open_source(folder)
  result = dataclasses.replace(_result(source.ids), sizes=np.int32(sizes))
  page = watch_page.write(tmp_path, source, result, NAMES, ())
  with browsing.opened(browser, page) as tab:
    assert not tab.locator('#unsure-panel').is_visible()
    for n, (height, width) in enumerate(sizes):
      tab.evaluate(f'go({n})')
      box = tab.locator('#stage').bounding_box()
      assert box['width'] / box['height'] == pytest.approx(
          width / height, rel=0.01
      )
    tab.keyboard.press('Home')
    tab.keyboard.press(' ')
    tab.wait_for_function('row === 2 && !playing')


def test_frames_have_the_times_of_their_file(tmp_path):
  source = _film(tmp_path / 'clip.mp4')
  times = video_playback.times(source.root, COUNT, 50.0)
  np.testing.assert_allclose(times, np.arange(COUNT) / 50, atol=1e-6)
  # A prediction of another number of frames: evenly.
  assert video_playback.times(source.root, 3, 2.0) == [0.0, 0.5, 1.0]
