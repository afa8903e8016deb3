"""Whole files are read to their end, and no frame more than is shown."""

import struct

import av
import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets.video import sources as video_sources
from eqlandmarks.media import videos
from eqlandmarks.predictor import inputs

# A frame is a gray level; the media's clock has 1024 ticks for each.
_STEP, _TICKS = 8, 1024


def _level(frame):
  """Which frame this is, by its gray level."""
  return round(float(frame[..., 0].mean()) / _STEP)


def _levels(path):
  levels = [_level(frame) for frame in videos.frames(path)]
  assert videos.count(path) == len(levels)
  return levels


def _write(
    path, count=30, codec='libx264', *, sound='', seconds=0.0, form=None,
    offset=0, gaps=False, rate=10, options=(),
):  # fmt: skip
  """Frames of one gray level each, and silence of some seconds."""
  with av.open(
      str(path), 'w', format=form, options=dict(options)
  ) as container:
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    stream.gop_size = 12
    silent = container.add_stream(sound, rate=48000) if sound else None
    if silent:
      silent.bit_rate = 128_000
    for number in range(count):
      pixels = np.full((48, 64, 3), _STEP * number, np.uint8)
      frame = av.VideoFrame.from_ndarray(pixels, 'rgb24')
      frame.pts = offset + number + 3 * gaps * (number // 5)
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
    if silent:
      _add_silence(container, silent, seconds)
  return path


def _add_silence(container, stream, seconds):
  size = stream.codec_context.frame_size or 1024
  form, layout = stream.codec_context.format, stream.codec_context.layout
  for number in range(int(seconds * 48000 / size)):
    frame = av.AudioFrame(form.name, layout.name, size)
    for plane in frame.planes:
      plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts = 48000, number * size
    container.mux(stream.encode(frame))
  container.mux(stream.encode())


def _edited(source, path, edits):
  """A copy that shows parts: (first frame, frames), (None, frames) nothing."""
  content = source.read_bytes()
  start = content.index(b'elst') - 4
  # Its one edit says at which tick of the media the first frame is.
  (first,) = struct.unpack('>i', content[start + 20:start + 24])
  entries = b''
  for number, count in edits:
    media = -1 if number is None else first + number * _TICKS
    entries += struct.pack('>IiI', 100 * count, media, 1 << 16)
  box = struct.pack('>I4sII', 16 + len(entries), b'elst', 0, len(edits))
  grown = len(entries) - 12
  copy = bytearray(content)
  for name in (b'moov', b'trak', b'edts'):
    place = content.rindex(name, 0, start) - 4
    (size,) = struct.unpack('>I', content[place:place + 4])
    copy[place:place + 4] = struct.pack('>I', size + grown)
  path.write_bytes(copy[:start] + box + entries + copy[start + 28:])
  return path


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  return _write(tmp_path_factory.mktemp('videos') / 'whole.mp4')


@pytest.mark.parametrize('name', ['x.mp4', 'x.mov'])
@pytest.mark.parametrize(
    ('edits', 'shown'),
    [
        ([(0, 30)], range(30)),
        ([(12, 18)], range(12, 30)),  # a key frame starts it
        ([(7, 23)], range(7, 30)),
        ([(0, 11)], range(11)),
        ([(7, 10)], range(7, 17)),
        ([(13, 1)], [13]),
        ([(2, 3), (20, 4)], [2, 3, 4, 20, 21, 22, 23]),
        ([(None, 5), (4, 3)], [4, 5, 6]),
        ([(None, 5), (0, 30)], range(30)),
        ([(20, 3), (1, 2)], [20, 21, 22, 1, 2]),
    ],
)
def test_edit_lists_show_what_they_say(whole, tmp_path, name, edits, shown):
  path = _edited(whole, tmp_path / name, edits)
  assert _levels(path) == list(shown)
  assert videos.probe(path).count == len(shown)
  picked = videos.pick(path, [len(shown) - 1])
  assert [_level(frame) for _, frame in picked] == [shown[-1]]


def test_a_trimmed_file_that_was_cut(tmp_path):
  path = _write(tmp_path / 'x.mp4', options={'movflags': 'faststart'})
  content = path.read_bytes()
  path.write_bytes(content[:-300])
  with pytest.raises(errors.UserError, match='the file was cut'):
    videos.count(path)


@pytest.mark.parametrize(
    ('name', 'codec', 'sound'),
    [
        ('x.mkv', 'libx264', 'aac'),
        ('x.webm', 'libvpx', 'libopus'),
        ('x.ts', 'libx264', 'aac'),
        ('x.mp4', 'libx264', 'aac'),
        ('x.mov', 'libx264', 'aac'),
        ('x.flv', 'flv', 'aac'),
        ('x.avi', 'mpeg4', 'mp3'),
        ('x.wmv', 'wmv2', 'wmav2'),
    ],
)
def test_sound_may_be_longer_than_the_picture(tmp_path, name, codec, sound):
  path = _write(tmp_path / name, codec=codec, sound=sound, seconds=12.0)
  assert len(_levels(path)) == 30
  assert videos.probe(path).count in (0, 30)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('x.ts', {'form': 'mpegts', 'offset': 360_000}),  # ten hours
        ('x.ts', {'form': 'mpegts', 'gaps': True}),
        ('x.mts', {'form': 'mpegts', 'options': {'mpegts_m2ts_mode': '1'}}),
        ('x.mkv', {'offset': 1000}),
        ('x.mkv', {'gaps': True}),
        ('x.mp4', {'gaps': True}),
        ('x.mp4', {'offset': 1000}),
        ('x.mp4', {'options': {'movflags': 'frag_keyframe+empty_moov'}}),
        ('x.webm', {'codec': 'libvpx', 'options': {'live': '1'}}),
        ('x.webm', {'codec': 'libvpx', 'options': {'live': '1'},
                    'offset': 500}),
        ('x.mpg', {'codec': 'mpeg2video', 'rate': 25}),
    ],
)  # fmt: skip
def test_clocks_that_start_late_or_have_gaps(tmp_path, name, options):
  assert _levels(_write(tmp_path / name, **options)) == list(range(30))


