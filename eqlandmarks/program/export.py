"""--mode=export: a trained model as files that other programs read.

OUTPUT/model.jaxexport     pixels to points, weights included, for JAX alone
OUTPUT/model.safetensors   the parameters of both nets
"""

import pathlib
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import safetensors.numpy

from eqlandmarks import exporting
from eqlandmarks.exporting import program
from eqlandmarks.predictor import trained
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import file_names
from eqlandmarks.system import files
from eqlandmarks.system.journal import say

# Images by which a file is compared with what it was made from.
_NUM_CHECKED = 7

_HOW_TO = """
To use it, with nothing but jax and flatbuffers installed:

from jax import export
model = export.deserialize(bytearray(open({path!r}, 'rb').read()))
points = model.call(images)['landmarks']

images: uint8 [B, {size}, {size}, 3], RGB
points: float32 [B, {count}, 2], (row, column) in pixels of the images, with
the centre of the top-left pixel at (0.5, 0.5)
"""


def export(config: Any, workdir: Workdir) -> None:
  """Writes the files of `config.export`, each of them whole or not at all."""
  fields = config.export
  model = trained.load(
      workdir.path, fields.method or None, regression=config.regression
  )
  output = file_names.expanded(fields.output or workdir.path / 'export')
  path = output / 'model.jaxexport'
  _write(path, program.serialize(model))
  _write(output / 'model.safetensors', _parameters(model))
  size, count = model.config.image_size, model.config.num_landmarks
  say(
      f'as the run itself finds them, to within {_difference(model, path):.1e} '
      f'px in {_NUM_CHECKED} images'
  )
  print(_HOW_TO.format(path=str(path), size=size, count=count), flush=True)


def _parameters(model: trained.Trained) -> bytes:
  """The variables NET/COLLECTION/LAYER/.../NAME, and the description."""
  tensors = flax.traverse_util.flatten_dict(model.variables, sep='/')
  return safetensors.numpy.save(
      {name: np.ascontiguousarray(value) for name, value in tensors.items()},
      {name: str(value) for name, value in program.describe(model).items()},
  )


def _write(path: pathlib.Path, content: bytes) -> None:
  """Writes a file, and says where it is."""
  expected = (
      'expected a folder with room that can be written to '
      '(config.export.output)'
  )
  with files.replacing(path, expected) as partial:
    partial.write_bytes(content)
  say(f'{path}: {path.stat().st_size / 2**20:.1f} MiB')


def _difference(model: trained.Trained, path: pathlib.Path) -> float:
  """The largest difference of a coordinate by the file from the run's own."""
  size = model.config.image_size
  images = np.random.default_rng(0).integers(
      0, 256, (_NUM_CHECKED, size, size, 3), np.uint8
  )
  own = jax.jit(program.make_program(model))(images)
  exported = exporting.load(path)(images)
  return float(abs(exported['landmarks'] - own['landmarks']).max())
