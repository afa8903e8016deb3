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
    package: of ours that holds it; None for any module that Python finds, also
      in the current folder.
    attributes: what the module must have.
    field: of the config, for the message.
    expected: of the field, for the message.

  Raises:
    UserError: the module cannot be imported, or lacks an attribute.
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
