"""Modules that a config names: of this package, or a user's own."""

import importlib
import os
import sys
import types
from collections.abc import Sequence

from eqlandmarks import errors


def load(
    name: str,
    package: str | None,
    attributes: Sequence[str],
    *,
    field: str,
    expected: str,
) -> types.ModuleType:
  """Loads a module that a config names.

  Args:
    name: of the module.
    package: of ours, where it lies; None for any module that Python finds, for
      which it searches the current folder as well.
    attributes: what the module must have.
    field: what names it, for the message.
    expected: what is expected there, for the message.

  Raises:
    UserError: there is no such module, it cannot be imported, or it lacks an
      attribute.
  """
  try:
    if not package and os.getcwd() not in sys.path:
      sys.path.append(os.getcwd())
    module = importlib.import_module(f'{package}.{name}' if package else name)
    for attribute in attributes:
      getattr(module, attribute)
  except Exception as error:  # whatever a user's own module raises
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())
    raise errors.UserError(
        f'{field} is {name!r} ({reason}), expected {expected}.'
    ) from error
  return module
