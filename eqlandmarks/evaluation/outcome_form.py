"""The form of outcome.npz, the arrays of `observe.Outcome`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# Axes and kind of each array; a letter is the same number wherever it stands.
_ARRAYS = {
    'ids': ('N', 'U'),
    'landmarks': ('NK2', 'f'),
    'spreads': ('NK', 'f'),
    'predicted': ('NJ2', 'f'),
    'points': ('NJ2', 'f'),
    'pair_rows': ('P', 'i'),
    'pair_images': ('PSS3', 'u'),
    'pair_truth': ('PJ2', 'f'),
    'pair_found': ('P4J2', 'f'),
}
# Those of a run with labels; an earlier version wrote no names.
_FITTED = {'fit_landmarks': ('MK2', 'f'), 'fit_points': ('MJ2', 'f')}
_NAMES = {'point_names': ('J', 'U')}


def misfit(arrays: Mapping[str, np.ndarray], **known: Any) -> str | None:
  """What is wrong with the arrays of an outcome; None where nothing is.

  Args:
    arrays: as they were read.
    **known: lengths of axes that are known: K, say.
  """
  forms = _ARRAYS | (_FITTED if _FITTED.keys() & arrays.keys() else {})
  missing = [name for name in forms if name not in arrays]
  if missing:
    return f'it lacks {missing[0]}'
  sizes = {name: (size, 'expected') for name, size in known.items()}
  for name, (axes, kind) in (forms | _NAMES).items():
    if name not in arrays:
      continue
    array = arrays[name]
    if array.dtype.kind != kind or array.ndim != len(axes):
      return f'{name} is {array.dtype} of shape {array.shape}'
    for axis, size in zip(axes, array.shape, strict=True):
      expected, where = sizes.setdefault(axis, (size, name))
      expected = int(axis) if axis.isdecimal() else expected
      if size != expected:
        of = '' if axis.isdecimal() else f', beside {expected} of {where}'
        return f'{name} is of shape {array.shape}{of}'
  if not np.isfinite(arrays['landmarks']).all():
    return 'landmarks are not finite'
  rows = arrays['pair_rows']
  if rows.size and not 0 <= rows.min() <= rows.max() < len(arrays['ids']):
    return f'pair_rows are up to {rows.max()} of {len(arrays["ids"])} images'
  return None
