"""Labels of SLEAP for videos of one name, and for their frames as images."""

import fixtures
import numpy as np
import pytest
import sleap_io
import video_fixtures as films
from PIL import Image

from eqlandmarks.errors import UserError


def save(path, videos, frames, size=(films.HEIGHT, films.WIDTH)):
  """A point at (x, y) = (number, video) for each (video, number)."""
  skeleton = sleap_io.Skeleton(nodes=['a'])
  made = [
      sleap_io.Video(
          filename=name, open_backend=False,
          backend_metadata={'type': 'MediaVideo', 'filename': name,
                            'shape': [films.FRAMES, *size, 3]},
      )
      for name in videos
  ]  # fmt: skip
  labelled = []
  for v, number in frames:
    point = np.array([[number, v]], float)
    animal = sleap_io.Instance.from_numpy(point, skeleton=skeleton)
    labelled.append(
        sleap_io.LabeledFrame(
            video=made[v], frame_idx=number, instances=[animal]
        )
    )
  labels = sleap_io.Labels(labelled, videos=made, skeletons=[skeleton])
  sleap_io.save_slp(labels, str(path), verbose=False)


ALL = [(v, number) for v in (0, 1) for number in (0, 20)]


@pytest.fixture
def root(tmp_path):
  for name in ('s1', 's2'):
    films.film(tmp_path / 'root/day' / name / 'v.mp4')
  return tmp_path / 'root'


def build(root):
  return films.build(
      root, root.parent / 'data', labels='l.slp', test='*s2/*', every=10
  )


def points(builder):
  """(x, y) of the labelled items by id."""
  return {
      item.id: tuple(item.points[0, ::-1] - 0.5)
      for items in builder._plan().splits.values()
      for item in items
      if np.isfinite(item.points).all()
  }


@pytest.mark.parametrize(
    'videos',
    [('s1/v.mp4', 's2/v.mp4'), ('C:\\x\\s1\\v.mp4', 'C:\\x\\s2\\v.mp4'),
     ('/data/s1/v.avi', '/data/s2/v.avi'), ('s1/v', 's2/v')],
)  # fmt: skip
def test_videos_by_the_end_of_their_path(root, videos):
  save(root / 'l.slp', videos, ALL)
  assert points(build(root)) == {
      f'day/s{v + 1}/v.mp4/{number:06d}': (number, v) for v, number in ALL
  }


def test_a_video_that_may_be_two(root):
  save(root / 'l.slp', ['/x/v.mp4'], [(0, 1)])
  with pytest.raises(UserError, match=r'may mean day/s1/v.mp4 or day/s2/v.mp4'):
    build(root)


def test_a_video_that_is_gone_is_not_another(root):
  """Though it is now the only one of that name."""
  (root / 'day/s1/v.mp4').unlink()
  save(root / 'l.slp', ['/x/s1/v.mp4', '/x/s2/v.mp4'], [(0, 1), (0, 3)])
  with pytest.raises(UserError, match=r"2 of 2 rows .*'s1/v/img00000001.png'"):
    build(root)


def test_videos_of_another_size(root):
  save(root / 'l.slp', ['s1/v.mp4', 's2/v.mp4'], ALL, size=(24, 32))
  with pytest.raises(UserError, match=r'size 32 x 24 for day/s1.* 64 x 48 pix'):
    build(root)._plan()


def test_frames_as_images(tmp_path):
  for name in ('s1', 's2', 's3'):
    for number in (0, 3, 20):
      path = tmp_path / f'root/frames/{name}/v/img{number}.png'
      path.parent.mkdir(parents=True, exist_ok=True)
      Image.new('L', (films.WIDTH, films.HEIGHT), number).save(path)
  save(tmp_path / 'root/l.slp', ['/x/s1/v.mp4', '/x/s2/v.mp4'], ALL)
  builder = fixtures.make('folder',
      root=tmp_path / 'root', labels='l.slp', data_dir=tmp_path / 'data'
  )
  assert points(builder) == {
      f'frames/s{v + 1}/v/img{number}.png': (number, v) for v, number in ALL
  }
