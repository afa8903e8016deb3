"""What a label format is: a file beside this one, with `FORMATS`."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from eqlandmarks.formats.poses import Poses


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of label files; all that the program knows of it.

  Attributes:
    name: by which configs and functions name it.
    read: from a file, and the folder below which its images lie, to `Poses`;
      raises a `UserError` that names the place of what is wrong.
    write: writes `Poses` to a file, whole or not at all.
    endings: of the files that are recognised by them, in lower case.
    begins: whether a csv whose first row has these cells is of this format.
    ending: of the files that predictions are written to; '' for a folder.
    by_number: whether its rows give the number of a frame, and only the name of
      the file says of which video.
  """

  name: str
  read: Callable[[pathlib.Path, pathlib.Path], Poses]
  write: Callable[[Poses, pathlib.Path], None]
  endings: tuple[str, ...] = ()
  begins: Callable[[Sequence[str]], bool] = lambda cells: False
  ending: str = '.csv'
  by_number: bool = False
