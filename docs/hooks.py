"""Writes the page of all config fields from the configs themselves.

MkDocs calls `on_files` (see mkdocs.yml); the page is never a file in docs/, so
it cannot fall behind. What a field means is the comment above it in
configs/common.py, or in the `Options` of its dataset.
"""

import ast
import dataclasses
import functools
import importlib
import inspect
import itertools
import pathlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from eqlandmarks import configs
from eqlandmarks.configs import common
from eqlandmarks.datasets import by_name

PAGE = 'config.md'

_HEAD = """\
# Every field

Generated from `configs/common.py`, which holds the paper's settings at
128 x 128. "Open" says that the paper gives no value, and that the value is
ours. Any field can be set on the command line, below the name of its section:
`--config.seed=1`, `--config.pretrain.num_epochs=5`. Lists need quotes:
`--config.evaluation.distances='(2.0, 5.0)'`.

Default values are those of `configs/common.py`, and of the `Options` of each
dataset; what another config has instead
stands below the field's meaning, for that config's default variant. A field
that does not exist, and a value of the wrong kind or out of range, is refused
in one line before anything else happens.
"""


def on_files(files: Any, config: Any) -> Any:
  """Adds the generated page to those that MkDocs has found."""
  from mkdocs.structure import files as files_lib

  files.append(files_lib.File.generated(config, PAGE, content=page()))
  return files


def page() -> str:
  """The whole page, in Markdown."""
  meanings = Meanings(pathlib.Path(common.__file__).read_text())
  experiments = _experiments()
  lines = [_HEAD]
  for path, fields in _sections(common.get_config(''), meanings):
    lines += [f'## {".".join(path) or "The run"}\n']
    lines += _section(path, fields, meanings.of, experiments)
  for name in by_name.names():
    meanings_here = _of_options(by_name.find(name).Options)
    lines += [f'## dataset, of {name}\n']
    lines += _section(
        ['dataset'], [*by_name.defaults(name).items()],
        lambda path, known=meanings_here: known.get(path[-1], Meaning()),
        {n: c for n, c in experiments.items() if c.dataset.name == name},
    )  # fmt: skip
  return '\n'.join(lines)


def _section(
    path: list[str],
    fields: list[tuple[str, Any]],
    meaning: Callable[[list[str]], 'Meaning'],
    experiments: dict[str, ConfigDict],
) -> list[str]:
  """What is said of a section, and the table of its fields."""
  rows: dict[str, list[tuple[str, Any]]] = {}
  for name, value in fields:  # those that share a comment share a row
    rows.setdefault(meaning([*path, name]).comment, []).append(
        (name, value)
    )
  about = meaning(path) if path else Meaning()
  text = about.comment or about.docstring
  lines = [f'{_prose(text)}\n'] if text and text not in rows else []
  lines += ['| field | default | |', '|---|---|---|']
  for comment, row in rows.items():
    names = '<br>'.join(f'`{name}`' for name, _ in row)
    values = '<br>'.join(f'`{value!r}`' for _, value in row)
    text = _prose(comment) + _others(path, row, experiments)
    lines += [f'| {names} | {values} | {text} |']
  return [*lines, '']


@dataclasses.dataclass(frozen=True)
class Meaning:
  """What configs/common.py says of a field or of a section.

  Attributes:
    comment: the block of comments above it; a field without one has that of
      the field before it.
    docstring: first paragraph of the function that makes a section.
    place: where it stands, by which fields are put in the file's order.
  """

  comment: str = ''
  docstring: str = ''
  place: tuple[int, ...] = ()


