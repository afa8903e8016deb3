import os
import subprocess
import sys

import pytest

from eqlandmarks import huge_pages


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
  monkeypatch.setattr(sys, 'orig_argv', ['python', '-X', 'dev', 'main.py', 'a'])
  huge_pages.restart()
  assert started == [
      (sys.executable, [sys.executable, '-X', 'dev', 'main.py', 'a'])
  ]
  assert os.environ[huge_pages.VARIABLE] == huge_pages.WISH
  # What started reads the variable, and goes on.
  huge_pages.restart()
  assert len(started) == 1


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


def test_a_real_process_goes_on_where_it_began():
  """Its number, arguments and input stay; the wish stands where it helps."""
  program = (
      'import os, sys\n'
      'from eqlandmarks import huge_pages\n'
      'wanted = huge_pages.wanted()\n'
      'huge_pages.restart()\n'
      'print(os.getpid(), wanted, os.environ.get("GLIBC_TUNABLES"))\n'
      'print(sys.argv[1:], sys.flags.utf8_mode, sys.stdin.read())\n'
  )
  environment = dict(os.environ)
  environment.pop(huge_pages.VARIABLE, None)
  with subprocess.Popen(
      [sys.executable, '-X', 'utf8', '-c', program, 'a b', '--c'],
      env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
  ) as process:  # fmt: skip
    said, _ = process.communicate('input')
  first, second = said.splitlines()
  number, wanted, wish = first.split()
  assert int(number) == process.pid
  # Whoever goes on does not want to start again.
  assert wanted == 'False'
  assert wish in (huge_pages.WISH, 'None')
  assert second == "['a b', '--c'] 1 input"
