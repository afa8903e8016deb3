"""How a browser plays a video's file itself: whether, and which frame when."""

import pathlib

from eqlandmarks.media import videos

# Containers, and what browsers call them; codecs that all of them decode.
_KINDS = {
    '.mp4': 'video/mp4', '.m4v': 'video/mp4', '.mov': 'video/mp4',
    '.webm': 'video/webm',
}  # fmt: skip
_CODECS = ('h264', 'vp8', 'vp9', 'av1', 'libvpx', 'libvpx-vp9', 'libdav1d')
_FORMATS = ('yuv420p', 'yuvj420p')


def kind(path: pathlib.Path) -> str:
  """The MIME type of a video that browsers are known to play; '' of others."""
  with videos.opened(path) as stream:
    plays = stream.codec_context.name in _CODECS
    if not plays or stream.codec_context.pix_fmt not in _FORMATS:
      return ''
  return _KINDS.get(path.suffix.lower(), '')


def times(path: pathlib.Path, count: int, fps: float) -> list[float]:
  """When each of the frames is shown, in seconds from the first one.

  By the time stamps of the file, or evenly where it has not one for each frame.

  Args:
    path: the video.
    count: its number of frames.
    fps: frames per second, on average.
  """
  with videos.opened(path) as stream:
    base = stream.time_base
    stamps = sorted(
        float(packet.pts * base)
        for packet in stream.container.demux(stream)
        if packet.pts is not None and packet.size and not packet.is_discard
    )
  if len(stamps) != count or len({*stamps}) != count:
    return [number / fps for number in range(count)]
  return [round(stamp - stamps[0], 6) for stamp in stamps]
