"""How fast a run's model predicts, and in how much memory.

    python benchmarks/inference.py --workdir=runs/signer

Pictures and videos of 480 x 640 pixels are made for it, in a folder that is
removed at the end. Prints a Markdown table; with --json, one JSON object as its
last line. Memory is that of a whole process with --mode=predict, its peak, for
a video and for one that is ten times as long.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
import tabulate
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

_WORKDIR = flags.DEFINE_string('workdir', None, "A finished run's folder.")
_IMAGES = flags.DEFINE_integer('images', 256, 'Images to predict on.')
_FRAMES = flags.DEFINE_integer('frames', 300, 'Frames of the shorter video.')
_BATCH = flags.DEFINE_integer('batch_size', 8, 'Images per step.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')
_VIDEO = flags.DEFINE_string('video', '', 'For its own use: predict only this.')
_OVERLAY = flags.DEFINE_bool('overlay', False, 'With it, draw the video, too.')


def _scenes(count: int):
  """Frames `[480, 640, 3]` of a bright blob that circles over a pattern."""
  rng = np.random.default_rng(0)
  coarse = Image.fromarray(rng.integers(0, 200, (24, 32, 3), np.uint8))
  pattern = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC))
  for number in range(count):
    frame, angle = pattern.copy(), number / 20
    row, column = 240 + 150 * np.sin(angle), 320 + 200 * np.cos(angle)
    frame[int(row) - 20:int(row) + 20, int(column) - 20:int(column) + 20] = 255
    yield frame


def _seconds(function, repeats: int) -> list[float]:
  """Times of single calls, after one that compiles."""
  function()
  times = []
  for _ in range(repeats):
    begin = time.perf_counter()
    function()
    times.append(time.perf_counter() - begin)
  return times


def _nets(figures: dict[str, float]) -> None:
  """Arrays of the nets' own size: nothing to decode, next to no resizing."""
  one = Predictor.from_checkpoint(_WORKDIR.value, batch_size=1)
  size = one.image_size
  pixels = np.random.default_rng(0).integers(
      0, 256, (_IMAGES.value, size, size, 3), np.uint8
  )
  times = _seconds(lambda: one(pixels[0]), 50)
  figures['latency of batch 1, median (ms)'] = 1e3 * np.median(times)
  figures['latency of batch 1, 95 % (ms)'] = 1e3 * np.quantile(times, 0.95)
  for batch_size in (_BATCH.value, 4 * _BATCH.value):
    model = Predictor.from_checkpoint(_WORKDIR.value, batch_size=batch_size)
    (took,) = _seconds(lambda model=model: model(pixels), 1)
    figures[f'arrays, batch {batch_size} (images/s)'] = len(pixels) / took


def _files(figures: dict[str, float], folder: pathlib.Path) -> None:
  (folder / 'photos').mkdir()
  for number, frame in enumerate(_scenes(_IMAGES.value)):
    Image.fromarray(frame).save(folder / f'photos/{number}.jpg', quality=90)
  model = Predictor.from_checkpoint(_WORKDIR.value, batch_size=_BATCH.value)
  (took,) = _seconds(lambda: model(folder / 'photos'), 1)
  figures['JPEG, 480 x 640 (images/s)'] = _IMAGES.value / took


def _videos(figures: dict[str, float], folder: pathlib.Path) -> None:
  for times in (1, 10):
    count = times * _FRAMES.value
    path = folder / f'{times}.mp4'
    with videos.writing(path, size=(480, 640), fps=30.0) as append:
      for frame in _scenes(count):
        append(frame)
    for overlay in (False, True):
      run = [
          sys.executable, *sys.argv, f'--video={path}', f'--overlay={overlay}'
      ]
      done = subprocess.run(run, capture_output=True, text=True, check=True)
      found = json.loads(done.stdout.splitlines()[-1])
      name = f'video, {count} frames' + ', with overlay video' * overlay
      figures[f'{name} (frames/s)'] = count / found['seconds']
      figures[f'{name} (peak MiB)'] = found['peak_mib']


def _predict_video() -> None:
  """What a process of its own does: predicts, and says what it took."""
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
  print(json.dumps({'seconds': seconds, 'peak_mib': _peak_mib()}))


def _peak_mib() -> float:
  """The largest memory that this process has had."""
  status = pathlib.Path('/proc/self/status')
  if status.exists():  # unlike the other figure, without the parent's
    line = next(x for x in status.read_text().splitlines() if 'VmHWM' in x)
    return int(line.split()[1]) / 2**10
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return peak / (2**20 if sys.platform == 'darwin' else 2**10)


def main(_: list[str]) -> None:
  """Prints the table."""
  logging.set_verbosity(logging.ERROR)
  devices.use_all_cores(_BATCH.value)
  if _VIDEO.value:
    _predict_video()
    return
  figures: dict[str, float] = {}
  _nets(figures)
  with tempfile.TemporaryDirectory() as folder:
    _files(figures, pathlib.Path(folder))
    _videos(figures, pathlib.Path(folder))
  rows = [[name, f'{value:.1f}'] for name, value in figures.items()]
  print(tabulate.tabulate(rows, ['what', ''], tablefmt='pipe'))
  if _JSON.value:
    about = {
        'workdir': _WORKDIR.value,
        'devices': [str(device) for device in jax.devices()],
        'cores': os.cpu_count(),
    }
    print(json.dumps({**about, **figures}))


if __name__ == '__main__':
  huge_pages.restart()
  flags.mark_flag_as_required('workdir')
  app.run(main)
