import numpy as np
import pytest

from eqlandmarks.training import logs


def _write(folder, steps, start_step=0):
  writer = logs.MetricWriter(folder, start_step=start_step)
  for step in steps:
    writer.write({'step': step, 'loss': np.float32(1 / (step + 2))})
  writer.close()


def test_rows_come_back_with_all_their_digits(tmp_path):
  _write(tmp_path, [10, 20])
  rows = logs.read_metrics(tmp_path)
  assert rows == [
      {'step': 10.0, 'loss': float(np.float32(1 / 12))},
      {'step': 20.0, 'loss': float(np.float32(1 / 22))},
  ]


def test_resuming_drops_what_came_after_and_gives_the_same_file(tmp_path):
  _write(tmp_path / 'whole', [10, 20, 30])
  _write(tmp_path / 'cut', [10, 20])
  # Killed while it wrote, after the checkpoint at step 10.
  with (tmp_path / 'cut/metrics.csv').open('a') as file:
    file.write('30,0.')
  _write(tmp_path / 'cut', [20, 30], start_step=10)
  read = lambda name: (tmp_path / name / 'metrics.csv').read_bytes()
  assert read('cut') == read('whole')


def test_nothing_logged_yet(tmp_path):
  assert logs.read_metrics(tmp_path) == []


def test_tensorboard_reads_the_events(tmp_path):
  pytest.importorskip('tensorboardX')
  _write(tmp_path, [10])
  (events,) = (tmp_path / 'events').iterdir()
  assert b'loss' in events.read_bytes()
