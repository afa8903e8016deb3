"""Training metrics: a CSV file, TensorBoard events, and a progress bar."""

import contextlib
import csv
import pathlib
import sys

import tqdm

from eqlandmarks.system import files
from eqlandmarks.system import stored
from eqlandmarks.training import events

# What to do about a file that is damaged.
_REMEDY = (
    'without it, the same command goes on, and only the curve before is lost'
)


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
      if kept:
        self._write_header()
        for row in kept:
          self._write_row(row)
      self._file.flush()
    self._events = events.Writer(folder / 'events', first_step=start_step + 1)

  def write(self, row: dict[str, float]) -> None:
    """Writes a row; `step` is one of its columns, the others are metrics."""
    if self._columns and not {*self._columns} <= {*row}:
      raise stored.damaged(
          self._path, f'columns {", ".join(self._columns)}', _REMEDY
      )
    with files.written(self._path):
      if self._columns is None:
        self._columns = list(row)
        self._write_header()
      self._write_row(row)
      self._file.flush()
    self._events.write(row)

  def close(self) -> None:
    """Closes the files."""
    with contextlib.suppress(OSError):  # a row that has been refused already
      self._file.close()
    self._events.close()

  def _write_header(self) -> None:
    csv.writer(self._file).writerow(self._columns)

  def _write_row(self, row: dict[str, float]) -> None:
    values = [row[name] for name in self._columns]
    # repr keeps all digits, so that a row survives being read and rewritten.
    csv.writer(self._file).writerow(
        [int(v) if n == 'step' else repr(float(v))
         for n, v in zip(self._columns, values, strict=True)]
    )


def read_metrics(folder: pathlib.Path) -> list[dict[str, float]]:
  """The rows of a stage's metrics.csv; [] where there is none.

  A last line that a kill cut short is left out.

  Raises:
    UserError: the file is damaged, or cannot be read.
  """
  path = folder / 'metrics.csv'
  if not path.exists():
    return []
  with stored.intact(path, _REMEDY):
    text = path.read_bytes().decode('utf-8')
    lines = text[: text.rfind('\n') + 1].splitlines()
    return [_numbers(row) for row in csv.DictReader(lines, strict=True)]


def _numbers(row: dict[str, str]) -> dict[str, float]:
  """A row as it was written.

  Raises:
    ValueError: it cannot have been written so.
  """
  if None in row or None in row.values() or 'step' not in row:
    raise ValueError(f'a row with other columns: {[*row.values()]}')
  numbers = {name: float(value) for name, value in row.items()}
  if numbers['step'] != int(row['step']):
    raise ValueError(f"step is {row['step']}")
  return numbers


def progress_bar(
    title: str, *, total: int, start: int, shown: bool = True
) -> tqdm.tqdm:
  """A bar in images, with rate and time left.

  Args:
    title: what is being done.
    total: images of the whole stage.
    start: images already done before a resume.
    shown: whether there is to be anything to see.
  """
  return tqdm.tqdm(
      desc=title,
      total=total,
      initial=start,
      unit=' images',
      # A log file wants a line now and then, not an animation.
      mininterval=0.5 if sys.stderr.isatty() else 15.0,
      dynamic_ncols=True,
      disable=not shown,
  )
