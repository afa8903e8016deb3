"""The command line: what a user can get wrong is said in one line."""

import pathlib
import subprocess
import sys

import pytest

from eqlandmarks import errors
from eqlandmarks.program import config_file

ROOT = pathlib.Path(__file__).parent.parent.parent
TINY = '--config=configs/signer.py:tiny'


def _main(*arguments):
  return subprocess.run(
      [sys.executable, 'main.py', *arguments],
      cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
  )


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ([], '--config is missing'),
        ([TINY, '--workdir=W', '--config.model.width=1'],
         '--config.model.width: found no such field'),
        (['--config=sgner:tiny', '--workdir=W'],
         "found no file 'sgner', expected the path of one, or one of bbc"),
        (['--config', 'signer:tiny', '--workdir=W', '--mode=export'],
         'holds no config.json'),
        ([TINY, '--workdir=W', '--config.num_landmarks=0'],
         'config.num_landmarks is 0'),
        ([TINY, '--workdir=W', '--mode=predict',
          '--config.predict.input=/no/such/video.mp4'], '/no/such/video.mp4'),
    ],
)
def test_wrong_command_lines(arguments, said, tmp_path):
  arguments = [a.replace('=W', f'={tmp_path}/w') for a in arguments]
  done = _main(*arguments)
  assert done.returncode == 2, done.stderr
  lines = done.stderr.strip().splitlines()
  assert len(lines) == 1, done.stderr
  assert lines[0].startswith('error: ')
  assert said in lines[0]
  assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize(
    ('flags', 'shown'),
    [
        (['--config.image_size=8', '--verbose'], True),
        (['--config.image_size=x', '--verbose=true'], True),
        (['--config.image_size=x', '--verbose', '--noverbose'], False),
    ],
)
def test_verbose_adds_the_traceback_alone(tmp_path, flags, shown):
  done = _main(TINY, f'--workdir={tmp_path}/w', *flags)
  assert ('Traceback' in done.stderr) == shown
  assert done.stderr.splitlines()[-1].startswith('error: ')
  assert done.returncode == 2


def test_configs_are_found_by_name_and_by_path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'signer').write_text('')  # a name is a name, wherever one stands
  (tmp_path / 'mine.py').write_text('')
  ours = str(ROOT / 'eqlandmarks' / 'configs' / 'signer.py')
  for given, expected in (
      (['x', '--config=signer:tiny', '--mode=train'],
       ['x', f'--config={ours}:tiny', '--mode=train']),
      (['-config', 'signer'], [f'--config={ours}']),
      (['--config=mine.py:a:b'], ['--config=mine.py:a:b']),
      (['--config.seed=1'], ['--config.seed=1']),
  ):
    assert config_file.with_files(given) == expected
  for name in ('common', '__init__', 'mine', ''):
    with pytest.raises(errors.UserError, match='one of bbc_pose, cat_head'):
      config_file.with_files([f'--config={name}'])


def test_usage_speaks_of_the_script_that_was_started():
  done = _main('--helpshort')
  first = done.stdout.splitlines()[0]
  assert first == (
      'Discovers landmarks: python main.py --config=signer --workdir=DIR.'
  )
  assert 'Configs: bbc_pose, cat_head, celeba, folder, signer, video.' in (
      done.stdout
  )
  for flag in ('--config', '--mode', '--workdir', '--[no]verbose'):
    assert f'\n  {flag}:' in done.stdout


_INTERRUPTED = """
import runpy, sys
from eqlandmarks.program import modes

def run(*_):
  raise KeyboardInterrupt

modes.start = run
sys.argv = ['main.py', '--config=configs/signer.py:tiny', '--workdir=w']
runpy.run_path('main.py', run_name='__main__')
"""


def test_an_interrupt_is_one_line():
  done = subprocess.run(
      [sys.executable, '-c', _INTERRUPTED],
      capture_output=True, text=True, check=False, cwd=ROOT,
  )  # fmt: skip
  assert done.returncode == 130
  assert done.stderr.strip() == (
      'interrupted: the same command resumes from here'
  )
