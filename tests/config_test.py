"""Configs: variants, the paper's values, and the checks."""

import pytest

from configs import common
from configs import folder
from configs import signer
from configs import video
from eqlandmarks import config_checks
from eqlandmarks import workdir

ALL = [
    signer.get_config(), signer.get_config('tiny'), signer.get_config('paper'),
    folder.get_config(), folder.get_config('paper'),
    video.get_config(), video.get_config('paper'),
]


@pytest.mark.parametrize('config', ALL)
def test_configs_pass_their_own_checks(config):
  config_checks.check(config)


def test_variants_have_the_same_fields():
  fields = set(workdir.flatten(common.get_config().to_dict()))
  for config in ALL:
    assert set(workdir.flatten(config.to_dict())) == fields


def test_unknown_variants_are_named():
  for module in (signer, folder, video):
    with pytest.raises(ValueError, match="variant is 'huge'"):
      module.get_config('huge')


def test_the_papers_values():
  config = signer.get_config('paper')
  for stage in (config.pretrain, config.discover):
    assert stage.num_epochs == 20
    assert stage.learning_rate == 3e-4
    assert stage.decay == 0.9
    assert stage.l2 == 5e-4
  assert config.pretrain.temperature == 0.1
  assert config.model.features == 64
  assert config.discover.patch == 8
  assert config.image_size == 128
  assert config.regression.alpha == 0.1
  assert not config.regression.fit_intercept
  assert not config.discover.train_features
