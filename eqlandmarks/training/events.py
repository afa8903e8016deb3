"""TensorBoard's events of a stage, written where its metrics are.

tensorboardX's `SummaryWriter` writes in a thread of its own: on a full disk it
says pages, its queue fills up, and the training waits for it for ever. Here its
events are written in the caller's thread, where a refusal is an error.
"""

import contextlib
import pathlib
import time
from collections.abc import Mapping

from absl import logging

from eqlandmarks.system import files

try:
  from tensorboardX import event_file_writer
  from tensorboardX import summary
  from tensorboardX.proto import event_pb2
except ImportError:  # the extra `tensorboard` is not installed
  event_file_writer = None

# Seconds after which events are sent to the disk.
_FLUSH = 30.0


class Writer:
  """Writes events; without tensorboardX, it writes none.

  Args:
    folder: where the files of events go.
    first_step: events of this step and later ones, in older files, no longer
      count.

  Raises:
    UserError: the file system refuses; so do all methods but `close`.
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

  def write(self, row: Mapping[str, float]) -> None:
    """Writes a row of metrics, of which `step` is one."""
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
