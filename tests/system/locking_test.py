"""Two runs do not write into one folder, and a killed one leaves no lock."""

import errno
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from eqlandmarks import errors
from eqlandmarks.system import journal
from eqlandmarks.system import locking
from eqlandmarks.system import regular_files

ROOT = pathlib.Path(__file__).parent.parent.parent
_HOLD = """
import pathlib, sys, time
from eqlandmarks.system import locking
from eqlandmarks.system import regular_files
with locking.held(pathlib.Path(sys.argv[1]), '--mode=train'):
  print('held', flush=True)
  time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
  """Another process that holds the lock of tmp_path/w."""
  process = subprocess.Popen(
      [sys.executable, '-c', _HOLD, str(tmp_path / 'w')], cwd=ROOT,
      stdout=subprocess.PIPE, text=True,
  )  # fmt: skip
  assert process.stdout.readline() == 'held\n'
  yield process
  process.kill()
  process.wait()
  process.stdout.close()


def test_a_folder_in_use_names_who_uses_it(holder, tmp_path):
  with (
      pytest.raises(errors.UserError) as caught,
      locking.held(tmp_path / 'w', '--mode=report'),
  ):
    pass
  said = str(caught.value)
  assert f'{tmp_path}/w is in use by process {holder.pid} on ' in said
  assert '(--mode=train, since 20' in said
  assert json.loads((tmp_path / 'w/lock').read_text())['pid'] == holder.pid


def test_a_killed_holder_leaves_nothing_to_remove(holder, tmp_path):
  os.kill(holder.pid, signal.SIGKILL)
  holder.wait()
  assert (tmp_path / 'w/lock').exists()
  with locking.held(tmp_path / 'w', '--mode=train'):
    about = json.loads((tmp_path / 'w/lock').read_text())
    assert about['pid'] == os.getpid()
  assert not (tmp_path / 'w/lock').exists()


def test_folders_made_in_vain_go_and_others_stay(tmp_path):
  with locking.held(tmp_path / 'a/b', 'x'):
    assert (tmp_path / 'a/b/lock').exists()
  assert not list(tmp_path.iterdir())
  with locking.held(tmp_path / 'a/b', 'x'):
    (tmp_path / 'a/kept').write_text('')
  assert [p.name for p in (tmp_path / 'a').iterdir()] == ['kept']


def test_within_one_process_too(tmp_path):
  with (
      locking.held(tmp_path, 'x'),
      pytest.raises(errors.UserError, match='in use'),
      locking.held(tmp_path, 'y'),
  ):
    pass


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
  flock, calls = fcntl.flock, []

  def slow(file, how):
    if not calls:  # its holder ends between our opening and our locking
      (tmp_path / 'lock').unlink()
    calls.append(how)
    flock(file, how)

  monkeypatch.setattr(fcntl, 'flock', slow)
  with locking.held(tmp_path, 'x'):
    assert len(calls) == 2
    assert (tmp_path / 'lock').exists()


@pytest.mark.parametrize('code', [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, code):
  def refuse(*_):
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(os, 'pwrite', refuse)
  with (
      pytest.raises(errors.UserError) as caught,
      locking.held(tmp_path / 'w', 'x'),
  ):
    pass
  assert f'{tmp_path}/w: cannot be written' in str(caught.value)
  assert os.strerror(code) in str(caught.value)
  assert not list(tmp_path.iterdir())


def test_without_locks_it_warns_and_goes_on(tmp_path, monkeypatch, capsys):
  def refuse(*_):
    raise OSError(errno.ENOLCK, 'No locks available')

  monkeypatch.setattr(fcntl, 'flock', refuse)
  with locking.held(tmp_path, 'x'):
    pass
  assert 'cannot be locked (No locks available)' in capsys.readouterr().err


def test_the_log_has_times_and_the_error_that_ended_it(tmp_path, capsys):
  journal.say('before')
  with journal.writing(tmp_path / 'log.txt'):
    journal.say('hello')
    journal.note('two\nlines')
  with (
      pytest.raises(ValueError, match='bad'),
      journal.writing(tmp_path / 'log.txt'),
  ):
    raise ValueError('bad')
  lines = (tmp_path / 'log.txt').read_text().splitlines()
  stamps, said = zip(*(line.split(' ', 1) for line in lines), strict=True)
  assert said == ('hello', 'two lines', 'error: ValueError: bad')
  assert all(len(s) == 20 and s[10] == 'T' and s[-1] == 'Z' for s in stamps)
  assert capsys.readouterr().err == 'before\nhello\n'


def test_a_log_that_cannot_be_written_ends_nothing(capsys, monkeypatch):
  with monkeypatch.context() as patch:
    patch.setattr(regular_files, 'open_own', os.open)  # which refuses a device
    with journal.writing(pathlib.Path('/dev/full')):
      journal.say('hello')
  with journal.writing(pathlib.Path('/proc/no/log.txt')):
    journal.say('hello')
  assert capsys.readouterr().err == (
      'warning: /dev/full is no file of its own, so no log is written; '
      'remove it\nhello\nhello\n'
  )
