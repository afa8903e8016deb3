"""Finds a dataset by its name: a file or folder here, or a user's own module.

A dataset is a module that has

    Options                  its fields of `config.dataset`: a frozen dataclass
                             with a default and a comment for each, which
                             refuses wrong values;
    build(options, *, root,  its tfds builder, not prepared yet, see
          image_size,        `base.builder.ImageBuilder`;
          data_dir, outputs)
    INSTRUCTIONS             how to get the data, and how they must lie on disk
                             (if there is anything to say).

Nothing lists the datasets: `dataset.name` is the module's name.
"""

import dataclasses
import os
import pathlib
import textwrap
import types
from collections.abc import Sequence
from typing import Any

import eqlandmarks.datasets
from eqlandmarks.system import own_modules

# Beside the datasets in this folder.
_OTHERS = ('annotations', 'base', 'by_name', '__init__', '__pycache__')


def names() -> list[str]:
  """The datasets of this package."""
  folder = pathlib.Path(eqlandmarks.datasets.__path__[0])
  stems = {path.stem for path in folder.iterdir() if path.name[0] != '.'}
  return sorted(stems.difference(_OTHERS))


def find(name: str) -> types.ModuleType:
  """The module of a dataset: ours, or any that Python finds.

  Raises:
    UserError: there is no such module, or it is no dataset.
  """
  return own_modules.load(
      name,
      __package__ if name in names() else None,
      ('Options', 'build'),
      field='config.dataset.name',
      expected=f'one of {", ".join(names())}, or a module of your own with '
      'Options and build',
  )


def defaults(name: str) -> dict[str, Any]:
  """The fields that a dataset adds to `config.dataset`, and their defaults."""
  return {f.name: f.default for f in dataclasses.fields(find(name).Options)}


def options(dataset: Any) -> Any:
  """The `Options` of a config's `dataset` section, which it checks."""
  fields = {field: dataset[field] for field in defaults(dataset.name)}
  return find(dataset.name).Options(**fields)


def make_builder(
    dataset: Any,
    *,
    image_size: int,
    data_dir: str,
    outputs: Sequence[str | os.PathLike[str]] = (),
) -> Any:
  """The tfds builder that the section `dataset` names, see `base.builder`.

  Raises:
    UserError: a field, or the data it names, is not as it must be.
  """
  return find(dataset.name).build(
      options(dataset),
      root=dataset.root,
      image_size=image_size,
      data_dir=data_dir,
      outputs=tuple(map(os.fspath, outputs)),
  )


def instructions(name: str) -> str:
  """How to get a dataset, and how it must lie on disk; '' if not said."""
  return textwrap.dedent(getattr(find(name), 'INSTRUCTIONS', '')).rstrip()
