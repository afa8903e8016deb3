"""Eight fake CPU devices for all tests, a cache of programs, and a browser."""

import os
import pathlib
import shutil

import pytest
from absl import flags

# Read when jax is first imported, which the test modules do.
os.environ['XLA_FLAGS'] = (
    os.environ.get('XLA_FLAGS', '')
    + ' --xla_force_host_platform_device_count=8'
)
# The same tiny programs are compiled again and again, by every test process.
_CACHE = pathlib.Path(__file__).parent.parent / '.pytest_cache' / 'jax'
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(_CACHE))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.5')

os.environ.pop('COLUMNS', None)  # as xdist sets it, tables would be wrapped

flags.FLAGS.mark_as_parsed()  # grain reads absl flags

# Where a silently added axis would be a wrong number, not an error.
_STRICT = ('compared_losses', 'heatmaps', 'losses')


@pytest.fixture(autouse=True)
def _x64(request):
  """What is marked so computes in float64.

  How float32 rounds depends on the processor, and on how many devices share
  it: what is equal but for rounding is compared in float64.
  """
  if request.node.get_closest_marker('x64') is None:
    yield
    return
  import jax

  with jax.enable_x64(True):
    yield


@pytest.fixture(autouse=True)
def _strict_rank_promotion(request):
  """In some modules, adding an axis silently is an error."""
  name = request.module.__name__.rpartition('.')[2].removesuffix('_test')
  if name not in _STRICT:
    yield
    return
  import jax

  with jax.numpy_rank_promotion('raise'):
    yield


@pytest.fixture(autouse=True, scope='module')
def _forget_programs():
  """Frees what a module has compiled, which all of them fill gigabytes with."""
  yield
  import jax

  jax.clear_caches()


@pytest.fixture(scope='module')
def browser():
  """The system's Chromium; its own downloads are not asked for."""
  sync_api = pytest.importorskip('playwright.sync_api')
  path = next(
      filter(None, map(shutil.which, ('chromium', 'google-chrome'))), None
  )
  if path is None:
    pytest.skip('no chromium or google-chrome is installed')
  with sync_api.sync_playwright() as playwright:
    started = playwright.chromium.launch(
        executable_path=path,
        args=[
            '--no-sandbox', '--disable-gpu', '--disable-background-networking'
        ],
    )  # fmt: skip
    yield started
    started.close()
