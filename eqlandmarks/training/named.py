"""Parts of training that a config names: ours, or a user's own modules."""

import importlib
import os
import pathlib
import sys
from typing import Any

from eqlandmarks import errors


def is_ours(package: str, name: Any) -> bool:
  """Whether a name is that of a file of a package of ours."""
  folder = pathlib.Path(importlib.import_module(package).__file__).parent
  return str(name).isidentifier() and (folder / f'{name}.py').is_file()


def load(package: str, name: str, attribute: str, field: str) -> Any:
  """Loads what a module holds under an attribute.

  Args:
    package: the package of ours whose files are looked for first.
    name: of one of its files; or of any module that Python finds, for which it
      searches the current folder as well.
    attribute: of the module.
    field: the config's field that holds the name, for messages.

  Raises:
    UserError: there is no such module, it cannot be imported, or it does not
      have the attribute.
  """
  try:
    if is_ours(package, name):
      module = importlib.import_module(f'{package}.{name}')
    else:
      if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
      module = importlib.import_module(name)
    return getattr(module, attribute)
  except Exception as error:  # whatever a user's own module raises
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())
    raise errors.UserError(
        f'{field} is {name!r} ({reason}), expected a file of '
        f'{package.replace(".", "/")}/, or a module that Python finds, with '
        f'{attribute}.'
    ) from error
