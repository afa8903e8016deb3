"""The fields of `config.dataset` that say how a user's own data are read."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from eqlandmarks.errors import UserError
from eqlandmarks.system import field_rules
from eqlandmarks.system import file_names

_RULES = {
    'test_share': field_rules.number(lambda v: 0 <= v < 1, 'a share below 1'),
    'outside': field_rules.one_of('error', 'missing'),
    'min_likelihood': field_rules.SHARE,
}


@dataclasses.dataclass(frozen=True)
class Options:
  """The fields of `config.dataset`.

  Once made, `eyes`, `test` and `exclude` are tuples of names, and `groups` is a
  dict of lists of names.
  """

  # --8<-- [start:fields]
  # '' (none), deeplabcut (a project), pts (beside the images), or the path of a
  # label file: a table (path,split,NAME_x,NAME_y,...) or one of the other
  # formats of docs/formats.md.
  labels: str = ''
  # The two annotated points whose distance normalises the error, 'left,right'.
  eyes: str = ''
  # Points scored together: 'ears=left_ear+right_ear,eyes=left_eye+right_eye'.
  groups: str = ''
  # Which labelled images are the test images: comma-separated patterns of
  # paths below the root. '' leaves it to the labels' own split, or otherwise to
  # test_share.
  test: str = ''
  # The last labelled images (whole folders where there are several), of this
  # share, are the test images where nothing else says which; 0 for none.
  test_share: float = 1 / 3
  # Images that are left out of everything: comma-separated patterns.
  exclude: str = ''
  # Leave out images that do not decode, instead of stopping.
  skip_bad: bool = False
  # A labelled point outside its image: error (stop) or missing (leave it out).
  outside: str = 'error'
  # Labels that come with a likelihood are predictions, of DeepLabCut, say:
  # points below this are left out. 0.6 is DeepLabCut's pcutoff, 0 takes all.
  min_likelihood: float = 0.6
  # --8<-- [end:fields]

  def __post_init__(self):
    field_rules.check(self, vars(self), _RULES, 'dataset.')
    given = {
        'labels': str(self.labels or '').strip(),
        'eyes': names(self.eyes),
        'groups': groups(self.groups),
        'test': names(self.test),
        'exclude': names(self.exclude),
    }
    for name, value in given.items():
      object.__setattr__(self, name, value)
    if self.test and not self.labels:
      raise UserError(
          f"config.dataset.test: found '{','.join(self.test)}' without "
          'labels, expected config.dataset.labels to be given too'
      )


@dataclasses.dataclass(frozen=True)
class Fields(Options):
  """The options, and the folder that they are of."""

  # Below which all paths lie, and patterns of what runs have written there.
  root: pathlib.Path = pathlib.Path()
  outputs: tuple[str, ...] = ()

  @classmethod
  def of(
      cls, options: Options, root: pathlib.Path, outputs: tuple[str, ...]
  ) -> 'Fields':
    """The fields of a folder."""
    shared = (f.name for f in dataclasses.fields(Options))
    given = {name: getattr(options, name) for name in shared}
    return cls(**given, root=root, outputs=outputs)

  @property
  def unread(self) -> tuple[str, ...]:
    """Patterns of paths below the root whose label files are not read."""
    return self.exclude + self.outputs

  def to_json(self) -> dict[str, Any]:
    """What decides which data are read, for a fingerprint."""
    # The images that are read tell which outputs are left out.
    return dict(vars(self), root=str(self.root.resolve()), outputs=None)


def names(value: str | Sequence[str]) -> tuple[str, ...]:
  """The names in a sequence, or between the commas of a string."""
  parts = value.split(',') if isinstance(value, str) else value or ()
  return tuple(part.strip() for part in parts if part.strip())


def groups(value: str | Mapping[str, Any] | None) -> dict[str, list[str]]:
  """Groups of points, from a mapping or from 'NAME=POINT+POINT,...'.

  Whether the points exist is checked later, against the labels.

  Raises:
    UserError: the value has another form.
  """
  pairs, valid = [], True
  if isinstance(value, str):
    for part in names(value):
      name, *members = map(str.strip, part.split('='))
      points = [p.strip() for m in members for p in m.split('+')]
      pairs.append((name, points))
      valid &= bool(name) and len(members) == 1 and all(points)
  elif value is None or hasattr(value, 'items'):  # a ConfigDict is no Mapping
    for name, points in (value or {}).items():
      texts = [name, *points] if isinstance(points, str | Sequence) else [None]
      valid &= all(isinstance(text, str) for text in texts)
      pairs.append((name, [*names(points)] if valid else []))
  else:
    valid = False
  if not valid or len(dict(pairs)) < len(pairs):
    given = ' '.join(repr(value).split())
    raise UserError(
        f"config.dataset.groups is {given}, expected '' or each group once, "
        "such as 'ears=left_ear+right_ear,eyes=left_eye+right_eye'"
    )
  return dict(pairs)


def checked_root(
    root: str | os.PathLike,
    expected: str = 'a folder of images',
    may_be_file: bool = False,
) -> pathlib.Path:
  """The path of the data, which must be there; `expected` ends the message."""
  path = file_names.expanded(root or '')
  if not str(root or '').strip():
    reason = 'found nothing'
  elif not path.exists():
    reason = f'there is no {"" if may_be_file else "folder "}{path}'
  elif not (may_be_file or path.is_dir()):
    reason = f'{path} is a file'
  else:
    return path
  raise UserError(f'config.dataset.root: {reason}, expected {expected}')
