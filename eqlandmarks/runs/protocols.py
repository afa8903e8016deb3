"""How a method was trained, for the protocol of its figures.

This is read from the summaries of the stages and from the config that each was
trained by: stage 1 may be another run's, and a comparison has its own lengths.
"""

from typing import Any

from eqlandmarks.runs import config_fields
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import methods
from eqlandmarks.training import stage_folder
from eqlandmarks.training.objectives import base as objectives


def of_training(
    config: Any,
    stage: stage_folder.StageFolder,
    method: methods.Method,
    first: Workdir,
) -> dict[str, Any]:
  """The fields of the protocol that describe a training.

  Args:
    config: of the run.
    stage: the finished stage 2, or the end-to-end training.
    method: how it was trained.
    first: the workdir of the stage 1 that the training used, if any.
  """
  fields = config_fields.plain(config)
  section, summary = fields['discover'], stage.summary()
  protocol = {
      'objective': {'discover': _objective(section)},
      'pair': section['pair'],
      'negatives': None,
      'epochs': [0, summary.get('epochs')],
      'stage_images': summary.get('images'),
      'warps': {'discover': section.get('warp')},
      'learning_rate': section['learning_rate'],
      'weights': _weights(section),
      'settings': _settings(section) | _beside(fields),
      **_checkpoint(config.evaluation.checkpoint, summary),
  }
  if not method.after_pretrain:
    return protocol
  if method.trains_features:
    protocol['features_rate'] = section['features_rate']
  theirs = (first.config() or {}) if config.pretrained else fields
  trained_by = theirs.get('pretrain', {})
  folder = first.stage('pretrain')
  length = folder.summary().get('epochs') if folder.is_done else None
  pairs = dict.fromkeys((trained_by.get('pair', section['pair']),
                         section['pair']))
  protocol |= {
      'objective': {
          'pretrain': _objective(trained_by), **protocol['objective']
      },
      'pair': ', then '.join(pairs),
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


def _objective(section: dict[str, Any]) -> str | None:
  """What a stage minimised: the terms of an objective of ours, or its name.

  Terms of weight 0 were only logged.
  """
  name, weights = section.get('objective'), section.get('weights', {})
  if not objectives.is_ours(name):
    return name
  terms = objectives.load(name).terms
  return ' + '.join(term for term in terms if weights.get(term, 1)) or name


def _weights(section: dict[str, Any]) -> dict[str, float]:
  """The weights of the losses; of an objective without, its numbers."""
  if 'weights' in section:
    return section['weights']
  own = objectives.load(section['objective']).section()
  return {n: section[n] for n, v in own.items() if isinstance(v, (int, float))}


def _settings(section: dict[str, Any]) -> dict[str, Any]:
  """What else an objective with weights is made by."""
  own = objectives.load(section['objective']).section()
  others = {*own} - {'weights'} if 'weights' in own else ()
  return {name: section[name] for name in sorted(others)}


def _beside(fields: dict[str, Any]) -> dict[str, Any]:
  """Settings that most runs do not have: another net, pairs of frames."""
  settings = {}
  if fields['model'].get('net', 'hourglass') != 'hourglass':
    settings['net'] = fields['model']['net']
  if 'gap' in fields['discover']:
    settings['gap'] = fields['discover']['gap']
  return settings


def _checkpoint(which: str, summary: dict[str, Any]) -> dict[str, Any]:
  """Which state of a stage is measured, and after which step."""
  best = summary.get('best') if which == 'best' else None
  return {
      'checkpoint': which,
      'checkpoint_metric': best['metric'] if best else None,
      'checkpoint_step': best['step'] if best else summary['steps'],
      'steps': summary['steps'],
  }
