"""Videos: probing them, reading their frames, writing them, with PyAV.

A frame is uint8 `[H, W, 3]`, RGB, as a player shows it: turned and mirrored by
the file's display matrix, and without its transparency. Frames are numbered
from 0 in the order in which they are shown, without those that an edit list
hides. A frame that AVI repeats by an empty chunk counts once, as in OpenCV.
Pixels that are not square stay so: points are in stored pixels. The two fields
of interlaced video make one frame.

PyAV is an extra, `video`, imported only where it is used.
"""

import contextlib
import dataclasses
import fractions
import pathlib
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError
from eqlandmarks.media import video_lengths
from eqlandmarks.media.video_display import as_shown
from eqlandmarks.system import files

EXTENSIONS = (
    '.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv',
    '.flv', '.ogv', '.ts', '.mts', '.3gp',
)  # fmt: skip

# Pixels of a frame; 8192 x 8192 are fewer. A tiny file can promise frames that
# fill the memory.
LARGEST = 90_000_000


@dataclasses.dataclass(frozen=True)
class Video:
  """What a video's file says of it.

  Attributes:
    size: (height, width) of its frames as shown, in pixels.
    fps: frames per second, on average.
    count: frames that the file announces, not always correctly; 0 if none.
  """

  size: tuple[int, int]
  fps: float
  count: int


def probe(path: pathlib.Path) -> Video:
  """Reads a video's header and decodes its first frame."""
  with opened(path) as stream:
    # The default only decides how fast an overlay video plays.
    fps = float(stream.average_rate or stream.guessed_rate or 25)
    count = video_lengths.promised(stream)
    # With sound, the duration may be that of the sound.
    alone = len(stream.container.streams) == 1
    if not count and alone and stream.duration:
      count = round(stream.duration * stream.time_base * fps)
  first = next(frames(path), None)
  if first is None:
    raise UserError(f'{path}: holds no frame, expected a video of at least one')
  return Video(first.shape[:2], fps, count)


def frames(path: pathlib.Path, start: int = 0) -> Iterator[np.ndarray]:
  """Yields the frames of a video from number `start`, uint8 `[H, W, 3]`.

  Raises:
    UserError: the file is no video, or a frame does not decode or is of another
      size than the first one.
  """
  # All frames are decoded: time stamps do not always tell a frame's number.
  for number, frame in _decoded(path):
    if number >= start:
      yield as_shown(path, frame)


def pick(
    path: pathlib.Path, numbers: Iterable[int]
) -> Iterator[tuple[int, np.ndarray]]:
  """Yields (number, frame) of some ascending numbers, in one pass.

  Raises:
    UserError: as for `frames`, or the video ends before the last number.
  """
  decoded, seen = _decoded(path), 0
  for wanted in numbers:
    for number, frame in decoded:
      seen = number + 1
      if number == wanted:
        yield number, as_shown(path, frame)
        break
    else:
      raise UserError(
          f'{path}: only {seen} frames decode, expected frame {wanted} as its '
          'header promises; ffmpeg can write the file anew'
      )


def count(path: pathlib.Path) -> int:
  """The number of frames that decode, where `Video.count` will not do.

  All frames are decoded unless the file holds as many packets as it announces.
  """
  # Errors of demuxing are reported when the frames are decoded.
  with opened(path) as stream, contextlib.suppress(_av().FFmpegError):
    packets = sum(
        packet.size > 0 and not packet.is_discard
        for packet in stream.container.demux(stream)
    )
    expected = video_lengths.promised(stream)
    # A packet of MPEG-4 may hold no frame ("as before") or two.
    if packets == expected > 0 and stream.codec_context.name != 'mpeg4':
      return packets
  return sum(1 for _ in _decoded(path))


