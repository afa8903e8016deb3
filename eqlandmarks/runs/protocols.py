"""How a method was trained, as the protocol of its figures has it.

What was done is read from the summaries of the stages and from the config that
each was trained by, not from what a config asks for now: stage 1 may be another
run's, and a comparison trains for lengths of its own.
"""

from typing import Any

from eqlandmarks.runs import config_fields
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import stage_folder

# What each stage minimises, and on what pairs of images.
_OBJECTIVES = {
    'pretrain': 'contrastive',
    'discover': 'equivariance + diversity + variance',
}
_PAIR = 'warped'


def of_training(
    config: Any,
    stage: stage_folder.StageFolder,
    first: Workdir | None,
    *,
    trains_features: bool,
) -> dict[str, Any]:
  """The fields of the protocol that a training stands behind.

  Args:
    config: the config of the run, with `evaluation.checkpoint`, which says
      what state of the stage is measured.
    stage: the finished stage 2, or the end-to-end training.
    first: the workdir whose stage 1 it stands on; None of end-to-end training.
    trains_features: whether F went on learning in stage 2.
  """
  fields = config_fields.plain(config)
  summary = stage.summary()
  protocol = {
      'objective': {'discover': _OBJECTIVES['discover']},
      'pair': _PAIR,
      'negatives': None,
      'epochs': [0, summary.get('epochs')],
      'stage_images': summary.get('images'),
      'warps': {'discover': fields['discover']['warp']},
      'learning_rate': fields['discover']['learning_rate'],
      'weights': fields['discover']['weights'],
      **_checkpoint(config.evaluation.checkpoint, summary),
  }
  if first is None:
    return protocol
  if trains_features:
    protocol['features_rate'] = fields['discover']['features_rate']
  theirs = (first.config() or {}) if config.pretrained else fields
  trained_by = theirs.get('pretrain', {})
  folder = first.stage('pretrain')
  length = folder.summary().get('epochs') if folder.is_done else None
  protocol |= {
      'objective': _OBJECTIVES,
      'negatives': trained_by.get('negatives'),
      'epochs': [length, summary.get('epochs')],
      'warps': {'pretrain': trained_by.get('warp'), **protocol['warps']},
  }
  if config.pretrained:  # on other data, perhaps, and from another seed
    protocol['pretrained'] = {
        'dataset': theirs.get('dataset', {}).get('name'),
        'seed': theirs.get('seed'),
    }
  return protocol


def _checkpoint(which: str, summary: dict[str, Any]) -> dict[str, Any]:
  """Which state of a stage is measured: after what step, and why that one."""
  best = summary.get('best') if which == 'best' else None
  return {
      'checkpoint': which,
      'checkpoint_metric': best['metric'] if best else None,
      'checkpoint_step': best['step'] if best else summary['steps'],
      'steps': summary['steps'],
  }
