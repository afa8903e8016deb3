"""What the notebooks of colabs/ share: devices, a user's data, pictures."""

import contextlib
import importlib
import math
import pathlib
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import flags
from absl import logging
from PIL import Image

from eqlandmarks.datasets import signer
from eqlandmarks.datasets.base import loader
from eqlandmarks.errors import UserError
from eqlandmarks.media import finding
from eqlandmarks.media import videos
from eqlandmarks.runs import config_fields
from eqlandmarks.system import file_names
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import hosts
from eqlandmarks.training import metric_files
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages

# What the configs' numbers of epochs were chosen for, and how much less of it
# is trained where there is no accelerator.
_IMAGES, _LESS = 1000, 3

# How many images are drawn for whoever has none.
_EXAMPLES = 60

# Where uploaded and drawn images are kept.
_FOLDER = 'data'

# What the images of an uploaded zip file may take, storage.
_ZIP_GIB = 8


def start(*, cpu_devices: int | None = None) -> bool:
  """Finds the devices; returns whether there is an accelerator.

  Where there is none, a CPU is used as `cpu_devices` devices, by default as
  many as its cores that share a batch of 8.
  """
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()  # the data loader reads absl flags
  logging.set_verbosity(logging.ERROR)
  # JAX has its devices where the cell is run a second time.
  with contextlib.suppress(RuntimeError):
    if cpu_devices:
      jax.config.update('jax_num_cpu_devices', cpu_devices)
    else:
      devices_lib.use_all_cores(8)
  devices_lib.keep_compiled()
  devices = jax.local_devices()
  print(f'{len(devices)} x {devices[0].device_kind}')
  if devices[0].platform != 'cpu':
    return True
  print(
      'no accelerator: training is slow, so it is short here and the result '
      'rough; in Colab choose Runtime > Change runtime type > GPU or TPU.'
  )
  return False


def find_data(where: str) -> pathlib.Path:
  """The images or the video to work on: a folder, or a video.

  Args:
    where: the path of a folder of images or of a video; 'upload' asks for
      images, a zip file of them, or a video, in Colab; 'example' draws people.
  """
  if where == 'upload':
    return _uploaded(pathlib.Path(_FOLDER) / 'uploads')
  if where == 'example':
    folder = pathlib.Path(_FOLDER) / 'example'
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_EXAMPLES):
      image, _ = signer.render(0, 'train', number, 128)
      Image.fromarray(image).save(folder / f'{number:03d}.png')
    return folder
  path = file_names.expanded(where)
  if path.is_file() and _is_video(path):
    return path
  if where and path.is_dir() and finding.find_images(path):
    return path
  raise UserError(
      f"found no images and no video at '{where}', expected a folder of images "
      f"({', '.join(finding.EXTENSIONS)}), a video "
      f"({', '.join(videos.EXTENSIONS)}), 'upload' or 'example'"
  )


def _is_video(path: pathlib.Path) -> bool:
  return path.suffix.lower() in videos.EXTENSIONS


def _uploaded(folder: pathlib.Path) -> pathlib.Path:
  colab = _colab_files()
  if colab is None:
    raise UserError(
        "'upload' asks for files in Colab only, expected the path of a folder "
        'of images or of a video here'
    )
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  for name, content in colab.upload().items():
    path = folder / pathlib.Path(name).name
    path.write_bytes(content)
    if zipfile.is_zipfile(path):
      _take_images(path, folder / path.stem)
      path.unlink()
  films = [*filter(_is_video, folder.iterdir())]
  if len(films) == 1:
    return films[0]
  if not finding.find_images(folder):
    raise UserError(
        f'found {len(films)} videos and no images among the uploaded files, '
        'expected images, a zip file of images, or one video'
    )
  return folder


def _take_images(archive: pathlib.Path, folder: pathlib.Path) -> None:
  """The images of a zip file; names that lead elsewhere stay in the folder."""
  try:
    with zipfile.ZipFile(archive) as opened:
      members = [
          member
          for member in opened.infolist()
          if member.filename.lower().endswith(finding.EXTENSIONS)
      ]
      size = sum(member.file_size for member in members) / 2**30
      if size > _ZIP_GIB:
        raise UserError(
            f'{archive.name}: its images take {size:.1f} GiB, expected at most '
            f'{_ZIP_GIB}.'
        )
      for member in members:
        opened.extract(member, folder)
  # RuntimeError and NotImplementedError: a password, an unknown compression.
  except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
    raise UserError(
        f'{archive.name}: cannot be unpacked ({error}), expected a zip file of '
        'images'
    ) from error


