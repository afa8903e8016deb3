"""What the builders of published benchmarks share.

A benchmark has a known number of everything. The builders count what is on disk
and report any difference: a figure on a part of a benchmark must not stand
beside figures on all of it.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence

from eqlandmarks.datasets.base import fields
from eqlandmarks.errors import UserError


@dataclasses.dataclass
class Audit:
  """Compares what is on disk with what should be there.

  Attributes:
    root: the dataset's folder.
    partial: whether a part of the dataset will do.
    findings: how the data on disk are partial; empty when they are whole.
  """

  root: pathlib.Path
  partial: bool
  findings: list[str] = dataclasses.field(default_factory=list)

  def expect(self, what: str, found: int, expected: int, reason: str) -> None:
    """Compares a count.

    Args:
      what: the counted things, and where they are.
      found: how many there are.
      expected: how many there should be.
      reason: what a difference is likely due to.

    Raises:
      UserError: they differ, and `partial` is not set.
    """
    if found != expected:
      self.fail(f'{what}: found {found}, expected {expected}', reason)

  def fail(self, text: str, reason: str) -> None:
    """Raises a UserError, or takes a note where `partial` is set."""
    if not self.partial:
      raise UserError(
          f'{text}; likely {reason}. --config.dataset.partial=True takes '
          'what is there'
      )
    self.findings.append(text)

  def existing(
      self, names: Sequence[str], paths: Sequence[pathlib.Path], listed: str
  ) -> list[int]:
    """Which of the listed files exist; those missing are a finding.

    Args:
      names: what a message calls the files.
      paths: the files.
      listed: what lists them.
    """
    files = _files_in({path.parent for path in paths})
    existing = [i for i, path in enumerate(paths) if path in files]
    if len(existing) < len(names):
      first = next(i for i in range(len(paths)) if paths[i] not in files)
      self.fail(
          f'{listed}: {len(names) - len(existing)} of the {len(names)} images '
          f'that it names are not on disk, the first is {names[first]}; '
          f'expected {paths[first]}',
          'an archive that was unpacked in part',
      )
    return existing

  def nothing_of(self, split: str) -> UserError:
    """The error of a split without images, with what has been found out."""
    why = f' ({self.findings[-1]})' if self.findings else ''
    return UserError(
        f'{self.root}: found no image of split {split}{why}, expected at least '
        'one'
    )

  @property
  def notes(self) -> list[str]:
    """Lines for the user."""
    return [f'partial data: {finding}' for finding in self.findings]


def checked_root(root: str, dataset: str, layout: str) -> pathlib.Path:
  """The dataset's folder, which must be there.

  Args:
    root: the field `dataset.root`.
    dataset: the dataset's name.
    layout: what is expected in the folder.
  """
  if not str(root or '').strip():
    raise UserError(
        f'config.dataset.root: found nothing, expected the folder of {dataset}:'
        f' {layout} (docs/benchmarks.md)'
    )
  return fields.checked_root(root)


def first_existing(
    root: pathlib.Path, candidates: Iterable[str]
) -> pathlib.Path | None:
  """The first of some paths below the root that exists."""
  for candidate in candidates:
    if (root / candidate).exists():
      return root / candidate
  return None


def required(
    root: pathlib.Path, candidates: Sequence[str], what: str
) -> pathlib.Path:
  """Like `first_existing`; there must be one."""
  path = first_existing(root, candidates)
  if path is None:
    raise UserError(
        f'config.dataset.root: found no {what} below {root}, expected '
        f'{" or ".join(candidates)} (docs/benchmarks.md)'
    )
  return path


def listing(folder: pathlib.Path) -> list[pathlib.Path]:
  """What is in a folder, sorted.

  Raises:
    UserError: it is none, or cannot be read.
  """
  try:
    return sorted(folder.iterdir())
  except OSError as error:
    raise UserError(
        f'{folder}: cannot be listed ({error.strerror}), expected a folder '
        'that can be read'
    ) from error


def _files_in(folders: Iterable[pathlib.Path]) -> set[pathlib.Path]:
  # One listing of a folder is far quicker than a question for every file.
  files: set[pathlib.Path] = set()
  for folder in folders:
    if os.path.isdir(folder):  # pathlib's raises where a name is too long
      files.update(listing(folder))
  return files
