"""Frames are turned and mirrored as a player does it."""

import struct

import av
import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.media import videos

_HEIGHT, _WIDTH = 48, 64


@pytest.fixture(scope='module')
def video(tmp_path_factory):
  path = tmp_path_factory.mktemp('videos') / 'plain.mp4'
  pixels = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
  pixels[8:16, 0:16] = 255
  pixels[8:16, 16:32] = 120
  with videos.writing(path, size=pixels.shape[:2], fps=10.0) as append:
    for _ in range(3):
      append(pixels)
  return path


def _with_matrix(video, path, matrix):
  """A copy with another display matrix [[a, b], [c, d]] in the box `tkhd`."""
  content = video.read_bytes()
  # Behind the box's name, and 40 bytes: version, times, number, volume.
  place = content.index(b'tkhd') + 4 + 40
  (a, b), (c, d) = matrix
  # Where the corner goes that would be left of or above the picture.
  x = max(0, -a * _WIDTH) + max(0, -c * _HEIGHT)
  y = max(0, -b * _WIDTH) + max(0, -d * _HEIGHT)
  numbers = [round(65536 * n) for n in (a, b, 0, c, d, 0, x, y)]
  packed = struct.pack('>9i', *numbers, 1 << 30)
  path.write_bytes(content[:place] + packed + content[place + 36:])
  return path


@pytest.mark.parametrize(
    'matrix',
    [
        ((a, 0), (0, d)) for a in (1, -1) for d in (1, -1)
    ] + [((0, b), (c, 0)) for b in (1, -1) for c in (1, -1)],
)  # fmt: skip
def test_all_eight_matrices(video, tmp_path, matrix):
  path = _with_matrix(video, tmp_path / 'x.mp4', matrix)
  plain = next(videos.frames(video))
  (a, b), (c, d) = matrix
  turned = bool(b)
  expected = np.empty((_WIDTH, _HEIGHT, 3) if turned else plain.shape, np.uint8)
  # Each pixel by itself, its centre moved as the matrix says.
  for row in range(_HEIGHT):
    for column in range(_WIDTH):
      x = a * (column + 0.5) + c * (row + 0.5)
      y = b * (column + 0.5) + d * (row + 0.5)
      x %= _HEIGHT if turned else _WIDTH
      y %= _WIDTH if turned else _HEIGHT
      expected[int(y), int(x)] = plain[row, column]
  np.testing.assert_array_equal(next(videos.frames(path)), expected)
  assert videos.probe(path).size == expected.shape[:2]
  assert videos.count(path) == 3


def test_nearly_a_quarter_turn_is_one(video, tmp_path):
  path = _with_matrix(video, tmp_path / 'x.mp4', ((0.005, 1), (-1, 0.005)))
  expected = np.rot90(next(videos.frames(video)), -1)
  np.testing.assert_array_equal(next(videos.frames(path)), expected)


def test_a_broken_matrix_turns_nothing(video, tmp_path):
  path = _with_matrix(video, tmp_path / 'x.mp4', ((0, 0), (0, 0)))
  expected = next(videos.frames(video))
  np.testing.assert_array_equal(next(videos.frames(path)), expected)


def test_other_turns_are_refused(video, tmp_path):
  path = _with_matrix(video, tmp_path / 'x.mp4', ((0.8, 0.6), (-0.6, 0.8)))
  for function in (videos.probe, lambda path: list(videos.frames(path))):
    with pytest.raises(errors.UserError) as error:
      function(path)
    said = f'{path}: is shown turned by 37 degrees, expected a multiple of 90'
    assert str(error.value).startswith(said)


def _coded(path, codec, pix_fmt, shape, pixels=None, **options):
  """A video of two frames in some pixel format, and what was drawn."""
  rows, columns = np.mgrid[:shape[0], :shape[1]]
  drawn = np.stack([4 * rows, 3 * columns, 255 - 4 * rows], -1)
  drawn = drawn.clip(0, 255).astype(np.uint8)
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=10)
    stream.width, stream.height = shape[1], shape[0]
    stream.pix_fmt = pix_fmt
    stream.options = options
    for _ in range(2):
      frame = av.VideoFrame.from_ndarray(drawn, 'rgb24')
      container.mux(stream.encode(frame.reformat(format=pix_fmt)))
    container.mux(stream.encode())
  return drawn


@pytest.mark.parametrize(
    ('name', 'codec', 'pix_fmt', 'shape', 'options'),
    [
        ('x.mkv', 'ffv1', 'yuv444p10le', (40, 60), {}),
        ('x.mkv', 'ffv1', 'yuv422p10le', (40, 60), {}),
        ('x.mkv', 'ffv1', 'bgra', (40, 60), {}),
        ('x.mkv', 'ffv1', 'gray', (40, 60), {}),
        ('x.mkv', 'ffv1', 'gray16le', (40, 60), {}),
        ('x.mkv', 'ffv1', 'yuv444p', (41, 63), {}),
        ('x.mkv', 'ffv1', 'yuv420p', (41, 63), {}),
        ('x.avi', 'mjpeg', 'yuvj444p', (41, 63), {'qscale': '1'}),
        ('x.mov', 'qtrle', 'argb', (40, 60), {}),
        ('x.mp4', 'mpeg4', 'yuv420p', (40, 60), {'flags': '+ilme+ildct'}),
    ],
)
def test_kinds_of_pixels(tmp_path, name, codec, pix_fmt, shape, options):
  drawn = _coded(tmp_path / name, codec, pix_fmt, shape, **options)
  if pix_fmt.startswith('gray'):
    grey = drawn @ np.array([0.299, 0.587, 0.114])
    drawn = np.repeat(grey[..., None], 3, -1)
  found = list(videos.frames(tmp_path / name))
  assert len(found) == 2
  for frame in found:
    assert frame.shape == (*shape, 3)
    assert np.abs(frame - drawn.astype(float)).mean() < 4


def test_pixels_that_are_not_square_stay_so(tmp_path):
  path = tmp_path / 'x.mp4'
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libx264', rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    stream.codec_context.sample_aspect_ratio = 2
    for _ in range(2):
      frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  assert videos.probe(path).size == (48, 64)
