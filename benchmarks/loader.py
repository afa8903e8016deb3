"""How many images a second the loader gives, from memory and from disk.

    python benchmarks/loader.py --folder=/somewhere/with/room

An epoch of prepared images, shuffled, in batches, read ahead: from memory; from
disk with the file in the operating system's cache, and without. Beside it, the
machine's own rates in the same run: copying memory, and reading the same file
from its begin to its end. Then the memory that a process takes which streams
all of the images, or a fifth (on Linux). Each rate is the median of a few
epochs.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import tabulate
from absl import app
from absl import flags

from eqlandmarks.datasets.base import builder as builder_lib
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage

_FOLDER = flags.DEFINE_string('folder', None, 'On the disk to be measured.')
_IMAGES = flags.DEFINE_integer('images', 10_000, 'Images of an epoch.')
_SIZE = flags.DEFINE_integer('size', 128, 'Side of the images.')
_BATCH = flags.DEFINE_integer('batch_size', 16, 'Images per batch.')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Epochs; the median counts.')
_JSON = flags.DEFINE_bool('json', False, 'Prints JSON as the last line.')
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


def _rate(images: loader.Images, repeats: int, before=None) -> float:
  """Images per second of an epoch, the first batch included."""
  rates = []
  for epoch in range(repeats):
    if before:
      before()
    start, seen = time.perf_counter(), 0
    for batch in loader.batches(
        images, batch_size=_BATCH.value, seed=epoch, start=0
    ):
      seen += len(batch)
      if seen + len(batch) > len(images):
        break
    rates.append(seen / (time.perf_counter() - start))
  return statistics.median(rates)


def _forget(path: pathlib.Path) -> None:
  """Asks the operating system to drop a file from its cache."""
  with open(path, 'rb') as file:
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _raw_rate(path: pathlib.Path, repeats: int, before=None) -> float:
  """MiB per second of reading a file from its begin to its end."""
  rates = []
  for _ in range(repeats):
    if before:
      before()
    start, total = time.perf_counter(), 0
    with open(path, 'rb', buffering=0) as file:
      while block := file.read(2**20):
        total += len(block)
    rates.append(total / 2**20 / (time.perf_counter() - start))
  return statistics.median(rates)


def _copy_rate(images: np.ndarray, repeats: int) -> float:
  """MiB per second of copying memory."""
  rates = []
  for _ in range(repeats):
    start = time.perf_counter()
    images.copy()
    rates.append(images.nbytes / 2**20 / (time.perf_counter() - start))
  return statistics.median(rates)


def _open(folder: str | pathlib.Path, count: int) -> storage.Pixels:
  builder = Noise(count, image_size=_SIZE.value, data_dir=folder)
  caching.prepare(builder, 'benchmark')
  return storage.open_pixels(builder, 'train')


def _peak_mib(folder: pathlib.Path, count: int) -> float:
  """Peak memory of a fresh process that streams the first images once."""
  answer = subprocess.run(
      [
          sys.executable, __file__, f'--stream={folder}', f'--images={count}',
          f'--size={_SIZE.value}', f'--batch_size={_BATCH.value}',
      ],
      capture_output=True, text=True, check=True,
  )  # fmt: skip
  return float(answer.stdout)


def _stream(folder: str) -> None:
  _rate(_open(folder, _IMAGES.value), 1)
  # Not `getrusage`, whose peak is that of the parent process to begin with.
  (line,) = (
      line
      for line in pathlib.Path('/proc/self/status').read_text().splitlines()
      if line.startswith('VmHWM')
  )
  print(int(line.split()[1]) / 1024)


def _measure(folder: pathlib.Path) -> dict[str, float]:
  images, repeats = _draw(_IMAGES.value, _SIZE.value), _REPEATS.value
  few = max(len(images) // 5, _BATCH.value)
  _open(folder, few)
  disk = _open(folder, len(images))
  path = max(folder.rglob('*.array_record*'), key=os.path.getsize)

  def forget() -> None:
    _forget(path)

  found = {
      'memory_images_per_second': _rate(images, repeats),
      'cached_images_per_second': _rate(disk, repeats),
      'disk_images_per_second': _rate(disk, repeats, forget),
      'copy_mib_per_second': _copy_rate(images, repeats),
      'raw_cached_mib_per_second': _raw_rate(path, repeats),
      'raw_disk_mib_per_second': _raw_rate(path, repeats, forget),
  }
  found['peak_mib_of_a_fifth'] = _peak_mib(folder, few)
  found['peak_mib_of_all'] = _peak_mib(folder, len(images))
  return found


def main(_: list[str]) -> None:
  """Prints the tables."""
  if _STREAM.value:
    _stream(_STREAM.value)
    return
  with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
    found = _measure(pathlib.Path(folder))
  per_image = _SIZE.value**2 * 3 / 2**20
  rows = [
      (name, f'{found[f"{key}_images_per_second"]:,.0f}',
       f'{found[f"{key}_images_per_second"] * per_image:,.0f}',
       f'{found[raw]:,.0f}')
      for name, key, raw in (
          ('memory', 'memory', 'copy_mib_per_second'),
          ('disk, cached', 'cached', 'raw_cached_mib_per_second'),
          ('disk, cold', 'disk', 'raw_disk_mib_per_second'),
      )
  ]  # fmt: skip
  print(tabulate.tabulate(
      rows, ('from', 'images/s', 'MiB/s', 'raw MiB/s'),
      colalign=('left', 'right', 'right', 'right'), disable_numparse=True,
  ))  # fmt: skip
  print(
      f"peak memory of streaming: {found['peak_mib_of_all']:.0f} MiB for all, "
      f"{found['peak_mib_of_a_fifth']:.0f} MiB for a fifth"
  )
  if _JSON.value:
    print(json.dumps({'images': _IMAGES.value, **found}))


if __name__ == '__main__':
  app.run(main)
