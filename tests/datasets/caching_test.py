"""A shared cache: one run prepares a dataset, and the others wait for it."""

import contextlib
import errno
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import fixtures
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from eqlandmarks.datasets.signer import builder as signer_builder
from eqlandmarks.system import locking

ROOT = pathlib.Path(__file__).parent.parent.parent
_PREPARE = """
import sys
from eqlandmarks.system import signals
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets import signer
with signals.handled():
  caching.prepare(signer.build(
      signer.Options(
          num_train=int(sys.argv[2]), num_validation=2, num_test=2),
      data_dir=sys.argv[1], image_size=32), '--mode=train')
"""


def _make(cache, num_train=3):
  return fixtures.make(
      'signer', data_dir=cache, image_size=32, num_train=num_train,
      num_validation=2, num_test=2,
  )  # fmt: skip


def _start(cache, num_train=3):
  return subprocess.Popen(
      [sys.executable, '-c', _PREPARE, str(cache), str(num_train)], cwd=ROOT,
      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
  )  # fmt: skip


def _folder(cache, num_train=3):
  return pathlib.Path(_make(cache, num_train).data_dir)


def _until(there):
  for _ in range(1200):
    if there():
      return
    time.sleep(0.05)
  raise AssertionError('it has not happened')


def _assert_whole(cache, num_train=3):
  """Only the dataset is there, and it can be read."""
  folder = _folder(cache, num_train)
  assert [path.name for path in cache.iterdir()] == ['signer']
  assert [path.name for path in folder.parent.iterdir()] == [folder.name]
  assert not [*cache.rglob('*.partial')]
  assert len(loader.load(_make(cache, num_train), 'train')) == num_train


@contextlib.contextmanager
def _held(cache):
  folder = _folder(cache)
  with locking.held(folder.parent, '--mode=pretrain', f'{folder.name}.lock'):
    yield


def test_the_second_waits_and_finds_it_prepared(tmp_path, capsys, monkeypatch):
  said, waiting = [], _make(tmp_path)
  monkeypatch.setattr(caching.locking.journal, 'say', said.append)
  second = threading.Thread(target=caching.prepare, args=(waiting, 'x'))
  with _held(tmp_path):
    second.start()
    _until(lambda: said)
    first = _make(tmp_path)
    first.download_and_prepare()
    # What it would do to prepare anew.
    monkeypatch.setattr(signer_builder.Signer, '_examples', None)
    assert second.is_alive()
  second.join(60)
  assert not second.is_alive()
  assert len(said) == 1
  assert f'waiting for process {os.getpid()} on ' in said[0]
  assert '(--mode=pretrain, since ' in said[0] and str(tmp_path) in said[0]
  assert waiting.info.splits['train'].num_examples == 3
  assert len(loader.load(waiting, 'train')) == 3
  _assert_whole(tmp_path)


def test_the_second_prepares_where_the_first_has_failed(tmp_path, monkeypatch):
  cache, said = tmp_path / 'cache', []
  monkeypatch.setattr(caching.locking.journal, 'say', said.append)
  second = threading.Thread(target=caching.prepare, args=(_make(cache), 'x'))
  with _held(cache):
    second.start()
    _until(lambda: said)
  # The first has removed the empty folders that it had made.
  second.join(60)
  _assert_whole(cache)


def test_several_at_once(tmp_path):
  cache = tmp_path / 'cache'
  processes = [_start(cache, 40) for _ in range(3)]
  for process in processes:
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
  _assert_whole(cache, 40)


def test_nothing_is_left_of_a_killed_one(tmp_path):
  cache = tmp_path / 'cache'
  process = _start(cache, 400)
  folder = _folder(cache, 400).parent
  _until(lambda: [*folder.glob('incomplete.*')])
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert [*folder.glob('incomplete.*')] and (folder / '2.1.0.lock').exists()
  caching.prepare(_make(cache, 400), 'x')
  _assert_whole(cache, 400)


