"""What is imported when: a refused flag waits for nothing slow."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
SLOW = {
    'jax', 'flax', 'tensorflow_datasets', 'matplotlib', 'sklearn', 'orbax',
    'plotly', 'grain', 'scipy', 'numpy', 'PIL', 'pandas',
}  # fmt: skip
# Configs import the objectives that they name, which compute with these.
OF_CONFIGS = {'jax', 'flax', 'numpy'}
_MODULES = """
import json, runpy, sys
sys.argv = ['main.py', *json.loads(sys.argv[1])]
try:
  runpy.run_path('main.py', run_name='__main__')
except SystemExit as error:
  print(json.dumps([error.code, sorted(sys.modules)]))
"""
_OF_MODES = """
import json, sys
from eqlandmarks.program import modes
modes.find(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""
TINY = ['--config=signer:tiny', '--workdir=w']


def _last_line(code, argument):
  done = subprocess.run(
      [sys.executable, '-c', code, argument],
      cwd=ROOT, capture_output=True, text=True, check=True,
  )  # fmt: skip
  return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ('arguments', 'code'),
    [
        (['--help'], 1),
        ([], 2),
        ([*TINY, '--confg=1'], 2),
        ([*TINY, '--mode=fly'], 2),
    ],
)
def test_flags_are_refused_before_anything_slow(arguments, code):
  exit_code, modules = _last_line(_MODULES, json.dumps(arguments))
  assert exit_code == code
  assert not SLOW & {*modules}


@pytest.mark.parametrize(
    'arguments',
    [
        [*TINY, '--config.sed=1'], [*TINY, '--config.seed=one'],
        ['--config=signer:huge', '--workdir=w'],
    ],
)  # fmt: skip
def test_fields_are_refused_before_anything_slow(arguments):
  exit_code, modules = _last_line(_MODULES, json.dumps(arguments))
  assert exit_code == 2
  assert not (SLOW - OF_CONFIGS) & {*modules}


@pytest.mark.parametrize('mode', ['predict', 'export'])
def test_nothing_is_drawn_with_matplotlib(mode):
  assert not {'matplotlib', 'plotly'} & {*_last_line(_OF_MODES, mode)}
