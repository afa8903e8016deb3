"""What the arrays of `observe.Outcome` must be where they are read back."""

from collections.abc import Mapping

import numpy as np


def check(
    arrays: Mapping[str, np.ndarray], num_landmarks: int | None = None
) -> None:
  """Checks the shapes and kinds of the arrays of an outcome.

  Args:
    arrays: as they were read.
    num_landmarks: K, where it is known.

  Raises:
    ValueError, KeyError: they are not what a run writes.
  """
  images, landmarks, _ = arrays['landmarks'].shape
  _, joints, _ = arrays['points'].shape
  pairs, side, _, _ = arrays['pair_images'].shape
  landmarks = num_landmarks or landmarks
  forms = {
      'ids': ('U', images),
      'landmarks': ('f', images, landmarks, 2),
      'spreads': ('f', images, landmarks),
      'predicted': ('f', images, joints, 2),
      'points': ('f', images, joints, 2),
      'pair_rows': ('i', pairs),
      'pair_images': ('u', pairs, side, side, 3),
      'pair_truth': ('f', pairs, joints, 2),
      'pair_found': ('f', pairs, 4, joints, 2),
  }
  if 'pair_drawn' in arrays:
    forms['pair_drawn'] = ('u', pairs, side, side, 3)
  if {'fit_points', 'fit_landmarks', 'point_names'} & arrays.keys():
    fitted = len(arrays['fit_points'])
    forms |= {
        'fit_landmarks': ('f', fitted, landmarks, 2),
        'fit_points': ('f', fitted, joints, 2),
        'point_names': ('U', joints),
    }
  for name, (kind, *shape) in forms.items():
    array = arrays[name]
    if array.dtype.kind != kind or array.shape != (*shape,):
      raise ValueError(
          f'{name} is {array.dtype} of shape {array.shape}, not {(*shape,)}'
      )
  if not np.isfinite(arrays['landmarks']).all():
    raise ValueError('landmarks are not finite')
  rows = arrays['pair_rows']
  if rows.size and not 0 <= rows.min() <= rows.max() < images:
    raise ValueError(f'pair_rows are up to {rows.max()} of {images} images')
