"""A program whose standard output or error ends before it does."""

import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

_LINES = """
import os, sys
from eqlandmarks.system import console
with console.lasting():
  for number in range(3):
    print('line', number, file=sys.{name}, flush=True)
  os.write(sys.{name}.fileno(), b'a library has its say')
print('here', file=sys.{other}, flush=True)
"""


def _run(code, **streams):
  return subprocess.run(
      [sys.executable, '-c', textwrap.dedent(code)], cwd=ROOT, text=True,
      **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **streams},
  )  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'other'), [('stdout', 'stderr'), ('stderr', 'stdout')]
)
@pytest.mark.parametrize('end', ['full', 'closed', 'reader gone'])
def test_a_lost_stream_ends_nothing(name, other, end, tmp_path):
  code = _LINES.format(name=name, other=other)
  if end == 'closed':
    code = f'import sys\nsys.{name}.close()\nsys.{name} = None\n' + (
        code.replace(f'os.write(sys.{name}.fileno()', '(lambda *_: 0)(0')
    )
    done = _run(code)
  elif end == 'full':
    if not pathlib.Path('/dev/full').exists():
      pytest.skip('no /dev/full here')
    with open('/dev/full', 'w') as full:
      done = _run(code, **{name: full})
  else:
    process = subprocess.Popen(['true'], stdin=subprocess.PIPE)
    process.wait()
    done = _run(code, **{name: process.stdin})
    process.stdin.close()
  assert done.returncode == 0
  assert getattr(done, other) == 'here\n'


def test_what_is_written_arrives():
  done = _run(_LINES.format(name='stdout', other='stderr'))
  assert done.stdout == 'line 0\nline 1\nline 2\na library has its say'


def test_a_signal_while_the_program_is_imported_ends_it_at_once():
  done = _run(f"""
  import os, sys
  from eqlandmarks.program import cli

  class Import:
    def find_spec(self, name, path, target=None):
      if name == 'eqlandmarks.training.hosts':
        os.kill(os.getpid(), {signal.SIGINT.value})

  sys.meta_path.insert(0, Import())
  sys.argv = ['main.py', '--config=signer:tiny', '--workdir=w']
  cli.run()
  """)
  assert (done.returncode, done.stdout, done.stderr) == (130, '', '')


def test_a_signal_that_is_ignored_stays_so():
  done = _run("""
  import os, signal
  from eqlandmarks.system import signals
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
  with signals.handled():
    os.kill(os.getpid(), signal.SIGHUP)
  print('went on')
  """)
  assert done.stdout == 'went on\n'
