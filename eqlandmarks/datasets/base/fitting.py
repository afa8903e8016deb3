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
    splits: Splits, about: Description
) -> tuple[Splits, Description]:
  """Leaves out the points that are annotated in no fitted image, with a note.

  Args:
    splits: what is to be stored; `points` of an item are `[J, 2]`, NaN where
      missing, or None where all are there.
    about: the description of it.

  Raises:
    UserError: the eyes or a group need such a point, or no test image has any
      other.
  """
  names = np.array(about.point_names)
  fit, test = (
      [item.points for name in each.split('+') for item in splits.get(name, ())]
      for each in (about.fit_split, about.test_split)
  )
  if not fit or not names.size or any(points is None for points in fit):
    return splits, about
  fitted = np.isfinite(fit).all(axis=-1).any(axis=0)
  if fitted.all():
    return splits, about
  lists = {'eyes': about.eyes}
  lists |= {f'groups.{g}': points for g, points in about.groups.items()}
  for field, points in lists.items():
    for name in points:
      if name in names[~fitted]:
        raise UserError(
            f"config.dataset.{field}: point '{name}' is annotated in none of "
            f'the {len(fit)} images of split {about.fit_split}, expected at '
            'least one to fit on, or other points there'
        )
  tested = np.isfinite(test or np.empty((0, len(names), 2))).all(axis=-1)
  if test and not tested[:, fitted].any():
    raise UserError(
        f'config.dataset.labels: none of the {len(test)} test images has a '
        'point that a train image has, expected at least one'
    )
  notes = [
      f"labels: point '{name}' is left out and not scored: none of the "
      f'{len(fit)} images of split {about.fit_split} has it'
      + (f', {count} of split {about.test_split} have' * bool(count))
      for name, count in zip(
          names[~fitted], tested.sum(axis=0)[~fitted], strict=True
      )
  ]
  # Images without labels share one array.
  kept = {
      id(item.points): item.points[fitted]
      for items in splits.values() for item in items
  }
  splits = {
      split: [
          dataclasses.replace(item, points=kept[id(item.points)])
          for item in items
      ]
      for split, items in splits.items()
  }
  return splits, dataclasses.replace(
      about,
      point_names=tuple(names[fitted].tolist()),
      notes=(*about.notes, *notes),
  )
