"""What pictures and overlay videos show."""

import dataclasses

import fresh_run
import numpy as np
import pytest
from PIL import Image

from eqlandmarks import errors
from eqlandmarks.media import videos
from eqlandmarks.predictor import overlays
from eqlandmarks.report import colours


def _places(picture):
  return np.argwhere(np.asarray(picture).any(-1)) + 0.5


@pytest.mark.parametrize('enlarge', [1, 3])
@pytest.mark.parametrize('k', range(5))
def test_markers_are_where_the_landmarks_are(k, enlarge):
  landmarks = np.full((5, 2), -100.0)
  landmarks[k] = 40.5, 70.5
  black = Image.new('RGB', (120, 100))
  pictures = [
      overlays.draw(black, landmarks, np.full(5, c), enlarge=enlarge)
      for c in (0.9, 0.1)
  ]
  assert pictures[0].size == (120 * enlarge, 100 * enlarge)
  colour = np.round(255 * np.array(colours.landmark_style(k)['color']))
  for picture in pictures:
    places = _places(picture)
    middle = (places.min(0) + places.max(0)) / 2
    np.testing.assert_allclose(
        middle, enlarge * np.array([40.5, 70.5]), atol=1.5
    )
    drawn = np.asarray(picture)[tuple(places.astype(int).T)]
    assert (drawn == colour).all(-1).any()
  # The unsure one is hollow.
  centre = tuple(int(enlarge * x) for x in (70.5, 40.5))
  assert pictures[0].getpixel(centre) == tuple(colour)
  assert pictures[1].getpixel(centre) == (0, 0, 0)


def test_trails_lead_from_earlier_places():
  black = Image.new('RGB', (120, 100))
  earlier = [np.array([[20.5, 10.5]]), np.array([[20.5, 60.5]])]
  now = np.array([[80.5, 60.5]])
  picture = overlays.draw(black, now, np.ones(1), trail=earlier)
  for column, row in ((30, 20), (60, 50)):  # between the places
    assert picture.getpixel((column, row)) != (0, 0, 0)
  assert picture.getpixel((30, 50)) == (0, 0, 0)


def test_annotations_are_crosses_in_their_colours():
  black = Image.new('RGB', (120, 100), (9, 9, 9))
  far = np.full((1, 2), -100.0)
  points = np.array([[30.5, 40.5], [60.5, 90.5]])
  picture = overlays.draw(black, far, np.ones(1), points)
  for j, (row, column) in enumerate(points):
    colour = colours.annotation_colour(j, 2)
    expected = tuple(round(255 * part) for part in colour)
    assert picture.getpixel((int(column), int(row))) == expected


def test_the_overlay_shows_each_frames_own_points(tmp_path):
  black = tmp_path / 'black.mp4'
  with videos.writing(black, size=(64, 96), fps=10.0) as append:
    for _ in range(6):
      append(np.zeros((64, 96, 3), np.uint8))
  places = [(20.0, 10.0 + 14 * n) for n in range(6)]
  annotated = [(50.0, 84.0 - 14 * n) for n in range(6)]
  found = dataclasses.replace(
      fresh_run.make_prediction([[place] for place in places], [[0.9]] * 6),
      annotation_names=('nose',),
      annotations=np.array(annotated, np.float32)[:, None],
      annotation_confidence=np.full((6, 1), 0.9, np.float32),
  )
  overlays.draw_video(
      tmp_path / 'o.mp4', videos.frames(black), map(found.points, range(6)),
      size=(64, 96), fps=10.0, trail=0,
  )  # fmt: skip
  frames = list(videos.frames(tmp_path / 'o.mp4'))
  assert len(frames) == 6
  for number, frame in enumerate(frames):
    light = frame.max(axis=-1).astype(float)
    light[light < 60] = 0
    for half, expected in ((slice(0, 34), places), (slice(34, 64), annotated)):
      rows, columns = np.indices(light.shape)[:, half] + 0.5
      weight = light[half]
      seen = [(g * weight).sum() / weight.sum() for g in (rows, columns)]
      np.testing.assert_allclose(seen, expected[number], atol=1.0)
  # One of six frames fewer than were predicted on: nothing half-written stays.
  with pytest.raises(errors.UserError, match='the video ends after 5 frames'):
    overlays.draw_video(
        tmp_path / 'p.mp4', list(videos.frames(black))[:5],
        map(found.points, range(6)), size=(64, 96), fps=10.0, trail=0,
    )  # fmt: skip
  assert not list(tmp_path.glob('*p.mp4*'))


def _film(path, size):
  with videos.writing(path, size=size, fps=240.0) as append:
    for _ in range(3):
      append(np.zeros((*size, 3), np.uint8))
  return path


def test_large_pictures_have_numbers_and_a_legend_below(tmp_path):
  size = (240, 320)
  black = _film(tmp_path / 'black.mp4', size)
  places = [(60, 60), (90, 200)]
  found = fresh_run.make_prediction([places] * 3, [[0.9] * 2] * 3)
  overlays.draw_video(
      tmp_path / 'o.mp4', videos.frames(black), map(found.points, range(3)),
      size=size, fps=30.0, trail=0, names=('nose', '<tail>'),
  )  # fmt: skip
  legend = overlays.draw_legend(320, 240, 2, ('nose', '<tail>'))
  frames = list(videos.frames(tmp_path / 'o.mp4'))
  assert videos.probe(tmp_path / 'o.mp4').fps == 30.0
  assert frames[0].shape == (240 + legend.height, 320, 3)
  np.testing.assert_allclose(
      frames[0][240:].mean(), np.asarray(legend).mean(), atol=3.0
  )
  # Up and to the right of its marker.
  white = (frames[0][:240] > 150).all(-1)
  rows, columns = np.nonzero(white[:70])
  assert len(rows) and rows.max() < 60 and columns.min() > 60


def test_a_legend_breaks_its_lines_and_small_pictures_have_none():
  assert overlays.draw_legend(150, 400, 3) is None
  short = overlays.draw_legend(400, 400, 3)
  long = overlays.draw_legend(400, 400, 60, ('a name of some length',) * 9)
  assert short.width == long.width == 400
  assert long.height > 3 * short.height
  assert long.height % 2 == short.height % 2 == 0
  # Nothing is cut at the right.
  assert not np.asarray(long)[:, -2:].any()