def _colab_files() -> Any:
  """Colab's module for files that come and go; None elsewhere."""
  in_colab = 'google.colab' in sys.modules
  return importlib.import_module('google.colab.files') if in_colab else None


def fit(config: Any, data: pathlib.Path, *, accelerator: bool) -> None:
  """Sets the fields of configs/folder.py or configs/video.py to a user's data.

  Their epochs were chosen for a thousand images: fewer images have more of
  them, and of a video's frames about a thousand are used. Without an
  accelerator, a third of that is trained.
  """
  config.dataset.root = str(data)
  config.predict.input = str(data)
  if data.is_dir():
    config.dataset.skip_bad = config.predict.skip_bad = True
    count = len(finding.find_images(data))
  else:
    frames = videos.probe(data).count or videos.count(data)
    config.dataset.every = max(1, frames // _IMAGES)
    count = math.ceil(frames / config.dataset.every)
  devices = jax.local_device_count()
  shared = min(config.batch_size, count) // devices * devices
  config.batch_size = max(devices, shared)
  passes = _IMAGES / count / (1 if accelerator else _LESS)
  for stage in (config.pretrain, config.discover):
    stage.num_epochs = max(1, round(stage.num_epochs * passes))
  print(
      f'{count} images, {config.pretrain.num_epochs} + '
      f'{config.discover.num_epochs} passes over them'
  )


def change(config: Any, changes: Mapping[str, Any]) -> None:
  """Sets fields of a config, {'pretrain.num_epochs': 5}."""
  fields = config_fields.flatten(config.to_dict())
  for field, value in changes.items():
    try:
      if field not in fields:
        raise KeyError(field)
      config.update_from_flattened_dict({field: value})
    except (KeyError, TypeError) as error:
      raise UserError(
          f'CHANGES: found {field!r}: {value!r}, expected a field of '
          'configs/common.py and a value of its type'
      ) from error


def download(folder: pathlib.Path) -> None:
  """Offers a folder as a zip file, in Colab; elsewhere says where it is."""
  colab = _colab_files()
  if colab is None:
    print(f'the files are in {folder}')
    return
  colab.download(shutil.make_archive(folder.name, 'zip', folder))


def some_pictures(folder: pathlib.Path, count: int) -> Image.Image:
  """Some of the pictures below a folder, evenly over all, side by side."""
  files = sorted(folder.rglob('*.png'))
  if not files:
    raise UserError(f'{folder} holds no pictures, expected those of a run')
  rows = np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)
  sheet = Image.new('RGB', (240 * len(rows), 240), 'white')
  for place, row in enumerate(rows):
    with Image.open(files[row]) as picture:
      picture.thumbnail((240, 240))
      sheet.paste(picture.convert('RGB'), (240 * place, 0))
  return sheet


def pretrain_on(
    devices: Sequence[jax.Device], config: Any, *, num_steps: int
) -> tuple[dict[int, float], float]:
  """At least 11 steps of stage 1 on drawn people, on some of the devices.

  Returns:
    The loss at each step that is logged, by the step's number, and images per
    second, without the time of compiling.
  """
  count = config.dataset.num_train
  images = np.stack([
      signer.render(config.dataset.seed, 'train', n, config.image_size)[0]
      for n in range(count)
  ])
  with devices_lib.using(devices), tempfile.TemporaryDirectory() as place:
    hosts.check_devices(config.batch_size, config.accumulate)
    folder = stage_folder.StageFolder(pathlib.Path(place) / 'pretrain')
    stages.train(
        config, images, folder,
        num_epochs=num_steps // loader.num_steps(count, config.batch_size, 1)
        + 1,
        max_steps=num_steps,
    )  # fmt: skip
    rows = metric_files.read_metrics(folder.path)
    seconds = folder.summary()['seconds_per_step']
  losses = {int(row['step']): row['loss'] for row in rows}
  return losses, config.batch_size / seconds
