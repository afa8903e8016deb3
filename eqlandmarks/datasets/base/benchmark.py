"""What the builders of published benchmarks share.

A benchmark has a known number of everything. The builders count what is on disk
and report any difference: a figure on a part of a benchmark must not stand
beside figures on all of it.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import fields
from eqlandmarks.errors import UserError
from eqlandmarks.system import fingerprints

CUT_ARCHIVE = 'an archive that was unpacked in part'


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

  def expect(self, what: str, count: int, expected: int, reason: str) -> None:
    """Compares a count of things; `reason` is the likely one of a difference.

    Raises:
      UserError: they differ, and `partial` is not set.
    """
    if count != expected:
      self.fail(f'{what}: found {count}, expected {expected}', reason)

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
    """Numbers of the listed files that exist; those missing are a finding."""
    # One listing of a folder is far quicker than a question for every file.
    files = {
        file
        for folder in {path.parent for path in paths}
        if os.path.isdir(folder)  # pathlib's raises where a name is too long
        for file in listing(folder)
    }
    existing = [i for i, path in enumerate(paths) if path in files]
    if len(existing) < len(names):
      first = next(i for i in range(len(paths)) if paths[i] not in files)
      self.fail(
          f'{listed}: {len(names) - len(existing)} of the {len(names)} images '
          f'that it names are not on disk, the first is {names[first]}; '
          f'expected {paths[first]}',
          CUT_ARCHIVE,
      )
    return existing

  def plan(
      self,
      splits: dict[str, list[builder.Item]],
      *,
      unit: str = 'images',
      notes: Iterable[str] = (),
      **about: Any,
  ) -> builder.Plan:
    """What to store, none of it empty, with the findings in its description."""
    for split, items in splits.items():
      if not items:
        why = f' ({self.findings[-1]})' if self.findings else ''
        raise UserError(
            f'{self.root}: found no {unit.removesuffix("s")} of split '
            f'{split}{why}, expected at least one'
        )
    count = len({item.id for items in splits.values() for item in items})
    findings = [f'partial data: {finding}' for finding in self.findings]
    return builder.Plan(splits, examples.Description(
        notes=(*findings, *notes),
        partial=f'{count} {unit}' if findings else '',
        **about,
    ))  # fmt: skip


def checked_root(root: str, dataset: str, layout: str) -> pathlib.Path:
  """The folder of a dataset, which must be there, with what is in it."""
  return fields.checked_root(
      root, f'the folder of {dataset}: {layout} (docs/benchmarks.md)'
  )


def first_existing(
    root: pathlib.Path, candidates: Iterable[str]
) -> pathlib.Path | None:
  """The first of some paths below the root that exists."""
  paths = (root / candidate for candidate in candidates)
  return next((path for path in paths if path.exists()), None)


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


def state_of(folder: pathlib.Path) -> str:
  """The fingerprint of the names, sizes and times of a folder's files."""
  return fingerprints.of_stats(folder, (path.name for path in listing(folder)))
