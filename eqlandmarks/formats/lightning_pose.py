"""Lightning Pose's csv files: DeepLabCut's, but for two details.

The image is always in one piece. Predictions for labelled images have a last
column `set`, which says whether the image was one to train on.
"""

import pathlib

from eqlandmarks.formats import base
from eqlandmarks.formats import deeplabcut
from eqlandmarks.formats.poses import Poses

NAME = 'lightning-pose'


def read(path: pathlib.Path, root: pathlib.Path) -> Poses:
  """Reads a csv whose paths lie below `root`; see `formats.read`."""
  return deeplabcut.read(path, root, NAME)


def write(poses: Poses, path: pathlib.Path) -> None:
  """Writes a csv, of predictions if there is a confidence."""
  deeplabcut.write(poses, path, NAME)


FORMATS = (
    base.Format(
        NAME, read, write,
        begins=lambda row: row[0].lower() == 'scorer' and row[-1] == 'set',
        by_number=True,
    ),
)  # fmt: skip
