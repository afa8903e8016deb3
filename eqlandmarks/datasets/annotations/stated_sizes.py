"""Checks the sizes that label files state against those of the images.

Images that were resized since they were labelled, or are shown turned where the
labelling program did not turn them, would get their points in the wrong places.
Square images that EXIF turns, and images that it mirrors or turns by half a
circle, have the same size either way, so nothing reveals them.
"""

import pathlib
from collections.abc import Callable

from eqlandmarks.errors import UserError
from eqlandmarks.formats import Poses
from eqlandmarks.media import images


def check(
    poses: Poses,
    form: str,
    size_of: Callable[[str], tuple[int, int]],
    file_of: Callable[[str], pathlib.Path | None],
) -> None:
  """Refuses labels that were made on images of other sizes.

  Args:
    poses: the labels, of images or of frames by their ids.
    form: the format of the labels.
    size_of: (height, width) of an image or frame as shown, in pixels.
    file_of: the file of an image; None for a frame of a video.

  Raises:
    UserError: a size is another one than its label file states.
  """
  if poses.sizes is None:
    return
  for n, path in enumerate(poses.images):
    stated = tuple(poses.sizes[n].tolist())
    # SLEAP states the size of many images by the first, labelled or not.
    if not all(stated) or not (poses.labelled[n] or form == 'sleap'):
      continue
    size = size_of(path)
    if size == stated:
      continue
    text = (
        f'{poses.where[n]}: found the size {stated[1]} x {stated[0]} for '
        f'{path}, which is shown with {size[1]} x {size[0]} pixels (width x '
        'height), expected labels of images of the same size'
    )
    file = file_of(path)
    if stated == size[::-1] and file is not None and images.is_turned(file):
      text += (
          '; its EXIF orientation turns it: where the points are those of the '
          'picture that is not turned, take the orientation out of the file '
          "('exiftool -Orientation= FILE'), otherwise correct the label file's "
          'width and height'
      )
    raise UserError(text)