def test_a_failure_leaves_nothing_but_others_data(tmp_path, monkeypatch):
  def fail(*_):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(signer_builder.Signer, '_examples', fail)
  with pytest.raises(errors.UserError, match='No space left'):
    caching.prepare(_make(tmp_path / 'a/b'), 'x')
  assert not [*tmp_path.iterdir()]
  # Another run's, which has come meanwhile.
  other = tmp_path / 'a/b/other/incomplete.X_1'

  def fail_later(*_):
    other.mkdir(parents=True)
    fail()

  monkeypatch.setattr(signer_builder.Signer, '_examples', fail_later)
  with pytest.raises(errors.UserError, match='No space left'):
    caching.prepare(_make(tmp_path / 'a/b'), 'x')
  assert [p.name for p in (tmp_path / 'a/b').iterdir()] == ['other']
  assert other.exists()


def test_a_prepared_one_needs_no_lock(tmp_path, monkeypatch):
  late = _make(tmp_path)
  caching.prepare(_make(tmp_path), 'x')

  def refuse(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))

  for name in ('mkdir', 'open', 'rmdir', 'unlink'):
    monkeypatch.setattr(os, name, refuse)
  for builder in (_make(tmp_path), late):
    caching.prepare(builder, 'x')
    assert len(loader.load(builder, 'train')) == 3


def test_without_locks_a_young_folder_may_be_anothers(tmp_path, monkeypatch):
  def refuse(*_):
    raise OSError(errno.ENOLCK, 'No locks available')

  monkeypatch.setattr(fcntl, 'flock', refuse)
  young, old = (
      _folder(tmp_path).parent / f'incomplete.{name}_2.1.0' for name in 'AB'
  )
  for half in (young, old):
    half.mkdir(parents=True)
  os.utime(old, (0, 0))
  caching.prepare(_make(tmp_path), 'x')
  assert young.exists() and not old.exists()


def test_a_signal_ends_the_waiting(tmp_path):
  with _held(tmp_path):
    process = _start(tmp_path)
    said = iter(process.stderr.readline, '')
    wanted = f'waiting for process {os.getpid()} on '
    assert any(line.startswith(wanted) for line in said)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
  assert process.returncode and 'Interrupted: SIGTERM' in said
  assert not _folder(tmp_path).exists()


@pytest.mark.parametrize(
    'name', ['dataset_info.json', 'metadata.json', 'features.json']
)
@pytest.mark.parametrize('content', [b'', b'{', b'[]', b'\xff', b'[' * 200_000])
def test_damaged_words_of_tfds_are_one_line(tmp_path, name, content):
  caching.prepare(_make(tmp_path), 'x')
  path = _folder(tmp_path) / name
  folder = path.parent
  path.write_bytes(content)
  try:
    builder = _make(tmp_path)
    caching.prepare(builder, 'x')
    loader.describe(builder)
    loader.load(builder, 'train')
  except errors.UserError as error:
    said = str(error)
    assert str(folder) in said and '\n' not in said
    assert f'without {folder}, it is prepared anew' in said
  else:  # the code says it all
    assert name != 'dataset_info.json'


@pytest.mark.parametrize('how', ['cut', 'pixel', 'head'])
def test_damaged_pixels_are_one_line(tmp_path, how):
  caching.prepare(_make(tmp_path), 'x')
  (path,) = _folder(tmp_path).glob('*-train.array_record*')
  content = bytearray(path.read_bytes())
  # Records are compressed, in chunks that each have a head and checksums.
  start = content.index(b'\0', len(content) // 2)
  if how == 'cut':
    del content[start:]
  else:
    content[start if how == 'pixel' else 70] ^= 1
  path.write_bytes(content)
  builder = _make(tmp_path)
  with pytest.raises(errors.UserError, match='it is prepared anew') as caught:
    loader.load(builder, 'train')
  assert str(path.parent) in str(caught.value)
  with pytest.raises(errors.UserError, match='it is prepared anew'):
    next(loader.batches(
        storage.open_pixels(builder, 'train'), batch_size=3, seed=0, start=0
    ))  # fmt: skip
