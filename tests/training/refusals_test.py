"""What a full disk refuses is one error, and no word of any library."""

import contextlib
import errno
import logging
import os
import resource
import signal
import sys
import threading

import jax
import pytest

from eqlandmarks import errors
from eqlandmarks.training import checkpoints
from eqlandmarks.training import metric_files
from eqlandmarks.training import refusals


@contextlib.contextmanager
def _files_end_at(size):
  """No file can grow beyond so many bytes: what writes it is refused."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_refusal_inside_a_checkpoint_is_one_error(tmp_path, capfd, caplog):
  # Random numbers, which no file holds in less room.
  state = {
      f'w{i}': jax.random.normal(jax.random.key(i), (64, 64)) for i in range(8)
  }
  with (
      _files_end_at(4096),
      pytest.raises(errors.UserError) as caught,
      refusals.unspoken(),
      checkpoints.Checkpointer(tmp_path / 'stage', keep=2) as saved,
  ):
    saved.save_async(10, state)
    saved.wait()
  said = str(caught.value)
  assert said.startswith(f'{tmp_path}/stage/checkpoints: cannot be written (')
  assert os.strerror(errno.EFBIG) in said
  assert capfd.readouterr().err == ''
  assert caplog.text == ''


def test_all_else_is_said_as_ever(monkeypatch, caplog):
  told = []
  monkeypatch.setattr(threading, 'excepthook', lambda a: told.append('thread'))
  monkeypatch.setattr(sys, 'unraisablehook', lambda a: told.append('object'))
  monkeypatch.setattr(sys, 'excepthook', lambda *a: told.append('main'))
  hooks = threading.excepthook, sys.unraisablehook, sys.excepthook

  def end(error):
    def run():
      raise error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

  with refusals.unspoken():
    end(OSError(errno.ENOSPC, 'full'))
    end(ValueError('Failed writing: No space left on device'))
    assert not told
    end(ValueError('another'))
    assert told == ['thread']
    logging.getLogger('orbax').error('No space left on device')
    logging.getLogger('orbax').error('another')
    assert [record.message for record in caplog.records] == ['another']
  assert hooks == (threading.excepthook, sys.unraisablehook, sys.excepthook)


def test_refused_events_are_an_error_with_their_path(tmp_path, capfd):
  pytest.importorskip('tensorboardX')
  threads = threading.active_count()
  writer = metric_files.EventWriter(tmp_path / 'events', first_step=1)
  with _files_end_at(1024):
    with pytest.raises(errors.UserError, match='events: cannot be written'):
      for step in range(1000):
        writer.write({'step': step, 'loss': 1.0})
    writer.close()  # is refused once more
  assert threading.active_count() == threads
  assert capfd.readouterr().err == ''


def test_closing_the_metrics_of_a_full_disk_says_nothing(tmp_path):
  writer = metric_files.MetricWriter(tmp_path, start_step=0)
  with _files_end_at(16):
    with pytest.raises(errors.UserError, match=r'metrics\.csv: cannot be'):
      writer.write({'step': 1, 'loss': 0.123456789})
    writer.close()
