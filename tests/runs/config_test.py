"""Configs: variants, the paper's values, and the checks."""

import pytest

from configs import bbc_pose
from configs import cat_head
from configs import celeba
from configs import common
from configs import folder
from configs import signer
from configs import video
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields

ALL = [
    signer.get_config(), signer.get_config('tiny'), signer.get_config('paper'),
    folder.get_config(), folder.get_config('paper'),
    video.get_config(), video.get_config('paper'),
    bbc_pose.get_config(), celeba.get_config(), celeba.get_config('k30'),
    celeba.get_config('k10'), cat_head.get_config(), cat_head.get_config('k10'),
]


@pytest.mark.parametrize('config', ALL)
def test_configs_pass_their_own_checks(config):
  config_checks.check(config)


def test_variants_have_the_same_fields():
  for config in ALL:
    usual = common.get_config(config.dataset.name)
    fields = set(config_fields.flatten(usual.to_dict()))
    assert set(config_fields.flatten(config.to_dict())) == fields


def test_unknown_variants_are_named():
  for module in (signer, folder, video, celeba, cat_head):
    with pytest.raises(ValueError, match="variant is 'huge'"):
      module.get_config('huge')


@pytest.mark.parametrize(
    ('config', 'size', 'landmarks', 'patch'),
    [
        (signer.get_config('paper'), 128, 50, 8),
        (bbc_pose.get_config(), 128, 50, 8),
        (celeba.get_config(), 128, 50, 8),
        (celeba.get_config('k30'), 128, 30, 8),
        (cat_head.get_config(), 100, 20, 10),
        (cat_head.get_config('k10'), 100, 10, 10),
    ],
)
def test_the_papers_values(config, size, landmarks, patch):
  for stage in (config.pretrain, config.discover):
    assert stage.num_epochs == 20
    assert stage.learning_rate == 3e-4
    assert stage.decay == 0.9
    assert stage.l2 == 5e-4
  assert config.pretrain.temperature == 0.1
  assert config.model.features == 64
  assert config.discover.patch == patch
  assert config.image_size == size
  assert config.num_landmarks == landmarks
  assert config.regression.alpha == 0.1
  assert not config.regression.fit_intercept
  assert not config.discover.train_features
