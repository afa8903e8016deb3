"""A kind of pair of one's own."""

import dataclasses

import jax
import numpy as np
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks.runs import config_checks
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import landmarks
from eqlandmarks.training.pairs import base as pairs

# Two images as they are; nobody knows where a point of one is in the other.
MODULE = '''
from ml_collections import ConfigDict

from eqlandmarks.system import field_rules
from eqlandmarks.training.pairs import base


def section():
  return ConfigDict({'gap': 2})


def make_views(images, keys, section):
  x = images / 255.0
  return base.Views(x[:, 0], x[:, 1], None)


PAIR = base.Pair(
    make_views, section, {'gap': field_rules.integer(1)}, has_map=False
)
'''


@pytest.fixture
def config(tmp_path, monkeypatch):
  (tmp_path / 'two_images.py').write_text(MODULE)
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(tmp_path)
  config = signer.get_config('tiny')
  pairs.use(config.discover, 'two_images')
  return config


def test_its_fields_take_the_place_of_those_that_were_there(config):
  assert config.discover.gap == 2
  assert 'warp' not in config.discover and config.discover.patch == 0.0625
  pairs.use(config.discover, 'warped')
  assert 'gap' not in config.discover and config.discover.warp.rotation == 0.0


def test_an_objective_says_what_it_takes(config, monkeypatch):
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(config)
  assert str(caught.value) == (
      "config.discover.pair is 'two_images', which does not tell where the "
      'points of a view are in the other; expected one that does, for '
      "config.discover.objective 'landmarks'."
  )
  takes_any = dataclasses.replace(landmarks.OBJECTIVE, needs_map=False)
  monkeypatch.setattr(landmarks, 'OBJECTIVE', takes_any)
  config_checks.check(config)
  config.discover.gap = 0
  with pytest.raises(errors.UserError, match=r'discover\.gap is 0, expected a'):
    config_checks.check(config)


def test_an_objective_is_given_its_views(config):

  def loss(variables, views, keys, section, nets):
    assert views.g is None
    total = (views.other - views.x).sum() * section.gap
    return objectives.Loss(total, {'apart': total}, {})

  objective = dataclasses.replace(
      landmarks.OBJECTIVE, loss=loss, terms=('apart',)
  )
  nets = objectives.StageNets({}, (), 'i')
  images = np.zeros((3, 2, 4, 4, 3), np.uint8)
  images[:, 1] = 51  # of 255: 0.2
  keys = jax.random.split(jax.random.key(0), 3)
  made = objectives.make_loss(objective, config.discover, nets)
  total, (metrics, stats) = made({}, images, keys)
  np.testing.assert_allclose(total, 2 * 0.2 * 3 * 4 * 4 * 3, rtol=1e-6)
  assert {*metrics} == {'loss', 'apart'} and stats == {}


@pytest.mark.parametrize(
    ('names', 'trained', 'said'),
    [
        (('far',), (), "'landmarks' gives terms ['near'], expected ['far']."),
        (('near',), ('t',), "gives batch_stats [], expected ['t']."),
    ],
)
def test_a_loss_gives_what_its_objective_says(names, trained, said):
  config = signer.get_config('tiny')
  objective = dataclasses.replace(
      landmarks.OBJECTIVE, terms=names,
      loss=lambda *_: objectives.Loss(0.0, {'near': 0.0}, {}),
  )  # fmt: skip
  nets = objectives.StageNets({}, trained, 'i')
  made = objectives.make_loss(objective, config.discover, nets)
  images, keys = np.zeros((1, 32, 32, 3), np.uint8), jax.random.key(0)[None]
  with pytest.raises(errors.UserError) as caught:
    made({}, images, keys)
  assert str(caught.value).endswith(said)
