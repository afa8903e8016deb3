"""How label files name the frames of a video."""

import pathlib


def frame_name(video: str, number: int) -> str:
  """The name of a frame of a video: its stem, and its number from 0."""
  return f'{pathlib.PurePath(video).stem}/img{number:08d}.png'
