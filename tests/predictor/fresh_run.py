"""A run without training: fresh nets for trained ones, and their evaluation."""

import pathlib
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from configs import folder
from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.program import opening
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import fingerprints
from eqlandmarks.training import step as step_lib

NAMES = ('nose', 'tail')


def write_photos(root: pathlib.Path) -> pathlib.Path:
  """Ten labelled images of different sizes, the last in a subfolder."""
  (root / 'more').mkdir(parents=True)
  rng = np.random.default_rng(0)
  rows = ['path,split,nose_x,nose_y,tail_x,tail_y']
  for n in range(10):
    name = f'{"more/" if n == 9 else ""}image {n}.png'
    # Smooth, so that the nets see something.
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
    coarse.resize((90 - 5 * n, 40 + 7 * n), Image.BICUBIC).save(root / name)
    points = rng.uniform(5, 35, 4).round(1)
    tail = ',' if n == 1 else f'{points[2]},{points[3]}'
    split = 'train' if n < 5 else 'test'
    rows.append(f'{name},{split},{points[0]},{points[1]},{tail}')
  (root / 'labels.csv').write_text('\n'.join(rows))
  return root


def make_config(root: pathlib.Path) -> Any:
  """The config of a run on the photos."""
  config, tiny = folder.get_config(), signer.get_config('tiny')
  for name in ('image_size', 'num_landmarks', 'model'):
    config[name] = tiny[name]
  config.batch_size = 4
  config.dataset.root = str(root)
  config.dataset.labels = str(root / 'labels.csv')
  config.discover.train_features = False
  config.evaluation.update(
      warps_per_image=1, batch_size=4, repeats=1, layers=(1,)
  )
  config.predict.batch_size = 4
  return config


def make(path: pathlib.Path, config: Any, seed: int = 0) -> pathlib.Path:
  """Makes a workdir with a finished and evaluated method two_stage."""
  this = Workdir(path)
  variables = models.make_nets(config).init(jax.random.key(seed))
  optimizer = step_lib.make_optimizer(
      config.discover, num_images=8, batch_size=4,
      rates={models.LANDMARKS: 1.0},
  )  # fmt: skip
  state = step_lib.create_state(variables, (models.LANDMARKS,), optimizer)
  digest = fingerprints.of_parameters(variables)
  with opening.opened(config, this, 'evaluate', lambda: None) as run:
    stage = this.stage('two_stage')
    with stage.checkpointer(keep=1) as checkpointer:
      checkpointer.save(1, state)
    stage.finish({'steps': 1, 'sha256': digest})
    run.evaluate('two_stage', 'two_stage')
  return path


def one_line(function, *arguments, **keywords):
  """The line of the `UserError` that a call raises."""
  with pytest.raises(errors.UserError) as caught:
    function(*arguments, **keywords)
  assert '\n' not in str(caught.value)
  return str(caught.value)


def contents(folder):
  """The files below a folder, and what they hold."""
  return {
      path.relative_to(folder).as_posix(): path.read_bytes()
      for path in sorted(folder.rglob('*'))
      if path.is_file()
  }


def make_prediction(landmarks, confidence):
  """A prediction of landmarks `[N, K, 2]` on images of 64 x 64."""
  count = len(landmarks)
  return Prediction(
      ids=tuple(map(str, range(count))),
      landmarks=np.array(landmarks, np.float32),
      confidence=np.array(confidence, np.float32),
      sizes=np.full((count, 2), 64, np.int32),
  )
