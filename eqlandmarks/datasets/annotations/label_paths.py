"""Finds the images that paths in label files mean, where folders differ."""

import os
import pathlib
import posixpath
from collections.abc import Mapping, Sequence

from eqlandmarks.datasets.base.fields import Fields
from eqlandmarks.errors import UserError
from eqlandmarks.formats import paths
from eqlandmarks.media import finding


def below_their_folder(
    named: Sequence[str],
    files: list[pathlib.Path],
    own_path: Mapping[str, str],
    fields: Fields,
) -> tuple[Sequence[str], str]:
  """The paths in a label file below the root, if they are below another folder.

  That is the folder of the label file, or the only one below which all of the
  images are, or the one in which the root is. Where some images are below no
  such folder, nothing changes.

  Args:
    named: the paths.
    files: the files that they were read from.
    own_path: the images, by their path below the root in its one spelling.
    fields: say what the root is, and what is excluded.

  Returns:
    The paths, and a note, or ''.
  """
  used = [p for p in named if not finding.matches(p, fields.exclude)]
  absent = next((path for path in used if path not in own_path), None)
  if absent is None or len(files) != 1:
    return named, ''
  top = f'{paths.canonical(fields.root.absolute().name)}/'
  if all(p.startswith(top) and p[len(top):] in own_path for p in used):
    return [path.removeprefix(top) for path in named], ''
  folders = (
      path.removesuffix(f'/{absent}') for path in own_path
      if path.endswith(f'/{absent}')
  )
  fitting = [
      folder for folder in folders if all(
          path in own_path or finding.matches(path, fields.exclude)
          for path in (f'{folder}/{name}' for name in used)
      )
  ]
  if not fitting:
    return named, ''
  beside = below(fields.root, files[0].parent)
  chosen = beside if beside in fitting else fitting[0]
  if chosen != beside and len(fitting) > 1:
    raise UserError(
        f'{files[0]}: its images may be those in {fitting[0]} or in '
        f'{fitting[1]}, expected paths below {fields.root}, or the label file '
        'beside its images'
    )
  note = f'labels: their paths are below {chosen}/'
  return [f'{chosen}/{path}' for path in named], note


def below(root: pathlib.Path, folder: pathlib.Path) -> str | None:
  """The path of a folder below the root, '.' of the root; None if elsewhere."""
  for spelled in (os.path.abspath, os.path.realpath):  # a link goes by both
    top, own = (pathlib.Path(spelled(path)) for path in (root, folder))
    if own.is_relative_to(top):
      return paths.canonical(own.relative_to(top).as_posix())
  return None


class Frames:
  """The images that are frames of videos, by folder and number.

  Programs differ in the folders above, and in the digits of the number.
  """

  def __init__(self, kept: list[str], root: pathlib.Path):
    self._images: dict[str, dict[int, list[str]]] = {}
    for path in kept:
      own = finding.canonical(path)
      key = paths.frame_key(own)
      if key is not None:
        folder = self._images.setdefault(posixpath.dirname(own), {})
        folder.setdefault(key[1], []).append(path)
    self._nearest = paths.Nearest(self._images, root)

  def find(self, path: str, video: str, where: str) -> str | None:
    """The image of a path in a label file; None where there is none."""
    key, folder = paths.frame_key(path), posixpath.dirname(path)
    if key is None:
      return None
    folders = self._nearest.find_video(folder, video)
    same = [i for f in folders for i in self._images[f].get(key[1], [])]
    if len(same) > 1:
      raise UserError(
          f"{where}: path '{paths.shown(path)}' may mean "
          f"{' or '.join(same)}, expected the path below the root; "
          'config.dataset.exclude can leave images out'
      )
    return same[0] if same else None
