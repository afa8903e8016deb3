"""How a method was trained, from what its stages say."""

from configs import signer
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import protocols
from eqlandmarks.runs import workdir as workdir_lib
from eqlandmarks.training import methods


def _stage(workdir, name, **summary):
  folder = workdir.stage(name)
  folder.path.mkdir(parents=True)
  folder.finish({
      'epochs': 2, 'steps': 16, 'images': 64, 'sha256': '', 'best': None,
      **summary,
  })  # fmt: skip
  return folder


def _of_training(config, stage, first, method='two_stage'):
  return protocols.of_training(config, stage, methods.METHODS[method], first)


def test_epochs_are_those_of_the_stages_not_of_the_config(tmp_path):
  config, workdir = signer.get_config('tiny'), workdir_lib.Workdir(tmp_path)
  # As in a comparison of a share of the epochs, and of another length.
  _stage(workdir, 'pretrain', epochs=1)
  last = _stage(workdir, 'unfrozen_3_epochs', epochs=3, steps=24)
  config.discover.features_rate = 0.1
  found = _of_training(config, last, workdir, 'unfrozen')
  assert found == {
      'objective': {
          'pretrain': 'contrastive',
          'discover': 'equivariance + diversity + variance',
      },
      'pair': 'warped',
      'negatives': 'image',
      'epochs': [1, 3],
      'stage_images': 64,
      'warps': {
          'pretrain': config.pretrain.warp.to_dict(),
          'discover': config.discover.warp.to_dict(),
      },
      'learning_rate': 1e-3,
      'weights': {
          'equivariance': 0.25, 'diversity': 5.0, 'variance': 0.0125,
      },
      'settings': {'patch': 0.0625},
      'features_rate': 0.1,
      'checkpoint': 'last',
      'checkpoint_metric': None,
      'checkpoint_step': 24,
      'steps': 24,
  }
  assert 'features_rate' not in _of_training(config, last, workdir)


def test_end_to_end_has_no_stage_one(tmp_path):
  config, workdir = signer.get_config('tiny'), workdir_lib.Workdir(tmp_path)
  last = _stage(workdir, 'end_to_end', epochs=4)
  found = _of_training(config, last, workdir, 'end_to_end')
  assert found['epochs'] == [0, 4]
  assert found['objective'] == {
      'discover': 'equivariance + diversity + variance'
  }
  assert (found['negatives'], [*found['warps']]) == (None, ['discover'])
  # No factor: F is trained at the rate of T from the start.
  assert 'features_rate' not in found


def test_stage_one_of_another_run_is_described_by_that_run(tmp_path):
  theirs = signer.get_config('tiny')
  theirs.seed, theirs.pretrain.negatives = 5, 'batch'
  theirs.pretrain.warp.rotation = 45.0
  other = workdir_lib.Workdir(tmp_path / 'other')
  _stage(other, 'pretrain', epochs=7)
  other.write('config.json', config_fields.plain(theirs))
  config, own = signer.get_config('tiny'), workdir_lib.Workdir(tmp_path / 'w')
  config.pretrained = str(other.path)
  found = _of_training(config, _stage(own, 'two_stage'), other)
  assert found['epochs'] == [7, 2]
  assert found['negatives'] == 'batch'
  assert found['warps']['pretrain']['rotation'] == 45.0
  assert found['warps']['discover'] == config.discover.warp.to_dict()
  assert found['pretrained'] == {'dataset': 'signer', 'seed': 5}


def test_the_best_checkpoint_says_by_which_metric_and_when(tmp_path):
  config, workdir = signer.get_config('tiny'), workdir_lib.Workdir(tmp_path)
  config.evaluation.checkpoint = 'best'
  config.checkpoint.best = 'variance'  # changed after the training
  _stage(workdir, 'pretrain')
  best = {'step': 10, 'metric': 'loss', 'value': 0.5}
  last = _stage(workdir, 'two_stage', best=best)
  found = _of_training(config, last, workdir)
  assert (found['checkpoint'], found['checkpoint_metric']) == ('best', 'loss')
  assert (found['checkpoint_step'], found['steps']) == (10, 16)


def test_a_stage_one_that_was_removed_is_unknown(tmp_path):
  config, workdir = signer.get_config('tiny'), workdir_lib.Workdir(tmp_path)
  found = _of_training(config, _stage(workdir, 'two_stage'), workdir)
  assert found['epochs'] == [None, 2]
