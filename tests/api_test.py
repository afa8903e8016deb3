"""What other projects import: names, examples, and what an import needs."""

import doctest
import importlib
import pathlib
import re
import shutil
import subprocess
import sys

import jax
import pytest

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted((ROOT / 'docs/api').glob('*.md'))

# Stable: whoever changes one of them writes so in CHANGELOG.md.
NAMES = {
    'appearance': {'random_appearance'},
    'compared_losses': {
        'alignment', 'concentration', 'matching', 'separation',
        'sliding_diversity',
    },
    'geometry': {'BORDERS', 'inside', 'pixel_centres', 'sample'},
    'heatmaps': {
        'expectation', 'gaussian_maps', 'soft_argmax', 'spatial_softmax',
        'spread', 'variances',
    },
    'losses': {'contrastive', 'diversity', 'equivariance', 'variance'},
    'matching': {'change', 'coverage', 'follow'},
    'metrics': {
        'Mean', 'accuracy_curve', 'distances', 'explained', 'inter_ocular',
        'match', 'inter_ocular_errors', 'share_within', 'standard_error',
        'to_128', 'uniform_curve', 'within',
    },
    'models': {'LAYERS', 'NORMS', 'Hourglass', 'LandmarkNet'},
    'reconstruction': {'of_levels', 'of_pixels'},
    'renderers': {'Renderer', 'halvings'},
    'regression': {
        'ORIGINS', 'UNITS', 'Coordinates', 'LandmarkRegressor', 'fit',
        'from_config',
    },
    'warps': {
        'Affine', 'Flow', 'Warp', 'affine', 'elastic', 'identity',
        'random_warp', 'warp_image',
    },
    'exporting': {'FORMAT', 'Model', 'load'},
}


@pytest.mark.parametrize('name', NAMES)
def test_stable_names(name):
  module = importlib.import_module(f'eqlandmarks.{name}')
  assert set(module.__all__) == NAMES[name]
  assert all(hasattr(module, one) for one in NAMES[name])


def test_every_module_has_a_page_that_uses_all_of_its_names():
  pages = {page.stem: page.read_text() for page in PAGES}
  for name in NAMES.keys() - {'exporting'}:
    missing = {one for one in NAMES[name] if one not in pages[name]}
    assert not missing, f'docs/api/{name}.md shows no {missing}'


@pytest.fixture
def unfiltered_tracebacks():
  """JAX adds a line of its own to the messages of errors else."""
  before = jax.config.jax_traceback_filtering
  jax.config.update('jax_traceback_filtering', 'off')
  yield
  jax.config.update('jax_traceback_filtering', before)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page(page, unfiltered_tracebacks):
  # A fence would be taken for the output of the line before.
  text = re.sub(r'^```.*$', '', page.read_text(), flags=re.MULTILINE)
  test = doctest.DocTestParser().get_doctest(text, {}, page.name, page, 0)
  assert test.examples or page.stem == 'index'
  said = []
  doctest.DocTestRunner().run(test, out=said.append)
  assert not said, ''.join(said)


# Imports what there may be, then refuses everything else that is not Python's.
_CLOSURE = """
import importlib, sys
# What is installed of this package is not meant.
sys.meta_path[:] = [
    f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '')
]
import jax, jax.numpy, jax.export, numpy
allowed, modules = sys.argv[1].split(','), sys.argv[2].split(',')
if 'flax' in allowed:
  import flax.linen, flax.struct
before = set(sys.modules)
class Refuse:
  def find_spec(self, name, path=None, target=None):
    top = name.partition('.')[0]
    if top not in {'eqlandmarks', *allowed, *sys.stdlib_module_names}:
      raise ModuleNotFoundError(f'{name} is imported')
sys.meta_path.insert(0, Refuse())
for module in modules:
  importlib.import_module(f'eqlandmarks.{module}')
  assert not {'flax'} - set(allowed) & set(sys.modules) - before
assert list(sys.modules['eqlandmarks'].__path__) == [sys.argv[3]]
print(*sorted(n for n in sys.modules if n.startswith('eqlandmarks.')))
"""


@pytest.mark.parametrize(
    ('allowed', 'modules'),
    [
        (
            'jax,jaxlib,numpy',
            (
                '_arguments', '_blockwise', 'compared_losses', 'losses',
                'heatmaps', 'geometry', 'matching', 'reconstruction',
            ),
        ),
        (
            'jax,jaxlib,numpy,flax',
            (
                'geometry', 'warps', 'metrics', 'heatmaps', '_blocks',
                '_convolutions', '_fse_nets', 'models', 'renderers',
            ),
        ),
    ],
)
def test_modules_need_nothing_else_of_the_package(allowed, modules, tmp_path):
  package = tmp_path / 'eqlandmarks'
  package.mkdir()
  for name in ('__init__', *modules):  # no other file of ours is there
    shutil.copy(ROOT / f'eqlandmarks/{name}.py', package)
  done = subprocess.run(
      [sys.executable, '-c', _CLOSURE, allowed, ','.join(modules),
       str(package)],
      cwd=tmp_path, env={'PYTHONPATH': '', 'PATH': ''},
      capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert done.stdout.split() == sorted(f'eqlandmarks.{m}' for m in modules)
