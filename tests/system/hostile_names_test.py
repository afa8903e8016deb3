"""Names that would steer a terminal, and files that stand where ours go."""

import ast
import io
import os
import pathlib
import sys

import pytest

from eqlandmarks import errors
from eqlandmarks.system import console
from eqlandmarks.system import journal
from eqlandmarks.system import locking

_NAME = 'a\x1b[2Jb\rc\nd\x9b\u202e\udc80.png'
_ESCAPED = r'a\x1b[2Jb\rc\nd\x9b\u202e\udc80.png'


def test_what_is_printable_stays():
  for text in ('a  b', 'é', 'e\u0301', '日本', '🐈', 'a\\b', "a'b"):
    assert errors.printable(text) == text


def test_an_error_is_one_line_that_steers_nothing():
  assert str(errors.UserError(f'{_NAME}: found')) == f'{_ESCAPED}: found'
  again = errors.UserError(str(errors.UserError(_NAME)))
  assert str(again) == _ESCAPED


def test_what_is_said_steers_nothing(tmp_path, capsys):
  with journal.writing(tmp_path / 'log.txt'):
    journal.say(f'reading {_NAME}')
  said = capsys.readouterr().err
  assert '\x1b' not in said and '\r' not in said and r'\x1b[2J' in said
  assert '\x1b' not in (tmp_path / 'log.txt').read_text()


def test_letters_that_the_locale_has_not(monkeypatch):
  files = [io.BytesIO(), io.BytesIO()]
  for name, file in zip(('stdout', 'stderr'), files, strict=True):
    stream = io.TextIOWrapper(file, encoding='ascii', errors='strict')
    monkeypatch.setattr(sys, name, stream)
  with console.lasting():
    print('é')
    print('\udc80', file=sys.stderr)
  assert files[0].getvalue() == b'\\xe9\n'
  assert files[1].getvalue() == b'\\udc80\n'


def test_texts_are_not_read_as_the_locale_would():
  root = pathlib.Path(errors.__file__).parent
  for path in root.rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
      if isinstance(node, ast.Call):
        called = ast.unparse(node)
        assert not called.endswith('.read_text()'), (path, called)


@pytest.fixture
def precious(tmp_path):
  path = tmp_path / 'precious'
  path.write_text('mine')
  yield path
  assert path.read_text() == 'mine'


def test_a_log_is_not_written_through_a_link(tmp_path, precious, capsys):
  (tmp_path / 'log.txt').symlink_to(precious)
  with journal.writing(tmp_path / 'log.txt'):
    journal.say('hello')
  said = capsys.readouterr().err
  assert f'warning: {tmp_path}/log.txt is no file of its own, so no log' in said
  assert said.endswith('hello\n')


def test_a_log_does_not_wait_for_the_reader_of_a_pipe(tmp_path):
  os.mkfifo(tmp_path / 'log.txt')
  with journal.writing(tmp_path / 'log.txt'):
    journal.say('hello')


def _refused(folder):
  with (
      pytest.raises(errors.UserError) as caught,
      locking.held(folder, 'x'),
  ):
    pass
  return str(caught.value)


def test_a_lock_is_not_written_through_a_link(tmp_path, precious):
  (tmp_path / 'w').mkdir()
  lock = tmp_path / 'w/lock'
  lock.symlink_to(precious)
  assert f'{lock}: found a link' in _refused(tmp_path / 'w')
  assert lock.is_symlink()


@pytest.mark.parametrize('content', ['mine', '[' * 9000, '{"pid": 1}', '[]'])
def test_a_file_of_somebody_else_is_not_taken_for_a_lock(tmp_path, content):
  lock = tmp_path / 'lock'
  lock.write_text(content)
  assert f'{lock}: found a file that is no lock' in _refused(tmp_path)
  assert lock.read_text() == content


def test_the_lock_of_a_killed_process_is_taken(tmp_path):
  lock = tmp_path / 'lock'
  with locking.held(tmp_path, 'x'):
    left = lock.read_bytes()
  for content in left, b'':
    lock.write_bytes(content)
    with locking.held(tmp_path, 'x'):
      pass
    assert not lock.exists()