def _avi_with_repeats(path, repeats):
  """An AVI in which empty chunks follow some frames."""
  _write(path, 24, 'mpeg4')
  content = path.read_bytes()
  movi, index = content.index(b'movi'), content.index(b'idx1')
  place, chunks = movi + 4, []
  while place + 8 <= index and content[place:place + 4] == b'00dc':
    (size,) = struct.unpack('<I', content[place + 4:place + 8])
    chunks.append(content[place + 8:place + 8 + size])
    place += 8 + size + size % 2
  chunks = [
      b'' if number in repeats else chunk
      for number, chunk in enumerate(chunks)
  ]
  body, entries = b'', b''
  for number, chunk in enumerate(chunks):
    entries += b'00dc' + struct.pack(
        '<III', 16 * (number == 0), 4 + len(body), len(chunk)
    )
    body += b'00dc' + struct.pack('<I', len(chunk)) + chunk
    body += bytes(len(chunk) % 2)
  content = (
      content[:movi - 4] + struct.pack('<I', 4 + len(body)) + b'movi' + body
      + b'idx1' + struct.pack('<I', len(entries)) + entries
  )
  size = struct.pack('<I', len(content) - 8)
  path.write_bytes(content[:4] + size + content[8:])
  return path


@pytest.mark.parametrize('repeats', [[5, 6, 11, 17], [22, 23], [9]])
def test_frames_that_avi_repeats(tmp_path, repeats):
  path = _avi_with_repeats(tmp_path / 'x.avi', repeats)
  assert len(_levels(path)) == videos.probe(path).count == 24 - len(repeats)


def test_what_cameras_append(tmp_path):
  for name in ('x.mp4', 'x.avi', 'x.mkv'):
    path = _write(tmp_path / name, codec='mpeg4')
    for tail in (bytes(3000), b'\xff\xf0SEFT of a camera' * 9):
      content = path.read_bytes()
      path.write_bytes(content + tail)
      assert len(_levels(path)) == 30
      path.write_bytes(content)


@pytest.mark.parametrize(
    'name',
    ['a b.mp4', 'ä.mp4', '100%d.mp4', '%03d.mp4', '#1.mp4', 'a:b.mp4',
     'file:x.mp4', 'a\nb.mp4', "it's?.mp4", '[1-3].mp4'],
)  # fmt: skip
def test_names(whole, tmp_path, monkeypatch, name):
  (tmp_path / name).write_bytes(whole.read_bytes())
  monkeypatch.chdir(tmp_path)
  for path in (tmp_path / name, (tmp_path / name).relative_to(tmp_path)):
    assert videos.count(path) == videos.probe(path).count == 30


def test_videos_of_one_name_have_frames_of_their_own(whole, tmp_path):
  names = ['a/x.mp4', 'b/x.mp4', 'b/x.mov', 'b c/ä#%d.mp4', 'x.mp4']
  for name in names:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(whole.read_bytes())
  root, found, _ = video_sources.find(tmp_path)
  assert sorted(found) == sorted(names)
  known = video_sources.probe_all(root, found, None, False, [])
  ids = {video_sources.frame_id(name, n) for name in known for n in range(30)}
  assert len(ids) == 5 * 30
  source = inputs.open_source(tmp_path / 'b c/ä#%d.mp4')
  assert len({entry.id for entry in source.read(0)}) == source.count == 30