class Meanings:
  """The comments of configs/common.py.

  A config is made by functions, one for each section, which fill it by
  `section.field = value`, or call others to do so.

  Args:
    source: of configs/common.py.
  """

  def __init__(self, source: str):
    self._lines = source.splitlines()
    self._functions = {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }

  def of(self, path: list[str]) -> Meaning:
    """The meaning of a field or section, by the parts of its path.

    Raises:
      KeyError: nothing sets it.
    """
    found = self._find('get_config', path)
    if found is None:
      raise KeyError('.'.join(path))
    return found

  def _find(self, function: str, path: list[str]) -> Meaning | None:
    """What a function, and those that it calls, say of a path."""
    comment = ''
    for statement in self._functions[function].body:
      place, made = (statement.lineno,), _called(statement)
      above = self._comment(statement.lineno)
      if isinstance(statement, ast.Expr) and made in self._functions:
        found = self._find(made, path)  # it fills the same section
        if found:
          return dataclasses.replace(found, place=place + found.place)
      field = _assigned(statement)
      # A field below another one without a comment between them shares it.
      comment = above or (comment if field else '')
      if field != path[0]:
        continue
      if made not in self._functions:  # a value, or a section as a dict
        return Meaning(comment, '', place)
      if len(path) > 1:
        found = self._find(made, path[1:])
        return found and dataclasses.replace(found, place=place + found.place)
      said = ast.get_docstring(self._functions[made]) or ''
      return Meaning(above, said.partition('\n\n')[0], place)
    return None

  def _comment(self, line: int) -> str:
    """The block of comments right above a line, as one text."""
    above = (self._lines[n - 1].strip() for n in range(line - 1, 0, -1))
    block = itertools.takewhile(lambda text: text.startswith('# '), above)
    return ' '.join(text[2:] for text in reversed(list(block)))


def _of_options(options: type) -> dict[str, Meaning]:
  """The comments above the fields of a dataclass and of those it is made of."""
  found: dict[str, Meaning] = {}
  for each in reversed(options.__mro__[:-1]):
    comment: list[str] = []
    for line in inspect.getsource(each).splitlines():
      line = line.strip()
      field = re.match(r'(\w+): \w+ = ', line)
      if line.startswith('# '):
        comment = comment if comment and comment[-1] else []
        comment.append(line[2:])
      elif field:
        found[field[1]] = Meaning(' '.join(filter(None, comment)))
        comment.append('')  # what is below without a comment shares it
      else:
        comment = []
  return found


def _assigned(statement: ast.stmt) -> str:
  """The field that a statement sets, '' if it sets none."""
  if not isinstance(statement, ast.Assign):
    return ''
  target = statement.targets[0]
  return target.attr if isinstance(target, ast.Attribute) else ''


def _called(statement: ast.stmt) -> str:
  """The name of the function whose call is the statement's value."""
  value = getattr(statement, 'value', None)
  called = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
  return value.func.id if called else ''


def _sections(
    config: ConfigDict, meanings: Meanings, path: tuple[str, ...] = ()
) -> list[tuple[list[str], list[tuple[str, Any]]]]:
  """(path, its own fields) of a config and of all below, in file order."""
  items = sorted(
      config.items(), key=lambda item: meanings.of([*path, item[0]]).place
  )
  own = [(k, v) for k, v in items if not isinstance(v, ConfigDict)]
  found = [(list(path), own)] if own else []
  for name, value in items:
    if isinstance(value, ConfigDict):
      found += _sections(value, meanings, (*path, name))
  return found


def _experiments() -> dict[str, ConfigDict]:
  """The default variants of the configs beside common.py, by name."""
  names = [m.name for m in pkgutil.iter_modules(configs.__path__)]
  package = configs.__name__
  modules = {n: importlib.import_module(f'{package}.{n}') for n in names}
  return {
      name: module.get_config()
      for name, module in modules.items()
      if module is not common and hasattr(module, 'get_config')
  }


def _others(
    path: list[str],
    fields: list[tuple[str, Any]],
    experiments: dict[str, ConfigDict],
) -> str:
  """The values that other configs give to the fields of a row."""
  parts = []
  for name, default in fields:
    users: dict[str, list[str]] = {}
    for experiment, config in experiments.items():
      value = functools.reduce(
          lambda c, part: c.get(part, {}), [*path, name], config
      )
      if value not in (default, {}):
        users.setdefault(repr(value), []).append(experiment)
    which = f'`{name}` ' if users and len(fields) > 1 else ''
    parts += [f'{which}{", ".join(who)}: `{v}`' for v, who in users.items()]
  return f'<br>*{"; ".join(parts)}*' if parts else ''


def _prose(text: str) -> str:
  """A comment as Markdown, with its mentions of other pages as links."""
  text = re.sub(r'([*|<])', r'\\\1', text)
  return re.sub(r'docs/(\w+\.md)', r'[\1](\1)', text)
