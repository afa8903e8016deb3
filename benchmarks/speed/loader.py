"""How many images a second the loader gives, from memory and from disk.

    python benchmarks/speed/loader.py --folder=/somewhere/with/room

An epoch of prepared images, shuffled, in batches, read ahead: from memory; from
disk with the file in the operating system's cache, and without. Beside it, the
machine's own rates in the same run: copying memory, and reading the same file
from its begin to its end. Then the memory that a process takes which streams
all of the images, or a fifth (on Linux). Each rate is the median of a few
epochs.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from absl import app
from absl import flags

from eqlandmarks.datasets.base import builder as builder_lib
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage
from shared import process_memory
from shared import tables

_FOLDER = flags.DEFINE_string('folder', None, 'On the disk to be measured.')
_IMAGES = flags.DEFINE_integer('images', 10_000, 'Images of an epoch.')
_SIZE = flags.DEFINE_integer('size', 128, 'Side of the images.')
_BATCH = flags.DEFINE_integer('batch_size', 16, 'Images per batch.')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Epochs; the median counts.')
_STREAM = flags.DEFINE_string('stream', None, 'For a process of its own.')


class Noise(builder_lib.Builder):
  """Images that do not compress."""

  def _open(self, root, outputs):
    return [self._options]

  def _describe(self):
    return examples.Description((), {}, (), 'train', '', '')

  def _counts(self):
    return {'train': self._options}

  def _examples(self):
    for i, image in enumerate(_draw(self._options, self._image_size)):
      yield 'train', {
          'image': image, 'points': np.full((1, 2), np.nan, np.float32),
          'original_size': np.full(2, self._image_size, np.float32),
          'id': f'{i:09d}', 'digest': '',
      }  # fmt: skip


def _draw(count: int, size: int) -> np.ndarray:
  return np.random.default_rng(0).integers(
      0, 256, (count, size, size, 3), np.uint8
  )


def _read_epoch(images: loader.Images) -> None:
  seen, size = 0, _BATCH.value
  for batch in loader.batches(images, batch_size=size, seed=0, start=0):
    seen += len(batch)
    if seen + len(batch) > len(images):
      return


def _read_file(path: pathlib.Path) -> None:
  with path.open('rb', buffering=0) as file:
    while file.read(2**20):
      pass


def _forget(path: pathlib.Path) -> None:
  """Asks the operating system to drop a file from its cache."""
  with path.open('rb') as file:
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _seconds(
    work: Callable[[], None], before: Callable[[], None] = lambda: None
) -> float:
  times = []
  for _ in range(_REPEATS.value):
    before()
    begin = time.perf_counter()
    work()
    times.append(time.perf_counter() - begin)
  return statistics.median(times)


def _open(folder: str | pathlib.Path, count: int) -> storage.Pixels:
  builder = Noise(count, image_size=_SIZE.value, data_dir=folder)
  caching.prepare(builder, 'benchmark')
  return storage.open_pixels(builder, 'train')


def _peak_mib(folder: pathlib.Path, count: int) -> float:
  """Peak memory of a fresh process that streams the first images once."""
  done = subprocess.run(
      [
          sys.executable, __file__, f'--stream={folder}', f'--images={count}',
          f'--size={_SIZE.value}', f'--batch_size={_BATCH.value}',
      ],
      capture_output=True, text=True, check=True,
  )  # fmt: skip
  return float(done.stdout)


def _measure(folder: pathlib.Path) -> dict[str, tuple[float, float]]:
  """Seconds of reading all images, and of the machine's own reading."""
  images = _draw(_IMAGES.value, _SIZE.value)
  disk = _open(folder, len(images))
  path = max(folder.rglob('*.array_record*'), key=os.path.getsize)

  def from_disk(before: Callable[[], None]) -> tuple[float, float]:
    return (
        _seconds(lambda: _read_epoch(disk), before),
        _seconds(lambda: _read_file(path), before),
    )

  return {
      'memory': (
          _seconds(lambda: _read_epoch(images)), _seconds(images.copy)
      ),
      'disk, cached': from_disk(lambda: None),
      'disk, cold': from_disk(lambda: _forget(path)),
  }  # fmt: skip


def main(_: list[str]) -> None:
  """Prints the table."""
  count = _IMAGES.value
  if _STREAM.value:
    _read_epoch(_open(_STREAM.value, count))
    print(process_memory.peak_mib())
    return
  with tempfile.TemporaryDirectory(dir=_FOLDER.value) as name:
    folder, few = pathlib.Path(name), max(count // 5, _BATCH.value)
    seconds = _measure(folder)
    _open(folder, few)
    peaks = [_peak_mib(folder, n) for n in (count, few)]
  mib = count * _SIZE.value**2 * 3 / 2**20
  tables.show(('from', 'images/s', 'MiB/s', 'raw MiB/s'), [
      (name, f'{count / ours:,.0f}', f'{mib / ours:,.0f}', f'{mib / raw:,.0f}')
      for name, (ours, raw) in seconds.items()
  ])  # fmt: skip
  print(
      f'peak memory of streaming: {peaks[0]:.0f} MiB for all, {peaks[1]:.0f} '
      'MiB for a fifth'
  )
  tables.finish({
      'images': count, 'peak_mib': peaks,
      'images_per_second': {n: count / s for n, (s, _) in seconds.items()},
  })  # fmt: skip


if __name__ == '__main__':
  app.run(main)
