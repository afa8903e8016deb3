"""Whether an exported file gives the points of the run that it was made from.

    python benchmarks/robustness/round_trip.py --workdir=runs/signer \
        --python=V/bin/python

A Python of its own, best of an environment V with nothing but jax and
flatbuffers, reads the file by the lines that --mode=export prints, and finds
the points of batches of 1, 7 and 64 images. Exits with 1 where they are more
than 1e-5 of the image's side from those that the run's own `Predictor` finds in
batches of the same size. (Another batch size adds in another order: what that
alone does to the run's own points is printed as well.)
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl import app
from absl import flags
from absl import logging

from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import trained

_WORKDIR = flags.DEFINE_string('workdir', None, 'A run that was exported.')
_FILE = flags.DEFINE_string(
    'file', '', "The exported file; '' is the workdir's own."
)
_METHOD = flags.DEFINE_string('method', None, 'Whose model it is.')
_PYTHON = flags.DEFINE_string('python', sys.executable, 'What reads the file.')

_BATCHES = (1, 7, 64)
_TOLERANCE = 1e-5

# What is run there; it may import nothing of ours.
_READER = """
import sys
import numpy as np
from jax import export
model = export.deserialize(bytearray(open(sys.argv[1], 'rb').read()))
points = {}
for name, images in np.load(sys.argv[2], allow_pickle=False).items():
  points[name] = model.call(images)['landmarks']
np.savez(sys.argv[3], **points)
ours = {'eqlandmarks', 'flax', 'tensorflow_datasets'} & set(sys.modules)
assert not ours, ours
import jax
print('jax', jax.__version__, 'on', jax.devices()[0].device_kind)
"""


def _read_elsewhere(
    model: pathlib.Path, images: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """The points that the other Python finds, in a folder without our code."""
  with tempfile.TemporaryDirectory() as folder:
    given, points = (pathlib.Path(folder, name) for name in ('a.npz', 'b.npz'))
    np.savez(given, **images)
    subprocess.run(
        [_PYTHON.value, '-I', '-c', _READER, model, given, points],
        cwd=folder, check=True,
    )  # fmt: skip
    with np.load(points, allow_pickle=False) as arrays:
      return dict(arrays)


def _own_points(
    model: trained.Trained, images: np.ndarray, batch_size: int
) -> np.ndarray:
  own = Predictor(model, batch_size=batch_size)
  return own.predict(images).landmarks


def main(_) -> None:
  """Prints the largest differences."""
  logging.set_verbosity(logging.ERROR)
  model = trained.load(_WORKDIR.value, _METHOD.value)
  size, rng = model.config.image_size, np.random.default_rng(0)
  images = {
      str(count): rng.integers(0, 256, (count, size, size, 3), np.uint8)
      for count in _BATCHES
  }
  path = pathlib.Path(_FILE.value or f'{_WORKDIR.value}/export/model.jaxexport')
  points = _read_elsewhere(path.resolve(), images)
  worst = 0.0
  for name, batch in images.items():
    own = _own_points(model, batch, len(batch))
    difference = np.abs(points[name] - own).max()
    apart = np.abs(_own_points(model, batch, 1) - own).max()
    worst = max(worst, difference)
    print(
        f'batch {name}: {difference:.1e} px at most '
        f'(the run, one image at a time: {apart:.1e} px)'
    )
  if not worst <= _TOLERANCE * size:
    sys.exit(f'expected at most {_TOLERANCE * size:.1e} px')


if __name__ == '__main__':
  flags.mark_flag_as_required('workdir')
  app.run(main)
