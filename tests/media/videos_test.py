"""Videos: frames are where they were drawn, in their order, as shown."""

import pathlib
import struct
import sys

import av
import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.media import videos


def _frame(number, shape=(48, 64)):
  """A white blob of 8 x 8 pixels, which moves by 4 to the right each time."""
  pixels = np.zeros((*shape, 3), np.uint8)
  pixels[12:20, 4 * number:4 * number + 8] = 255
  return pixels


def _blob(pixels):
  """(row, column) of the blob's centre, that of the first pixel at 0.5."""
  weight = pixels[..., 0] > 128
  return np.argwhere(weight).mean(0) + 0.5


def _write(path, count=10, shape=(48, 64), fps=10.0):
  with videos.writing(path, size=shape, fps=fps) as append:
    for number in range(count):
      append(_frame(number, shape))
  return path


@pytest.fixture(scope='module')
def video(tmp_path_factory):
  return _write(tmp_path_factory.mktemp('videos') / 'moving.mp4')


def test_frames_come_in_order_and_the_blob_is_where_it_was_drawn(video):
  found = [_blob(frame) for frame in videos.frames(video)]
  np.testing.assert_allclose(
      found, [(16.0, 4 * n + 4.0) for n in range(10)], atol=0.5
  )


@pytest.mark.parametrize('start', [1, 7, 9, 10, 12])
def test_frames_from_a_number_on(video, start):
  every = list(videos.frames(video))
  found = list(videos.frames(video, start))
  assert len(found) == max(0, 10 - start)
  for frame, expected in zip(found, every[start:], strict=True):
    np.testing.assert_array_equal(frame, expected)


def test_probe(video):
  assert videos.probe(video) == videos.Video((48, 64), 10.0, 10)


@pytest.mark.parametrize('fps', [30000 / 1001, 250.0, 1.0])
def test_frame_rates_are_kept(tmp_path, fps):
  path = _write(tmp_path / 'v.mp4', 3, fps=fps)
  assert videos.probe(path).fps == pytest.approx(fps, rel=1e-6)


def test_odd_sides_get_one_more_pixel(tmp_path):
  path = _write(tmp_path / 'v.mp4', 2, (49, 63))
  assert videos.probe(path).size == (50, 64)


def test_without_h264_there_is_mpeg4(tmp_path, monkeypatch):
  monkeypatch.setattr(av, 'codecs_available', {'mpeg4'})
  path = _write(tmp_path / 'v.mp4')
  with av.open(str(path)) as container:
    assert container.streams.video[0].codec_context.name == 'mpeg4'
  assert [round(_blob(f)[1]) for f in videos.frames(path)] == [
      4 * n + 4 for n in range(10)
  ]


def _one_line(function, *arguments):
  with pytest.raises(errors.UserError) as caught:
    list(function(*arguments))
  assert '\n' not in str(caught.value)
  return str(caught.value)


def test_what_is_no_video(tmp_path):
  for name, content in (('empty.mp4', b''), ('text.mp4', b'hello ' * 99)):
    (tmp_path / name).write_bytes(content)
    said = _one_line(videos.frames, tmp_path / name)
    assert f'{name}: does not open as a video' in said
  said = _one_line(videos.frames, tmp_path / 'absent.mp4')
  assert 'No such file' in said


def test_a_damaged_frame_is_named(video, tmp_path):
  path = tmp_path / 'damaged.mp4'
  # Frames are last in the file.
  path.write_bytes(video.read_bytes()[:-200] + bytes(200))
  said = _one_line(videos.frames, path)
  assert 'does not decode' in said
  assert 'frame' in said


def test_sound_alone_is_no_video(tmp_path):
  path = tmp_path / 'sound.mp4'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('aac', rate=8000)
    silence = np.zeros((1, 1024), np.float32)
    frame = av.AudioFrame.from_ndarray(silence, 'fltp', 'mono')
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode())
  assert 'holds no pictures' in _one_line(videos.frames, path)


def test_a_video_without_frames(tmp_path):
  path = tmp_path / 'none.avi'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    container.start_encoding()
  with pytest.raises(errors.UserError, match='holds no frame'):
    videos.probe(path)


def test_frames_of_another_size_are_named(tmp_path):
  # Transport streams may be put behind each other.
  pieces = []
  for width in (64, 96):
    piece = tmp_path / f'{width}.ts'
    with av.open(str(piece), 'w', format='mpegts') as container:
      stream = container.add_stream('mpeg2video', rate=25)
      stream.width, stream.height, stream.pix_fmt = width, 48, 'yuv420p'
      for number in range(3):
        frame = _frame(number, (48, width))
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
      container.mux(stream.encode())
    pieces.append(piece.read_bytes())
  path = tmp_path / 'both.ts'
  path.write_bytes(b''.join(pieces))
  # The decoder may drop frames where the size changes.
  said = _one_line(videos.frames, path)
  assert 'is 96 x 48 pixels, expected 64 x 48 as frame 0 is' in said


