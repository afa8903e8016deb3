"""Checks the sizes that label files state against those of the images.

Images that were resized since they were labelled, or are shown turned where the
labelling program did not turn them, would get their points in the wrong places.
Square images that EXIF turns, and images that it mirrors or turns by half a
circle, have the same size either way, so that nothing can be said of them.
"""

import pathlib
from collections.abc import Callable, Mapping

from eqlandmarks.datasets.annotations.label_rows import Row
from eqlandmarks.errors import UserError
from eqlandmarks.media import images


def check(
    rows: Mapping[str, Row],
    form: str,
    size_of: Callable[[str], tuple[int, int]],
    file_of: Callable[[str], pathlib.Path | None],
) -> None:
  """Refuses labels that were made on images of other sizes.

  Args:
    rows: path of an image, or id of a frame -> labels.
    form: the format of the labels.
    size_of: (height, width) of an image or frame as shown, in pixels.
    file_of: the file of an image; None for a frame of a video.

  Raises:
    UserError: a size is another one than its label file states.
  """
  for path, row in rows.items():
    # SLEAP states the size of many images by the first, labelled or not.
    if row.size is None or not (row.labelled or form == 'sleap'):
      continue
    size = size_of(path)
    if size != row.size:
      raise UserError(_message(path, row, size, file_of(path)))


def _message(
    path: str, row: Row, size: tuple[int, int], file: pathlib.Path | None
) -> str:
  text = (
      f'{row.where}: found the size {row.size[1]} x {row.size[0]} for {path}, '
      f'which is shown with {size[1]} x {size[0]} pixels (width x height), '
      'expected labels of images of the same size'
  )
  if row.size == size[::-1] and file is not None and images.is_turned(file):
    text += (
        '; its EXIF orientation turns it: where the points are those of the '
        'picture that is not turned, take the orientation out of the file '
        "('exiftool -Orientation= FILE'), otherwise correct the label file's "
        'width and height'
    )
  return text
