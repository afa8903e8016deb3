"""Videos: frames in, frames out, by PyAV (the extra `video`).

**Convention.** Frames are uint8 `[height, width, 3]` RGB as displayed: turned
as the file says (phones film sideways), in display order, numbered from 0. A
frame's number is its place among all frames that decode, not its time. Pixels
that are not square stay as they are stored.

Nothing here needs JAX, and PyAV is imported only when it is used.
"""

import contextlib
import dataclasses
import fractions
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError

EXTENSIONS = (
    '.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv',
    '.flv', '.ts', '.mts', '.m2ts', '.3gp', '.ogv',
)  # fmt: skip
# What raw streams, which carry no rate, are shown at by FFmpeg, too.
_UNKNOWN_FPS = 25.0


@dataclasses.dataclass(frozen=True)
class Probe:
  """What a video is.

  Attributes:
    height: of the frames as displayed, in pixels.
    width: the same.
    fps: frames per second, on average.
    count: number of frames, at least 1.
  """

  height: int
  width: int
  fps: float
  count: int


def probe(path: str | os.PathLike) -> Probe:
  """Size, rate and length of a video.

  The header's count is taken where the file holds as many packets; else, all
  frames are decoded and counted.

  Raises:
    UserError: the file cannot be read, or holds no frame.
  """
  path = pathlib.Path(path)
  first = next(_decoded(path), None)
  if first is None:
    raise UserError(f'{path}: holds no frame that decodes, expected a video')
  with _opened(path) as (container, stream):
    rate = stream.average_rate or stream.guessed_rate or _UNKNOWN_FPS
    packets = sum(
        packet.size > 0 and not packet.is_discard
        for packet in container.demux(stream)
    )
    count = stream.frames
  if not count or count != packets:
    count = sum(1 for _ in _decoded(path))
  height, width = _displayed_size(first[1])
  return Probe(height, width, float(rate), count)


def frames(
    path: str | os.PathLike, start: int = 0, every: int = 1
) -> Iterator[tuple[int, np.ndarray]]:
  """The frames of a video, decoded one after another.

  Args:
    path: the video.
    start: number of the first frame to yield. Those before it are decoded, too:
      seeking by time is not exact to the frame.
    every: yields frames `start`, `start + every`, ...

  Yields:
    A frame's number and its pixels `[height, width, 3]`, uint8 RGB.

  Raises:
    UserError: the file cannot be read, breaks off in a way that does not
      decode, or its frames change their size.
  """
  for number, frame in _decoded(pathlib.Path(path)):
    if number >= start and (number - start) % every == 0:
      yield number, _pixels(frame)


def pick(
    path: str | os.PathLike, numbers: Iterable[int]
) -> Iterator[tuple[int, np.ndarray]]:
  """Like `frames`, but the frames of some numbers.

  Args:
    path: the video.
    numbers: in ascending order, without repetition.

  Raises:
    UserError: as for `frames`, or the video ends before the last number.
  """
  wanted = iter(numbers)
  waiting, seen = next(wanted, None), 0
  if waiting is None:
    return
  for number, frame in _decoded(pathlib.Path(path)):
    seen = number + 1
    if number == waiting:
      yield number, _pixels(frame)
      waiting = next(wanted, None)
      if waiting is None:
        return
  raise UserError(
      f'{path}: only {seen} frames decode, expected frame {waiting} as its '
      'header promises; ffmpeg can write the file anew'
  )


@contextlib.contextmanager
def write(
    path: str | os.PathLike, fps: float, size: tuple[int, int]
) -> Iterator[Callable[[np.ndarray], None]]:
  """Writes an mp4 (H.264), which appears under its name when it is whole.

  Args:
    path: the file to write; its folder must be there.
    fps: frames per second.
    size: (height, width) of the frames. The format has even sides only: to an
      odd one, a copy of the last row or column is added.

  Yields:
    A function that appends a frame `[height, width, 3]`, uint8 RGB.

  Raises:
    UserError: the file cannot be written. Nothing of it stays behind.
  """
  av, path = _import_av(), pathlib.Path(path)
  partial = path.with_name(path.name + '.partial')
  try:
    with av.open(str(partial), 'w', format='mp4') as container:
      stream = _new_stream(container, fps, size)

      def append(frame: np.ndarray) -> None:
        if frame.shape != (*size, 3):
          raise ValueError(f'frame is {frame.shape}, expected {(*size, 3)}.')
        even = np.pad(
            frame, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode='edge'
        )
        picture = av.VideoFrame.from_ndarray(even, format='rgb24')
        container.mux(stream.encode(picture))

      yield append
      container.mux(stream.encode())
    partial.rename(path)
  except (av.FFmpegError, OSError) as error:
    raise UserError(
        f'{path}: cannot be written ({_reason(error)}), expected a folder with '
        'room'
    ) from error
  finally:
    partial.unlink(missing_ok=True)


def _new_stream(container: Any, fps: float, size: tuple[int, int]) -> Any:
  rate = fractions.Fraction(fps).limit_denominator(1001)  # 30000/1001 is one
  stream = container.add_stream('libx264', rate=rate, options={'crf': '18'})
  stream.height, stream.width = (side + side % 2 for side in size)
  stream.pix_fmt = 'yuv420p'  # the one that every player knows
  return stream


def _import_av() -> Any:
  try:
    import av
  except ImportError as error:
    raise UserError(
        'videos need PyAV, which is not installed, expected '
        "pip install 'eqlandmarks[video]' (or av)"
    ) from error
  return av


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[tuple[Any, Any]]:
  """The container and its video stream; what goes wrong is a UserError."""
  av = _import_av()
  try:
    with av.open(str(path)) as container:
      stream = container.streams.best('video')
      if stream is None:
        raise UserError(f'{path}: holds no video, expected a video')
      stream.thread_type = 'AUTO'  # of all cores, not one
      yield container, stream
  except (av.FFmpegError, OSError) as error:
    raise UserError(
        f'{path}: cannot be read ({_reason(error)}), expected an intact video'
    ) from error


def _decoded(path: pathlib.Path) -> Iterator[tuple[int, Any]]:
  """Numbers and PyAV frames, all of one size."""
  first = None
  with _opened(path) as (container, stream):
    for number, frame in enumerate(container.decode(stream)):
      size = _displayed_size(frame)
      first = first or size
      if size != first:
        raise UserError(
            f'{path}: frame {number} is {size[1]} x {size[0]} pixels, expected '
            f'{first[1]} x {first[0]} as in frame 0'
        )
      yield number, frame


def _quarter_turns(frame: Any) -> int:
  """By how many right angles a frame is turned, counter-clockwise."""
  return round(frame.rotation / 90) % 4


def _displayed_size(frame: Any) -> tuple[int, int]:
  size = frame.height, frame.width
  return size[::-1] if _quarter_turns(frame) % 2 else size


def _pixels(frame: Any) -> np.ndarray:
  pixels = frame.to_ndarray(format='rgb24')
  return np.ascontiguousarray(np.rot90(pixels, _quarter_turns(frame)))


def _reason(error: Exception) -> str:
  return getattr(error, 'strerror', None) or ' '.join(str(error).split())
