"""Videos: each frame says by a blob's place which number it has."""

import sys

import numpy as np
import pytest

from eqlandmarks import videos
from eqlandmarks.errors import UserError

av = pytest.importorskip('av')

HEIGHT, WIDTH, CELL = 48, 64, 8
COLUMNS = WIDTH // CELL


def picture(number, height=HEIGHT, width=WIDTH):
  """A black frame with an orange cell where its number says."""
  frame = np.zeros((height, width, 3), np.uint8)
  row, column = (CELL * place for place in divmod(number, COLUMNS))
  frame[row : row + CELL, column : column + CELL] = (255, 128, 0)
  return frame


def number_of(frame):
  """The number that a frame shows."""
  cells = frame[..., 0].reshape(
      frame.shape[0] // CELL, CELL, frame.shape[1] // CELL, CELL
  )
  return int(cells.mean((1, 3)).argmax())


def write(path, count=20, fps=10, size=(HEIGHT, WIDTH)):
  with videos.write(path, fps, size) as append:
    for number in range(count):
      append(picture(number, *size))
  return path


def encode(path, count=3, size=(HEIGHT, WIDTH), rotation=0, **options):
  """A video in a form that `videos.write` does not write."""
  with av.open(str(path), 'w', **options) as container:
    stream = container.add_stream('mpeg4', rate=10)
    stream.height, stream.width = size
    stream.pix_fmt = 'yuv420p'
    if rotation:
      stream.set_display_rotation(rotation)
    for number in range(count):
      frame = av.VideoFrame.from_ndarray(picture(number, *size), format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return path


def refused(call, *parts):
  with pytest.raises(UserError) as error:
    call()
  message = str(error.value)
  assert '\n' not in message and 'expected' in message
  for part in parts:
    assert part in message


def test_what_is_written_is_read(tmp_path):
  path = write(tmp_path / 'a.mp4', fps=29.97)
  assert videos.probe(path) == videos.Probe(HEIGHT, WIDTH, 29.97, 20)
  read = list(videos.frames(path))
  assert [number for number, _ in read] == list(range(20))
  for number, frame in read:
    assert frame.dtype == np.uint8 and number_of(frame) == number
    difference = frame.astype(float) - picture(number)
    assert np.abs(difference).mean() < 3


def test_every_and_start(tmp_path):
  path = write(tmp_path / 'a.mp4')
  read = {n: number_of(f) for n, f in videos.frames(path, start=4, every=3)}
  assert read == {n: n for n in (4, 7, 10, 13, 16, 19)}


def test_picked_frames(tmp_path):
  path = write(tmp_path / 'a.mp4')
  read = {n: number_of(f) for n, f in videos.pick(path, [0, 5, 6, 19])}
  assert read == {0: 0, 5: 5, 6: 6, 19: 19}
  assert list(videos.pick(path, [])) == []
  refused(lambda: list(videos.pick(path, [3, 20])), 'only 20 frames', '20')


@pytest.mark.parametrize('format', ['matroska', 'mpegts', 'avi'])
def test_counts_without_a_header_to_trust(tmp_path, format):
  path = encode(tmp_path / 'a.video', count=7, format=format)
  assert videos.probe(path).count == 7


def test_frames_are_turned_as_the_file_says(tmp_path):
  path = encode(tmp_path / 'a.mp4', count=2, rotation=90)
  assert videos.probe(path).height == WIDTH
  assert videos.probe(path).width == HEIGHT
  number, frame = list(videos.frames(path))[1]
  # Counter-clockwise: the second cell of the first row is now the second from
  # below in the first column.
  row, column = divmod(number_of(frame), HEIGHT // CELL)
  assert (number, row, column) == (1, WIDTH // CELL - 2, 0)


def test_odd_sides_get_a_row_or_column(tmp_path):
  path = write(tmp_path / 'a.mp4', count=2, size=(47, 63))
  probe = videos.probe(path)
  assert (probe.height, probe.width) == (48, 64)
  frame = next(videos.frames(path))[1].astype(int)
  assert np.abs(frame[:47, :63] - picture(0, 47, 63)).mean() < 3


def test_frames_that_change_their_size(tmp_path):
  first = encode(tmp_path / 'a', format='mpegts').read_bytes()
  second = encode(tmp_path / 'b', size=(32, 64), format='mpegts').read_bytes()
  (tmp_path / 'c.ts').write_bytes(first + second)
  refused(
      lambda: list(videos.frames(tmp_path / 'c.ts')),
      'c.ts: frame 3', '64 x 32', '64 x 48',
  )  # fmt: skip


@pytest.mark.parametrize('content', [b'', b'no video' * 99])
def test_files_that_are_no_video(tmp_path, content):
  (tmp_path / 'a.mp4').write_bytes(content)
  refused(lambda: videos.probe(tmp_path / 'a.mp4'), 'a.mp4: cannot be read')
  refused(lambda: videos.probe(tmp_path / 'b.mp4'), 'b.mp4', 'No such file')


def test_nothing_stays_of_a_video_that_fails(tmp_path):
  def interrupted():
    with videos.write(tmp_path / 'a.mp4', 10, (HEIGHT, WIDTH)) as append:
      for number in range(99):  # the encoder looks far ahead before it writes
        append(picture(number % 48))
      assert [p.name for p in tmp_path.iterdir()] == ['a.mp4.partial']
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    interrupted()
  assert list(tmp_path.iterdir()) == []
  refused(lambda: write(tmp_path / 'no' / 'a.mp4'), 'cannot be written')


def test_without_pyav(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'av', None)
  refused(lambda: videos.probe(tmp_path / 'a.mp4'), 'eqlandmarks[video]')
