import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.training import metric_files


def _write(folder, steps, start_step=0):
  writer = metric_files.MetricWriter(folder, start_step=start_step)
  for step in steps:
    writer.write({'step': step, 'loss': np.float32(1 / (step + 2))})
  writer.close()


def test_rows_come_back_with_all_their_digits(tmp_path):
  _write(tmp_path, [10, 20])
  rows = metric_files.read_metrics(tmp_path)
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
  assert metric_files.read_metrics(tmp_path) == []


def test_tensorboard_reads_the_events(tmp_path):
  pytest.importorskip('tensorboardX')
  _write(tmp_path, [10])
  (events,) = (tmp_path / 'events').iterdir()
  assert b'loss' in events.read_bytes()


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (b'0.5', b'0,5'), (b'0.5', b'0x5'), (b'0.5', b'0.\xff'), (b'1,', b'1.'),
        (b'step', b'stop'), (b'\r\n1', b'\r"1'), (b'1,', b'1e5,'),
    ],
)  # fmt: skip
def test_one_other_character_is_named(tmp_path, old, new):
  writer = metric_files.MetricWriter(tmp_path, start_step=0)
  writer.write({'step': 1, 'loss': 0.5})
  writer.write({'step': 2, 'loss': 0.25})
  writer.close()
  path = tmp_path / 'metrics.csv'
  content = path.read_bytes()
  assert old in content
  path.write_bytes(content.replace(old, new, 1))
  before = path.read_bytes()
  for read in (
      lambda: metric_files.read_metrics(tmp_path),
      lambda: metric_files.MetricWriter(tmp_path, start_step=2),
  ):
    with pytest.raises(errors.UserError) as caught:
      read()
    said = str(caught.value)
    assert f'{path} is damaged (' in said and 'without it' in said
    assert '\n' not in said
  assert path.read_bytes() == before


def test_another_column_is_named_at_the_next_row(tmp_path):
  _write(tmp_path, [10])
  path = tmp_path / 'metrics.csv'
  path.write_text(path.read_text().replace('loss', 'lpss'))
  with pytest.raises(errors.UserError, match='columns step, lpss'):
    _write(tmp_path, [20], start_step=10)
