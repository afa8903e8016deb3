"""Landmarks trained on two frames of a clip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.program import modes
from eqlandmarks.runs import config_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training.objectives import base
from eqlandmarks.training.objectives import moving
from eqlandmarks.training.pairs import frames


def _config():
  config = signer.get_config('tiny,moving')
  config.dataset.num_train = 8
  config.dataset.num_validation = config.dataset.num_test = 8
  config.batch_size = 8
  config.evaluation.sheet_images = config.evaluation.repeats = 2
  for stage in (config.pretrain, config.discover):
    stage.num_epochs = 1
  return config


def _share(config, images, weights):
  """One device's loss and gradient with other weights."""
  nets = models.make_nets(config)
  variables = nets.init(jax.random.key(0))
  stage_nets = base.StageNets(
      {'features': nets.features, 'landmarks': nets.landmarks},
      ('landmarks',), 'i',
  )  # fmt: skip
  config.discover.weights.update(weights)
  keys = jax.random.split(jax.random.key(1), len(images))
  loss = base.make_loss(moving.OBJECTIVE, config.discover, stage_nets)

  def total(params):
    trained = {**variables, 'landmarks': {'params': params}}
    return loss(trained, jnp.asarray(images), keys)

  mapped = jax.vmap(
      lambda _, p: jax.value_and_grad(total, has_aux=True)(p),
      in_axes=(0, None), axis_name='i',
  )  # fmt: skip
  (value, (metrics, _)), gradient = jax.jit(mapped)(
      jnp.zeros(1), variables['landmarks']['params']
  )
  return value, metrics, gradient


def test_equal_frames_have_nothing_to_match_or_cover():
  image = np.random.default_rng(0).integers(0, 256, (2, 1, 32, 32, 3), np.uint8)
  still = np.repeat(image, 2, axis=1)
  _, metrics, gradient = _share(_config(), still, {})
  assert metrics['coverage'] < 1e-3  # but for rounding
  assert metrics['matching'] < 1e-6
  assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
  assert all(jnp.isfinite(value).all() for value in metrics.values())


def test_views_are_two_frames_and_a_copy_of_the_first():
  images = np.random.default_rng(0).integers(
      0, 256, (3, 2, 32, 32, 3), np.uint8
  )
  keys = jax.random.split(jax.random.key(0), 3)
  views = frames.make_views(jnp.asarray(images), keys, _config().discover)
  np.testing.assert_allclose(views.x, images[:, 0] / 255.0, rtol=1e-6)
  np.testing.assert_allclose(views.frame, images[:, 1] / 255.0, rtol=1e-6)
  assert views.other.shape == views.x.shape and views.g is not None


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (lambda c: c.discover.update(pair='warped'), 'two frames of a clip'),
        (lambda c: c.discover.update(gap=(1.0, 0.5)), 'the smaller one first'),
        (lambda c: c.update(image_size=40), 'expected a multiple of 16'),
    ],
)
def test_what_it_cannot_take_is_refused(change, text):
  config = _config()
  with config.unlocked():
    change(config)
    if config.discover.pair == 'warped':
      del config.discover.gap
  with pytest.raises(errors.UserError, match=text):
    config_checks.check(config)


def test_frames_are_asked_of_stills(tmp_path):
  config = _config()
  config.dataset.frames = 1
  with pytest.raises(errors.UserError, match='are stills, expected two'):
    modes.run(config, tmp_path / 'w', 'train')
  assert not (tmp_path / 'w').exists()


@pytest.mark.slow
def test_a_run_on_frames(tmp_path):
  modes.run(_config(), tmp_path / 'w', 'train')
  stage = Workdir(tmp_path / 'w').stage('two_stage')
  assert stage.summary()['images'] == 32  # 8 people, 4 frames of each


def test_without_weights_nothing_is_followed():
  images = np.random.default_rng(0).integers(
      0, 256, (2, 2, 32, 32, 3), np.uint8
  )
  _, metrics, gradient = _share(
      _config(), images, {'matching': 0.0, 'coverage': 0.0}
  )
  assert not {'matching', 'coverage'} & {*metrics}
  _, _, other = _share(
      _config(), images[:, [0, 0]], {'matching': 0.0, 'coverage': 0.0}
  )
  jax.tree.map(np.testing.assert_array_equal, gradient, other)
