"""What a label format is: a file beside this one, with `FORMATS`."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from eqlandmarks.formats.poses import Poses


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of label files.

  Attributes:
    name: in configs and functions.
    read: makes `Poses` of a file and the folder of its images; raises a
      `UserError` that names the place of what is wrong.
    write: writes `Poses` to a file, whole or not at all.
    endings: by which files are recognised, in lower case.
    begins: whether a csv whose first row has these cells is of this format.
    ending: of the files that predictions are written to; '' for a folder.
    by_number: whether rows give a frame's number, and only the name of the file
      gives the video.
  """

  name: str
  read: Callable[[pathlib.Path, pathlib.Path], Poses]
  write: Callable[[Poses, pathlib.Path], None]
  endings: tuple[str, ...] = ()
  begins: Callable[[Sequence[str]], bool] = lambda cells: False
  ending: str = '.csv'
  by_number: bool = False
