"""The rooms of the package: imports point down, and never in a circle."""

import ast
import functools
import graphlib
import pathlib

ROOT = pathlib.Path(__file__).parent.parent

# From the top down. A room imports those after it; `library` is the package's
# own modules, such as `eqlandmarks.losses`.
ROOMS = (
    'program', 'exporting', 'predictor', 'report', 'runs', 'evaluation',
    'training', 'datasets', 'media', 'formats', 'system', 'library',
)  # fmt: skip
# All rooms may import these.
EVERYWHERE = {'eqlandmarks', 'eqlandmarks.errors'}
# Configs are programs of their own, which the fields' checks read.
CONFIGS = {'eqlandmarks.runs', 'eqlandmarks.program'}


def _name(path):
  parts = path.relative_to(ROOT).with_suffix('').parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


# `configs` is a link to the configs beside the package.
MODULES = {
    _name(path): path
    for path in (ROOT / 'eqlandmarks').rglob('*.py')
    if 'configs' not in path.parts
}


@functools.cache
def _imports(module):
  """The package's modules that one imports, within functions too."""
  if module == 'eqlandmarks':  # for type checkers alone, see sharding_test.py
    return set()
  return set(_all_imports(module))


def _all_imports(module):
  for node in ast.walk(ast.parse(MODULES[module].read_text())):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{module}: a relative import'
      # What a name is taken from, where that is no package of modules.
      names = [
          node.module if node.module in MODULES and name not in MODULES
          else name
          for name in (f'{node.module}.{alias.name}' for alias in node.names)
      ]  # fmt: skip
    else:
      continue
    yield from (n for n in names if n.partition('.')[0] == 'eqlandmarks')


def _room(module):
  parts = module.split('.')
  is_folder = len(parts) > 2 or MODULES[module].name == '__init__.py'
  return parts[1] if is_folder and len(parts) > 1 else 'library'


def test_every_folder_is_a_room():
  assert {_room(module) for module in MODULES} == set(ROOMS)


def test_imports_point_down():
  wrong = set()
  for module in MODULES:
    room = _room(module)
    for imported in _imports(module):
      if imported in EVERYWHERE:
        continue
      if imported.startswith('eqlandmarks.configs'):
        if f'eqlandmarks.{room}' not in CONFIGS:
          wrong.add((module, imported))
      elif ROOMS.index(room) > ROOMS.index(_room(imported)):
        wrong.add((module, imported))
  assert wrong == set()


def test_errors_import_nothing_of_ours():
  assert not _imports('eqlandmarks.errors')


def test_no_circle():
  graph = {module: _imports(module) & {*MODULES} for module in MODULES}
  # For a type hint alone.
  graph['eqlandmarks.runs.workdir_checks'] -= {'eqlandmarks.runs.workdir'}
  graphlib.TopologicalSorter(graph).prepare()  # raises CycleError
