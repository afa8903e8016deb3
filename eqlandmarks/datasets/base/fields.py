"""The fields of `config.dataset` that describe a folder, checked."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from eqlandmarks.errors import UserError
from eqlandmarks.system import file_names


@dataclasses.dataclass(frozen=True)
class Fields:
  """The checked fields of `config.dataset`; see `folder.Folder`."""

  root: pathlib.Path
  labels: str
  eyes: tuple[str, ...]
  groups: dict[str, list[str]]
  test: tuple[str, ...]
  test_share: float
  exclude: tuple[str, ...]
  skip_bad: bool
  outside: str
  min_likelihood: float
  # Patterns of what runs have written below the root (`datasets.outputs`).
  outputs: tuple[str, ...] = ()

  @property
  def unread(self) -> tuple[str, ...]:
    """Patterns of paths below the root of which no label file is read."""
    return self.exclude + self.outputs

  def to_json(self) -> dict[str, Any]:
    """What decides which data are read, for a fingerprint."""
    # What is found tells which outputs are left out.
    return dict(vars(self), root=str(self.root.resolve()), outputs=None)

  def __post_init__(self):
    if self.outside not in ('error', 'missing'):
      raise UserError(
          f"config.dataset.outside: found '{self.outside}', expected 'error' "
          "or 'missing'"
      )
    if not 0 <= self.test_share < 1:
      raise UserError(
          f'config.dataset.test_share: found {self.test_share}, expected a '
          'share of at least 0 and less than 1'
      )
    if self.test and not self.labels:
      raise UserError(
          f"config.dataset.test: found '{','.join(self.test)}' without "
          'labels, expected config.dataset.labels to be given too'
      )


def names(value: str | Sequence[str]) -> tuple[str, ...]:
  """The names in a sequence, or between the commas of a string."""
  parts = value.split(',') if isinstance(value, str) else value or ()
  return tuple(part.strip() for part in parts if part.strip())


def groups(value: str | Mapping[str, Any] | None) -> dict[str, list[str]]:
  """Groups of points, from a mapping or from 'NAME=POINT+POINT,...'.

  Raises:
    UserError: the value has another form. Whether the points exist is checked
      later, against the labels.
  """
  if isinstance(value, str):
    pairs = [_group(part, value) for part in names(value)]
  elif value is None or hasattr(value, 'items'):  # a ConfigDict is no Mapping
    pairs = [_members(*pair, value) for pair in (value or {}).items()]
  else:
    raise _bad_groups(value)
  if len(dict(pairs)) < len(pairs):
    raise _bad_groups(value)
  return dict(pairs)


def _group(part: str, value: str) -> tuple[str, list[str]]:
  """Parses 'NAME=POINT+POINT', a part of `value`."""
  name, *members = [piece.strip() for piece in part.split('=')]
  points = [p.strip() for m in members for p in m.split('+')]
  if not name or len(members) != 1 or not all(points):
    raise _bad_groups(value)
  return name, points


def _members(name: Any, points: Any, value: Any) -> tuple[str, list[str]]:
  """Checks one pair of a mapping `value`."""
  if not isinstance(points, str | Sequence):
    raise _bad_groups(value)
  if not all(isinstance(text, str) for text in (name, *points)):
    raise _bad_groups(value)
  return name, list(names(points))


def _bad_groups(value: Any) -> UserError:
  found = ' '.join(repr(value).split())
  return UserError(
      f"config.dataset.groups is {found}, expected '' or each group once, such "
      "as 'ears=left_ear+right_ear,eyes=left_eye+right_eye'"
  )


def checked_root(root: str | os.PathLike) -> pathlib.Path:
  """The folder of images, which must be there."""
  expected = 'expected a folder of images'
  if not str(root or '').strip():
    raise UserError(f'config.dataset.root: found nothing, {expected}')
  path = file_names.expanded(root)
  if not path.exists():
    raise UserError(
        f'config.dataset.root: there is no folder {path}, {expected}'
    )
  if not path.is_dir():
    raise UserError(f'config.dataset.root: {path} is a file, {expected}')
  return path
