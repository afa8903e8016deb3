"""What needs more memory than there is is refused before it is asked for."""

import jax
import pytest

from configs import common
from configs import signer
from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.runs import memory_needs
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import memory

NOWHERE = Workdir('/no/such/run')


def test_of_nets_by_hand():
  config = signer.get_config('tiny')
  params, held, largest = memory_needs._of_nets(config)
  variables = models.make_nets(config).init(jax.random.key(0))
  assert params == sum(x.nbytes for x in jax.tree.leaves(variables))
  # Largest: 32 x 32 pixels of F's 16 channels. All: F's encoder and decoder of
  # widths 8, 8, 16, 16 at sides 32, 16, 8, 4, two convolutions each; two that
  # narrow, at sides 4 and 2 (before up-sampling); F's and T's last ones.
  assert largest == 4 * 32 * 32 * 16
  f = 2 * 2 * (32 * 32 * 8 + 16 * 16 * 8 + 8 * 8 * 16 + 4 * 4 * 16)
  f += 8 * 8 * 8 + 32 * 32 * 16
  t = 32 * 32 * (5 * 8 + 10)
  assert held == 4 * (f + t)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'image_size': 8192}, 'config.image_size (8192)'),
        ({'batch_size': 10**6}, 'config.batch_size (1000000)'),
        (
            {'pretrain.num_locations': 10**6, 'batch_size': 160},
            'config.pretrain.num_locations (1000000), config.batch_size (160)',
        ),
        ({'num_landmarks': 65_536}, 'config.num_landmarks (65536)'),
        (
            {'model.widths': (65_536,) * 4},
            'config.model.widths ((65536, 65536, 65536, 65536))',
        ),
    ],
)  # fmt: skip
def test_a_step_that_is_too_large_names_the_fields(changes, named, monkeypatch):
  monkeypatch.setattr(memory, 'available', lambda: 16 * 2**30)
  config = common.get_config()
  memory_needs.check_training(config, NOWHERE)
  config.update_from_flattened_dict(changes)
  with pytest.raises(errors.UserError) as caught:
    memory_needs.check_training(config, NOWHERE)
  said = str(caught.value)
  assert said.startswith('training needs at least ')
  assert said.endswith(f'found 16.0 GiB; expected smaller values of {named}.')


def test_less_at_once_fits(monkeypatch):
  config = common.get_config()
  config.batch_size = 4096  # of 2 x 43 MiB
  monkeypatch.setattr(memory, 'available', lambda: 100 * 2**30)
  with pytest.raises(errors.UserError):
    memory_needs.check_training(config, NOWHERE)
  config.accumulate = 4
  memory_needs.check_training(config, NOWHERE)


def test_evaluation_and_prediction(monkeypatch):
  monkeypatch.setattr(memory, 'available', lambda: 16 * 2**30)
  config = common.get_config()
  memory_needs.check_evaluation(config, NOWHERE)
  memory_needs.check_prediction(config, 64)
  config.evaluation.warps_per_image = 1000
  with pytest.raises(errors.UserError, match=r'warps_per_image \(1000\)'):
    memory_needs.check_evaluation(config, NOWHERE)
  config.evaluation.warps_per_image = 2
  config.evaluation.batch_size = 10**6
  with pytest.raises(errors.UserError, match=r'evaluation\.batch_size'):
    memory_needs.check_evaluation(config, NOWHERE)
  with pytest.raises(errors.UserError, match=r'predict\.batch_size \(10000\)'):
    memory_needs.check_prediction(config, 10_000)


def test_what_is_bound_is_advised_elsewhere(tmp_path, monkeypatch):
  monkeypatch.setattr(memory, 'available', lambda: 2**20)
  (tmp_path / 'pretrain/checkpoints/5').mkdir(parents=True)
  config = common.get_config()
  config.batch_size = 4096
  with pytest.raises(errors.UserError) as caught:
    memory_needs.check_training(config, Workdir(tmp_path))
  assert str(caught.value).endswith(
      'smaller values of config.batch_size (4096): in another --workdir, '
      'lower config.batch_size.'
  )
  config.batch_size = 8
  config.evaluation.batch_size = 10**6
  with pytest.raises(errors.UserError) as caught:
    memory_needs.check_evaluation(config, Workdir(tmp_path))
  assert str(caught.value).endswith('config.evaluation.batch_size (1000000).')
