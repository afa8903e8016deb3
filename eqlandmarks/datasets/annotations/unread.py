"""Says which images of a folder are of formats that are not read."""

import collections
import pathlib
import posixpath

from eqlandmarks.formats import paths
from eqlandmarks.media import finding


def note(root: pathlib.Path, exclude: tuple[str, ...] = ()) -> str:
  """A line for the images that are not read for their endings; '' for none."""
  names = [
      path for path in finding.find_images(root, paths.UNREAD)
      if not finding.matches(path, exclude)
  ]
  if not names:
    return ''
  counts = collections.Counter(map(_ending, names))
  kinds = [f'{count} files {ending}' for ending, count in counts.most_common()]
  return (
      f'images: {", ".join(kinds)} are left out, the first is {names[0]}: such '
      'files are not read; save them as .png or .jpg'
  )


def is_unread(path: str) -> bool:
  """Whether a path is that of an image of a format that is not read."""
  return _ending(path) in paths.UNREAD


def _ending(path: str) -> str:
  return posixpath.splitext(path)[1].lower()
