"""Annotated points that no image has on which the regressor is fitted.

They cannot be predicted, so they are removed from the description and from all
examples before anything is trained.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eqlandmarks.datasets.base.examples import Description
from eqlandmarks.errors import UserError

# Items with `points`, by split.
Splits = Mapping[str, Sequence[Any]]


def without_unfitted(
    splits: Splits, description: Description
) -> tuple[Splits, Description]:
  """Leaves out the points that are annotated in no fitted image, with a note.

  Args:
    splits: what is to be stored; `points` of an item are `[J, 2]`, NaN where
      missing, or None where all are there.
    description: of it.

  Raises:
    UserError: the eyes or a group need such a point, or no test image has any
      other.
  """
  names = description.point_names
  fitted = _of(splits, description.fit_split)
  if not fitted or not names or any(item.points is None for item in fitted):
    return splits, description
  is_fitted = np.any([_has(item) for item in fitted], axis=0)
  if is_fitted.all():
    return splits, description
  _check_needed(description, is_fitted, len(fitted))
  notes = [
      _note(j, splits, description, len(fitted))
      for j in np.flatnonzero(~is_fitted)
  ]
  test = _of(splits, description.test_split)
  if test and not any(_has(item)[is_fitted].any() for item in test):
    raise UserError(
        f'config.dataset.labels: none of the {len(test)} test images has a '
        'point that a train image has, expected at least one'
    )
  # Images without labels share one array.
  kept = {
      id(item.points): item.points[is_fitted]
      for items in splits.values() for item in items
  }
  splits = {
      name: [
          dataclasses.replace(item, points=kept[id(item.points)])
          for item in items
      ]
      for name, items in splits.items()
  }
  return splits, dataclasses.replace(
      description,
      point_names=tuple(np.array(names)[is_fitted].tolist()),
      notes=(*description.notes, *notes),
  )


def _of(splits: Splits, names: str) -> list[Any]:
  """The items of some splits, whose names have '+' between them."""
  return [item for name in names.split('+') for item in splits.get(name, ())]


def _has(item: Any) -> np.ndarray:
  """`[J]`: which points are annotated."""
  return np.isfinite(item.points).all(axis=-1)


def _check_needed(
    description: Description, is_fitted: np.ndarray, count: int
) -> None:
  missing = {
      name
      for name, has in zip(description.point_names, is_fitted, strict=True)
      if not has
  }
  lists = {'eyes': description.eyes}
  lists |= {f'groups.{g}': points for g, points in description.groups.items()}
  for field, points in lists.items():
    for name in points:
      if name in missing:
        raise UserError(
            f"config.dataset.{field}: point '{name}' is annotated in none of "
            f'the {count} images of split {description.fit_split}, expected '
            'at least one to fit on, or other points there'
        )


def _note(
    number: int, splits: Splits, description: Description, count: int
) -> str:
  tested = sum(
      bool(_has(item)[number]) for item in _of(splits, description.test_split)
  )
  return (
      f"labels: point '{description.point_names[number]}' is left out and not "
      f'scored: none of the {count} images of split {description.fit_split} '
      'has it'
      + (f', {tested} of split {description.test_split} have' * bool(tested))
  )
