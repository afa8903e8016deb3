"""Training metrics on disk: a CSV file, and TensorBoard events."""

import contextlib
import csv
import pathlib
import time

from absl import logging

from eqlandmarks.system import data_files
from eqlandmarks.system import files

try:
  from tensorboardX import event_file_writer
  from tensorboardX import summary
  from tensorboardX.proto import event_pb2
except ImportError:  # the extra `tensorboard` is not installed
  event_file_writer = None

# What to do about a file that is damaged.
_REMEDY = (
    'without it, the same command resumes, and only the curve before is lost'
)
# Seconds after which events are sent to the disk.
_FLUSH = 30.0


class MetricWriter:
  """Writes one row per logged step, to metrics.csv and TensorBoard.

  A stage that resumes from step N drops the rows after N first, so that the
  file of an interrupted run equals that of an undisturbed one.
  """

  def __init__(self, folder: pathlib.Path, *, start_step: int):
    self._path = folder / 'metrics.csv'
    kept = [row for row in read_metrics(folder) if row['step'] <= start_step]
    self._columns = list(kept[0]) if kept else None
    # Rewritten beside the old file, so that a kill here loses nothing.
    with files.replacing(self._path) as partial:
      self._file = partial.open('w', newline='')
      self._table = csv.writer(self._file)
      if kept:
        self._table.writerow(self._columns)
        self._table.writerows(map(self._texts, kept))
      self._file.flush()
    self._events = EventWriter(folder / 'events', first_step=start_step + 1)

  def write(self, row: dict[str, float]) -> None:
    """Writes a row; `step` is one of its columns, the others are metrics."""
    if self._columns and not {*self._columns} <= {*row}:
      raise data_files.damaged(
          self._path, f'columns {", ".join(self._columns)}', _REMEDY
      )
    with files.written(self._path):
      if self._columns is None:
        self._columns = list(row)
        self._table.writerow(self._columns)
      self._table.writerow(self._texts(row))
      self._file.flush()
    self._events.write(row)

  def close(self) -> None:
    """Closes the files."""
    with contextlib.suppress(OSError):  # a row that has been refused already
      self._file.close()
    self._events.close()

  def _texts(self, row: dict[str, float]) -> list[str]:
    # repr keeps all digits, so that a row survives being read and rewritten.
    return [
        str(int(row[name])) if name == 'step' else repr(float(row[name]))
        for name in self._columns
    ]


class EventWriter:
  """Writes TensorBoard's events, or none without tensorboardX.

  tensorboardX's `SummaryWriter` writes in a thread of its own: on a full disk
  it says pages, its queue fills up, and the training waits for it for ever.
  Here events are written in the caller's thread, where a refusal is an error.

  Args:
    folder: of the files of events.
    first_step: from which on events in older files no longer count.
  """

  def __init__(self, folder: pathlib.Path, *, first_step: int):
    self._folder, self._file = folder, None
    if event_file_writer is None:
      logging.info('No TensorBoard events: tensorboardX is not installed.')
      return
    with files.written(folder):
      folder.mkdir(parents=True, exist_ok=True)
      self._file = event_file_writer.EventsWriter(str(folder / 'events'))
      start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._add(step=first_step, file_version='brain.Event:2')
      self._add(step=first_step, session_log=start)
    self._flushed = time.monotonic()

  def write(self, row: dict[str, float]) -> None:
    """Writes a row of metrics, with the step as `step`."""
    if self._file is None:
      return
    with files.written(self._folder):
      for name, value in row.items():
        if name != 'step':
          self._add(step=int(row['step']), summary=summary.scalar(name, value))
      if time.monotonic() - self._flushed > _FLUSH:
        self._file.flush()
        self._flushed = time.monotonic()

  def close(self) -> None:
    """Closes the file, with all that the disk still takes."""
    if self._file is not None:
      with contextlib.suppress(OSError):
        self._file.close()

  def _add(self, **fields: object) -> None:
    self._file.write_event(event_pb2.Event(wall_time=time.time(), **fields))


def read_metrics(folder: pathlib.Path) -> list[dict[str, float]]:
  """The rows of a stage's metrics.csv, without a last line that was cut."""
  path = folder / 'metrics.csv'
  if not path.exists():
    return []
  with data_files.intact(path, _REMEDY):
    text = path.read_bytes().decode('utf-8')
    lines = text[: text.rfind('\n') + 1].splitlines()
    return [_numbers(row) for row in csv.DictReader(lines, strict=True)]


def _numbers(row: dict[str, str]) -> dict[str, float]:
  """A row as it was written; raises ValueError where it cannot have been."""
  if None in row or None in row.values() or 'step' not in row:
    raise ValueError(f'a row with other columns: {[*row.values()]}')
  numbers = {name: float(value) for name, value in row.items()}
  if numbers['step'] != int(row['step']):
    raise ValueError(f"step is {row['step']}")
  return numbers
