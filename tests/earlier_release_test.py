"""A workdir of an earlier release still loads, predicts, and goes on.

tests/data/workdir_0.1.0.tar.xz was written by version 0.1.0, before checkpoints
were sealed, with the options in tests/program/wrong_inputs_test.py: stage 1 and
stage 2 of a tiny net, two steps each. The numbers below are what that version
predicted on `_image`: processors round apart, most of all in nets that are
hardly trained.
"""

import pathlib
import tarfile

import jax
import numpy as np
import pytest

from eqlandmarks.predictor import predictor
from eqlandmarks.system import fingerprints
from eqlandmarks.training import stage_folder

_ARCHIVE = pathlib.Path(__file__).parent / 'data/workdir_0.1.0.tar.xz'
_LANDMARKS = [
    [11.881, 9.7469], [3.5932, 25.2278], [21.4111, 27.4526], [21.3797, 32.2909]
]  # fmt: skip
_ANNOTATIONS = [
    [11.5645, 21.1326], [22.538, 17.8183], [26.3491, 21.6462],
    [26.1673, 15.3216], [23.2485, 29.8758], [18.0554, 14.5353],
    [17.0297, 27.6131],
]  # fmt: skip
_DIGEST = '2da8e6ffa7e296f615d05c53788aedaad1729b5c73c1f29b61f10b17e9fca526'


@pytest.fixture
def workdir(tmp_path):
  with tarfile.open(_ARCHIVE) as archive:
    archive.extractall(tmp_path, filter='data')
  return tmp_path


def _image():
  rows, columns = np.mgrid[:40, :48]
  bow = (rows - 20) ** 2 + (columns - 10) ** 2
  layers = [rows * 6 % 256, columns * 5 % 256, bow % 256]
  return np.stack(layers, axis=-1).astype(np.uint8)


def test_it_predicts_the_same_points(workdir):
  found = predictor.Predictor.from_checkpoint(workdir).predict(_image())
  np.testing.assert_allclose(found.landmarks[0], _LANDMARKS, atol=0.05)
  np.testing.assert_allclose(found.annotations[0], _ANNOTATIONS, atol=0.5)


def test_its_parameters_are_the_same(workdir):
  variables = stage_folder.StageFolder(workdir / 'two_stage').load_variables()
  params = {net: v['params'] for net, v in variables.items()}
  assert fingerprints.of_parameters(params) == _DIGEST


def test_its_training_state_is_there_to_go_on_from(workdir):
  stage = stage_folder.StageFolder(workdir / 'pretrain')
  kept = stage.load_variables()
  path = workdir / 'pretrain/checkpoints/2'
  from orbax.checkpoint import v1 as ocp

  like = jax.tree.map(
      lambda leaf: np.zeros(leaf.shape, leaf.dtype),
      ocp.metadata(path).metadata,
  )
  with stage.checkpointer(keep=2) as checkpointer:
    state, number = checkpointer.restore(like)
    assert (number, int(state['step'])) == (2, 2)
    jax.tree.map(
        np.testing.assert_array_equal,
        state['params']['features'], kept['features']['params'],
    )  # fmt: skip
    # What goes on from it is sealed.
    checkpointer.save(3, state)
  assert (workdir / 'pretrain/checkpoints/3/seal.json').exists()
