"""How fast a run's model predicts, and in how much memory.

    python benchmarks/speed/inference.py --workdir=runs/signer

Pictures and videos of 480 x 640 pixels are made for it, in a folder that is
removed at the end. Memory is that of a whole process with --mode=predict, its
peak, for a video and for one that is ten times as long.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from absl import app
from absl import flags
from absl import logging
from ml_collections import ConfigDict
from PIL import Image

from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.program import predict as predict_mode
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import huge_pages
from eqlandmarks.training import devices
from shared import process_memory
from shared import tables

_WORKDIR = flags.DEFINE_string('workdir', None, "A finished run's folder.")
_IMAGES = flags.DEFINE_integer('images', 256, 'Images to predict on.')
_FRAMES = flags.DEFINE_integer('frames', 300, 'Frames of the shorter video.')
_BATCH = flags.DEFINE_integer('batch_size', 8, 'Images per step.')
_VIDEO = flags.DEFINE_string('video', '', 'For its own use: predict only this.')
_OVERLAY = flags.DEFINE_bool('overlay', False, 'With it, draw the video, too.')


def _scenes(count: int) -> Iterator[np.ndarray]:
  """Frames `[480, 640, 3]` of a bright blob that circles over a pattern."""
  rng = np.random.default_rng(0)
  coarse = Image.fromarray(rng.integers(0, 200, (24, 32, 3), np.uint8))
  pattern = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC))
  for number in range(count):
    frame, angle = pattern.copy(), number / 20
    row, column = 240 + 150 * np.sin(angle), 320 + 200 * np.cos(angle)
    frame[int(row) - 20:int(row) + 20, int(column) - 20:int(column) + 20] = 255
    yield frame


def _seconds(function: Callable[[], Any], repeats: int = 1) -> list[float]:
  """Times of single calls, after one that compiles."""
  times = []
  for _ in range(1 + repeats):
    begin = time.perf_counter()
    function()
    times.append(time.perf_counter() - begin)
  return times[1:]


def _of_images(folder: pathlib.Path) -> Iterator[tuple[str, float]]:
  """Arrays of the nets' own size, which need no decoding; then files."""
  batch_size, count = _BATCH.value, _IMAGES.value
  models = {
      size: Predictor.from_checkpoint(_WORKDIR.value, batch_size=size)
      for size in (1, batch_size, 4 * batch_size)
  }
  size = models[1].image_size
  pixels = np.random.default_rng(0).integers(
      0, 256, (count, size, size, 3), np.uint8
  )
  times = _seconds(lambda: models[1](pixels[0]), 50)
  yield 'latency of batch 1, median (ms)', 1e3 * np.median(times)
  yield 'latency of batch 1, 95 % (ms)', 1e3 * np.quantile(times, 0.95)
  for size in (batch_size, 4 * batch_size):
    (took,) = _seconds(lambda size=size: models[size](pixels))
    yield f'arrays, batch {size} (images/s)', count / took
  for number, frame in enumerate(_scenes(count)):
    Image.fromarray(frame).save(folder / f'{number}.jpg', quality=90)
  (took,) = _seconds(lambda: models[batch_size](folder))
  yield 'JPEG, 480 x 640 (images/s)', count / took


def _of_videos(folder: pathlib.Path) -> Iterator[tuple[str, float]]:
  for count in (_FRAMES.value, 10 * _FRAMES.value):
    path = folder / f'{count}.mp4'
    with videos.writing(path, size=(480, 640), fps=30.0) as append:
      for frame in _scenes(count):
        append(frame)
    for overlay in (False, True):
      run = [
          sys.executable, *sys.argv, f'--video={path}', f'--overlay={overlay}'
      ]
      done = subprocess.run(run, capture_output=True, text=True, check=True)
      seconds, peak = json.loads(done.stdout.splitlines()[-1])
      name = f'video, {count} frames' + ', with overlay video' * overlay
      yield f'{name} (frames/s)', count / seconds
      yield f'{name} (peak MiB)', peak


def _predict_video() -> None:
  """What a process of its own does: predicts, and tells what it took."""
  workdir = Workdir(_WORKDIR.value)
  config = ConfigDict(workdir.config())
  config.predict.update({
      'input': _VIDEO.value,
      'output': f'{_VIDEO.value}-{_OVERLAY.value}',
      'batch_size': _BATCH.value,
      'overlays': int(_OVERLAY.value),
  })
  begin = time.perf_counter()
  predict_mode.predict(config, workdir)
  seconds = time.perf_counter() - begin
  print(json.dumps((seconds, process_memory.peak_mib())))


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  devices.use_all_cores(_BATCH.value)
  if _VIDEO.value:
    _predict_video()
    return
  figures: dict[str, float] = {}
  for measure in (_of_images, _of_videos):
    with tempfile.TemporaryDirectory() as folder:
      figures |= measure(pathlib.Path(folder))
  tables.show(
      ('what', ''), [(name, f'{value:.1f}') for name, value in figures.items()]
  )
  tables.finish({'devices': [str(d) for d in jax.devices()], **figures})


if __name__ == '__main__':
  huge_pages.restart()
  flags.mark_flag_as_required('workdir')
  app.run(main)
