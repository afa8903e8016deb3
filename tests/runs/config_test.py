"""Configs: variants, the paper's values, and the checks."""

import pytest

from configs import bbc_pose
from configs import cat_head
from configs import celeba
from configs import common
from configs import folder
from configs import presets
from configs import signer
from configs import video
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields
from eqlandmarks.training.objectives import imm

PAPER = [
    module.get_config('paper')
    for module in (signer, folder, video, bbc_pose, celeba, cat_head)
]
BEST = [
    *(module.get_config('best128') for module in (signer, folder, video)),
    *(module.get_config() for module in (bbc_pose, celeba, cat_head)),
]
SMALL = [module.get_config() for module in (signer, folder, video)]
ALL = [
    *PAPER, *BEST, *SMALL, signer.get_config('tiny'),
    celeba.get_config('k30'), celeba.get_config('paper,k10'),
    cat_head.get_config('k10'), cat_head.get_config('paper,k10'),
]  # fmt: skip
# What each dataset decides for itself, beside the recipe.
OWN = (
    'dataset.', 'image_size', 'num_landmarks', 'discover.patch',
    'evaluation.samples', 'evaluation.original_pck', 'ablation.share',
)  # fmt: skip
EPOCHS = (
    'pretrain.num_epochs', 'discover.num_epochs', 'end_to_end.num_epochs',
)
SIZES = (
    'batch_size', 'model.widths', 'model.landmark_width',
    'pretrain.num_locations', *EPOCHS,
)  # fmt: skip


def _differing(config, other):
  """The fields in which two configs differ, but for those of a dataset."""
  fields, others = (config_fields.flatten(c.to_dict()) for c in (config, other))
  return {
      name
      for name in {*fields, *others}
      if not name.startswith(OWN) and fields.get(name) != others.get(name)
  }


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


@pytest.mark.parametrize('preset', presets.PRESETS)
def test_presets_pass_the_checks_in_every_config(preset):
  for module in (signer, folder, video, bbc_pose, cat_head, celeba):
    config_checks.check(module.get_config(preset))
    config_checks.check(module.get_config(f'paper,{preset}'))


def test_a_preset_changes_nothing_but_what_it_names():
  assert not _differing(signer.get_config('landmarks'), signer.get_config())
  changed = _differing(signer.get_config('tiny,fse'), signer.get_config('tiny'))
  assert changed and all(name.startswith('discover.') for name in changed)
  # With the weights of its own, but the config's sizes.
  drawn = signer.get_config('imm').discover
  assert drawn.weights == imm.section().weights
  ceiling = celeba.get_config('k10,supervised')
  assert ceiling.num_landmarks == 5  # two eyes, the nose, two mouth corners


def test_every_dataset_has_the_same_two_recipes():
  best = common.get_config()
  common.best(best)
  for config in PAPER:
    assert not _differing(config, common.get_config())
  # The drawn people have an F that stays frozen.
  own = {'signer': {'discover.train_features'}}
  for config in BEST:
    allowed = {*EPOCHS} | own.get(config.dataset.name, set())
    assert _differing(config, best) <= allowed
  # On two cores, the same recipe with smaller nets and fewer passes.
  for config in SMALL:
    allowed = {*SIZES} | own.get(config.dataset.name, set())
    assert _differing(config, best) <= allowed


@pytest.mark.parametrize(
    ('config', 'size', 'landmarks', 'patch'),
    [
        (signer.get_config('paper'), 128, 50, 8),
        (bbc_pose.get_config('paper'), 128, 50, 8),
        (celeba.get_config('paper'), 128, 50, 8),
        (celeba.get_config('paper,k30'), 128, 30, 8),
        (cat_head.get_config('paper'), 100, 20, 10),
        (cat_head.get_config('paper,k10'), 100, 10, 10),
    ],
)
def test_the_papers_values(config, size, landmarks, patch):
  for stage in (config.pretrain, config.discover):
    assert stage.num_epochs == 20
    assert stage.learning_rate == 3e-4
    assert stage.decay == 0.9
    assert stage.l2 == 5e-4
  assert config.pretrain.temperature == 0.1
  assert config.pretrain.negatives == 'batch'
  assert config.model.features == 64
  assert config.discover.patch * size == patch
  assert config.image_size == size
  assert config.num_landmarks == landmarks
  assert config.regression.alpha == 0.1
  assert not config.regression.fit_intercept
  assert not config.discover.train_features
  assert config.discover.warp.zoom == config.discover.warp.translation == 0
