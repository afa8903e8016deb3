import os
import platform
import subprocess
import sys

import pytest

from eqlandmarks.system import huge_pages


@pytest.fixture
def kernel(monkeypatch, tmp_path):
  """A kernel that gives huge pages to whom asks, and a glibc that can ask."""
  path = tmp_path / 'enabled'
  path.write_text('always [madvise] never\n')
  monkeypatch.setattr(huge_pages, '_KERNEL', path)
  monkeypatch.setattr(os, 'confstr', lambda _: 'glibc 2.36', raising=False)
  monkeypatch.delenv(huge_pages.VARIABLE, raising=False)
  return path


def test_the_process_starts_again_with_the_same_arguments(kernel, monkeypatch):
  started = []
  monkeypatch.setattr(os, 'execv', lambda *args: started.append(args))
  _started_as(monkeypatch, ['-X', 'dev'], ['main.py', 'a'])
  huge_pages.restart()
  assert started == [
      (sys.executable, [sys.executable, '-X', 'dev', 'main.py', 'a'])
  ]
  assert os.environ[huge_pages.VARIABLE] == huge_pages.WISH
  # What started reads the variable, and goes on.
  huge_pages.restart()
  assert len(started) == 1


def _started_as(monkeypatch, options, script):
  monkeypatch.setattr(sys, 'orig_argv', ['python', *options, *script])
  monkeypatch.setattr(sys, 'argv', script)
  monkeypatch.setattr(sys, 'gettrace', lambda: None)


@pytest.mark.parametrize('around', ['another script', '-m', 'a debugger'])
def test_a_program_around_it_is_not_started_again(kernel, monkeypatch, around):
  monkeypatch.setattr(os, 'execv', lambda *_: pytest.fail('started again'))
  _started_as(monkeypatch, [], ['main.py', 'a'])
  if around == 'another script':
    monkeypatch.setattr(sys, 'argv', ['other.py', 'a'])
  elif around == '-m':
    _started_as(monkeypatch, ['-m', 'pdb'], ['main.py', 'a'])
  else:
    monkeypatch.setattr(sys, 'gettrace', lambda: print)
  huge_pages.restart()
  assert huge_pages.VARIABLE not in os.environ


def test_where_it_cannot_start_again_it_goes_on(kernel, monkeypatch):
  def fail(*_):
    raise OSError('no memory')

  monkeypatch.setattr(os, 'execv', fail)
  _started_as(monkeypatch, [], ['main.py', 'a'])
  huge_pages.restart()
  assert huge_pages.VARIABLE not in os.environ


@pytest.mark.parametrize('chosen', ['', 'glibc.malloc.check=1'])
def test_who_chose_already_is_left_alone(kernel, monkeypatch, chosen):
  monkeypatch.setenv(huge_pages.VARIABLE, chosen)
  assert not huge_pages.wanted()


@pytest.mark.parametrize(
    'modes', ['[always] madvise never', 'always madvise [never]']
)
def test_a_kernel_that_need_not_be_asked_or_does_not_listen(kernel, modes):
  assert huge_pages.wanted()
  kernel.write_text(modes)
  assert not huge_pages.wanted()
  kernel.unlink()
  assert not huge_pages.wanted()


@pytest.mark.parametrize('library', ['glibc 2.34', 'musl 1.2', '', 'glibc new'])
def test_other_c_libraries(kernel, monkeypatch, library):
  monkeypatch.setattr(os, 'confstr', lambda _: library, raising=False)
  assert not huge_pages.wanted()


def test_a_system_without_the_question(kernel, monkeypatch):
  monkeypatch.delattr(os, 'confstr', raising=False)
  assert not huge_pages.wanted()


def test_a_real_process_goes_on_where_it_began(tmp_path):
  """Its number, arguments and input stay; the wish stands where it helps."""
  script = tmp_path / 'script.py'
  script.write_text(
      'import os, sys\n'
      'from eqlandmarks.system import huge_pages\n'
      'huge_pages.restart()\n'
      'print(os.getpid(), os.environ.get("GLIBC_TUNABLES"))\n'
      'print(sys.argv[1:], sys.flags.utf8_mode, sys.stdin.read())\n'
  )
  environment = {**os.environ, 'PYTHONPATH': os.getcwd()}
  environment.pop(huge_pages.VARIABLE, None)
  with subprocess.Popen(
      [sys.executable, '-X', 'utf8', str(script), 'a b', '--c'],
      env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
  ) as process:  # fmt: skip
    said, _ = process.communicate('input')
  first, second = said.splitlines()
  number, wish = first.split()
  assert int(number) == process.pid
  helps = '[madvise]' in _text_of(huge_pages._KERNEL)
  assert wish == (huge_pages.WISH if helps and _new_glibc() else 'None')
  assert second == "['a b', '--c'] 1 input"


def _text_of(path):
  return path.read_text() if path.exists() else ''


def _new_glibc():
  name, version = platform.libc_ver()
  return name == 'glibc' and [int(n) for n in version.split('.')] >= [2, 35]