def test_an_unfinished_video_leaves_nothing(tmp_path):
  path = tmp_path / 'v.mp4'
  path.write_bytes(b'old')
  with (
      pytest.raises(KeyboardInterrupt),
      videos.writing(path, size=(48, 64), fps=10.0) as append,
  ):
    append(_frame(0))
    raise KeyboardInterrupt
  assert path.read_bytes() == b'old'
  assert list(tmp_path.iterdir()) == [path]


def test_where_no_video_can_be_written(tmp_path):
  (tmp_path / 'file').write_bytes(b'')
  path = pathlib.Path(tmp_path / 'file/v.mp4')
  with (
      pytest.raises(errors.UserError, match='cannot be written'),
      videos.writing(path, size=(48, 64), fps=10.0),
  ):
    pass


def test_without_pyav_its_package_is_named(video, monkeypatch):
  monkeypatch.setitem(sys.modules, 'av', None)
  assert 'pip install av' in _one_line(videos.frames, video)


def test_picked_frames(video):
  found = {n: round(_blob(f)[1]) for n, f in videos.pick(video, [0, 5, 6, 9])}
  assert found == {n: 4 * n + 4 for n in (0, 5, 6, 9)}
  assert list(videos.pick(video, [])) == []
  said = _one_line(videos.pick, video, [3, 10])
  assert 'only 10 frames decode, expected frame 10' in said


@pytest.mark.parametrize('name', ['v.mp4', 'v.mkv', 'v.ts', 'v.avi', 'v.mov'])
def test_frames_are_counted_whatever_the_header_says(tmp_path, name):
  path = tmp_path / name
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    for number in range(7):
      frame = av.VideoFrame.from_ndarray(_frame(number), 'rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  assert videos.count(path) == 7


def test_frames_that_a_cut_has_hidden_are_not_counted(tmp_path):
  whole = _write(tmp_path / 'whole.mp4', 12)
  content = whole.read_bytes()
  # The edit list shows the second half: its start in the stream's time.
  place = content.index(b'elst') + 4 + 8 + 4
  with av.open(str(whole)) as container:
    stream = container.streams.video[0]
    ticks = int(0.6 / stream.time_base)
  offset = struct.unpack('>i', content[place:place + 4])[0]
  packed = struct.pack('>i', offset + ticks)
  path = tmp_path / 'cut.mp4'
  path.write_bytes(content[:place] + packed + content[place + 4:])
  shown = [round(_blob(frame)[1]) for frame in videos.frames(path)]
  assert shown == [4 * n + 4 for n in range(6, 12)]
  assert videos.count(path) == 6


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('v.mp4', {'movflags': 'faststart'}),
        ('v.mp4', {'movflags': 'frag_keyframe+empty_moov'}),
        ('v.mkv', {}),
        ('v.avi', {}),
        ('v.ts', {}),
        ('v.wmv', {}),
    ],
)
def test_a_file_that_was_cut_is_not_taken_for_whole(tmp_path, name, options):
  path = tmp_path / name
  rng = np.random.default_rng(0)
  with av.open(str(path), 'w', options=options) as container:
    codec = 'mpeg2video' if name == 'v.ts' else 'mpeg4'
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    for _ in range(60):
      pixels = rng.integers(0, 256, (48, 64, 3), np.uint8)
      frame = av.VideoFrame.from_ndarray(pixels, 'rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  assert len(list(videos.frames(path))) == videos.count(path) == 60
  whole = path.read_bytes()
  for size in (len(whole) // 2 + 1, len(whole) - 100):
    path.write_bytes(whole[:size])
    for function in (videos.frames, lambda p: [videos.count(p)]):
      said = _one_line(function, path)
      assert f': ends after {size} bytes, expected ' in said
      assert ', as its header promises: the file was cut' in said


def test_the_same_frames_make_the_same_file(tmp_path):
  # Every second file was another, by what the memory held before.
  rng = np.random.default_rng(0)
  blocks = rng.integers(0, 256, (14, 8, 12, 3), np.uint8)
  frames = np.kron(blocks, np.ones((1, 8, 8, 1), np.uint8))[:, :60, :90]
  found = set()
  for _ in range(20):
    path = tmp_path / 'clip.mp4'
    with videos.writing(path, size=(60, 90), fps=25.0) as append:
      for frame in frames:
        rng.integers(0, 256, rng.integers(1000, 200_000)).astype(np.uint8)
        append(frame)
    found.add(path.read_bytes())
  assert len(found) == 1