@contextlib.contextmanager
def writing(
    path: pathlib.Path, *, size: tuple[int, int], fps: float
) -> Iterator[Callable[[np.ndarray], None]]:
  """Writes an mp4, whole or not at all: of H.264, otherwise of MPEG-4.

  Both need even sides: odd ones get a copy of the last row or column.

  Args:
    path: the file, which is replaced.
    size: (height, width) of the frames.
    fps: frames per second.

  Yields:
    A function that takes the next frame, uint8 `[H, W, 3]`.

  Raises:
    UserError: the file cannot be written.
  """
  try:
    with (
        files.replacing(path) as partial,
        _av().open(
            str(partial), 'w', format='mp4', options={'movflags': 'faststart'}
        ) as container,
    ):
      stream = _add_stream(container, size, fps)

      def append(frame: np.ndarray) -> None:
        missing = [(0, side % 2) for side in frame.shape[:2]]
        pixels = np.pad(frame, (*missing, (0, 0)), mode='edge')
        image = _av().VideoFrame.from_ndarray(pixels, format='rgb24')
        container.mux(stream.encode(image))

      yield append
      container.mux(stream.encode())
  except (OSError, _av().FFmpegError) as error:
    raise UserError(
        f'{path}: cannot be written ({files.reason(error)}), expected a folder '
        'with room that can be written to'
    ) from error


def _av() -> types.ModuleType:
  try:
    import av
  except ImportError as error:
    raise UserError(
        "the library 'av' is not installed, expected it for videos: pip "
        'install av'
    ) from error
  return av


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[Any]:
  """The first video stream of a file, while the block lasts."""
  av = _av()
  try:
    video_lengths.check_bytes(path)  # also that it is a regular file
    # Without 'file:', a name with a colon is one of a protocol. A playlist that
    # calls itself a video must not fetch anything.
    only_this_file = {'protocol_whitelist': 'file'}
    container = av.open(f'file:{path}', options=only_this_file)
  except (av.FFmpegError, OSError) as error:
    raise UserError(
        f'{path}: does not open as a video ({files.reason(error)}), expected '
        'an intact one'
    ) from error
  with container:
    if not container.streams.video:
      raise UserError(f'{path}: holds no pictures, expected a video')
    stream = container.streams.video[0]
    if stream.width * stream.height > LARGEST:
      raise UserError(
          f'{path}: its frames are {stream.width} x {stream.height} pixels, '
          f'expected at most {LARGEST} in all'
      )
    # A frame can be larger than what the header says.
    stream.codec_context.options = {'max_pixels': str(LARGEST)}
    stream.thread_type = 'AUTO'
    yield stream


def _decoded(path: pathlib.Path) -> Iterator[tuple[int, Any]]:
  """Yields numbers and frames; checks that they have one size and are all."""
  number, size, packets, end = 0, None, 0, 0.0
  with opened(path) as stream:
    try:
      for packet in stream.container.demux():
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None:
          time += packet.duration or 0
          end = max(end, float(time * packet.time_base))
        if packet.stream is not stream:
          continue
        packets += packet.size > 0
        for frame in packet.decode():
          size = size or (frame.width, frame.height)
          if (frame.width, frame.height) != size:
            raise UserError(
                f'{path}: frame {number} is {frame.width} x {frame.height} '
                f'pixels, expected {size[0]} x {size[1]} as frame 0 is'
            )
          yield number, frame
          number += 1
    except _av().FFmpegError as error:
      raise UserError(
          f'{path}: frame {number} does not decode ({files.reason(error)}), '
          'expected an intact video'
      ) from error
    video_lengths.check_read(path, stream, number, packets, end)


def _add_stream(container: Any, size: tuple[int, int], fps: float) -> Any:
  """A stream of H.264, or of MPEG-4, with the sides made even."""
  # MPEG-4 counts time in 16 bits; 1001 is what 29.97 and its like need.
  largest = max(1, min(1001, int(65535 / fps)))
  rate = fractions.Fraction(fps).limit_denominator(largest)
  height, width = (side + side % 2 for side in size)
  if 'libx264' in _av().codecs_available:
    # With mbtree, the same frames make another file about every second time
    # (PyAV 18.1, on AVX-512).
    options = {
        'crf': '20', 'preset': 'veryfast', 'x264-params': 'mbtree=0',
    }  # fmt: skip
    stream = container.add_stream('libx264', rate=rate, options=options)
  else:
    stream = container.add_stream('mpeg4', rate=rate)
    stream.bit_rate = int(0.3 * height * width * fps)
  stream.height, stream.width, stream.pix_fmt = height, width, 'yuv420p'
  return stream
