"""The extension points of training: parts that a config names."""

import dataclasses
import importlib
import os
import pathlib
from typing import Any

from ml_collections import ConfigDict

from eqlandmarks.system import own_modules


@dataclasses.dataclass(frozen=True)
class ExtensionPoint:
  """Where a part can be put in.

  Attributes:
    field: of a stage's section of the config, which names the module.
    package: of ours, whose files are looked for first.
  """

  field: str
  package: str

  def is_ours(self, name: Any) -> bool:
    """Whether a name is that of a file of our package."""
    folder = pathlib.Path(importlib.import_module(self.package).__file__).parent
    # pathlib's raises where a name is too long.
    file = os.path.join(folder, f'{name}.py')
    return str(name).isidentifier() and os.path.isfile(file)

  def load(self, name: str, stage: str = '') -> Any:
    """Loads a part.

    Args:
      name: of a file of our package; or of any module that Python finds, for
        which it searches the config's folder and the current one as well.
      stage: the section of the config, if any, for messages.

    Raises:
      UserError: there is no such module, it cannot be imported, or it holds no
        such part.
    """
    attribute = self.field.upper()
    field = f'config.{stage}.{self.field}' if stage else self.field
    module = own_modules.load(
        name,
        self.package if self.is_ours(name) else None,
        (attribute,),
        field=field,
        expected=f'a file of {self.package.replace(".", "/")}/, or a module '
        f'that Python finds, with {attribute}',
    )
    return getattr(module, attribute)

  def use(self, section: ConfigDict, name: str) -> None:
    """Makes a stage's section that of another part.

    The fields of the part before are taken out; where the new one has a field
    of the same name, it keeps a value that was changed. All other fields of the
    stage stay as they are.
    """
    fields = self.load(name).section()
    with section.unlocked():
      if self.field in section:
        for field, default in self.load(section[self.field]).section().items():
          if field in fields:
            _keep(fields, field, section[field], default)
          del section[field]
      section[self.field] = name
      section.update(fields)


def _keep(fields: ConfigDict, name: str, value: Any, default: Any) -> None:
  """Gives a field, or what a section shares with another, its changed value."""
  if isinstance(value, ConfigDict) and isinstance(fields[name], ConfigDict):
    for each in {*value} & {*fields[name]} & {*default}:
      _keep(fields[name], each, value[each], default[each])
  elif value == default:
    return  # a default of one part says nothing about another
  elif type(value) is type(fields[name]):
    fields[name] = value
  elif type(value) is int and type(fields[name]) is float:
    fields[name] = float(value)
