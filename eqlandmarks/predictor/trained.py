"""What a run has trained, as everything after training needs it."""

import dataclasses
import os
from typing import Any

from ml_collections import ConfigDict

from eqlandmarks import models
from eqlandmarks.datasets.base import crops
from eqlandmarks.errors import UserError
from eqlandmarks.predictor import confidence
from eqlandmarks.runs import config_types
from eqlandmarks.runs import fitted
from eqlandmarks.runs import run as run_lib
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import fingerprints
from eqlandmarks.training import methods


@dataclasses.dataclass(frozen=True)
class Trained:
  """A finished method of a run.

  Attributes:
    config: that of the run, with all fields that describe the nets.
    variables: of both nets, as numpy arrays.
    annotator: from landmarks to annotations; None without labels.
    crop: what the nets were shown of the images; None for everything.
    method: one of `methods.METHODS`.
    digest: SHA-256 of the parameters, of all nets of the training.
  """

  config: ConfigDict
  variables: dict[str, models.Variables]
  annotator: confidence.Annotator | None = None
  crop: crops.Box | None = None
  method: str = ''
  digest: str = ''


def load(
    workdir: str | os.PathLike[str],
    method: str | None = None,
    *,
    regression: Any = None,
) -> Trained:
  """Reads a finished method, as `Predictor.from_checkpoint` says.

  It needs no dataset.
  """
  folder = Workdir(workdir)
  config = _read_config(folder)
  method = _choose(folder, method, config)
  stage, measured = folder.stage(method), folder.evaluation(method).get('with')
  which = measured['evaluation']['checkpoint'] if measured else 'last'
  stored = stage.load_variables(which)
  variables = run_lib.of_both_nets(config, stored, str(stage.path))
  digest = fingerprints.of_parameters(stored)
  regression = regression or (measured or config).get('regression')
  return Trained(
      config, variables,
      annotator=_load_annotator(
          folder, method, config.image_size, regression, digest
      ),
      crop=_crop(folder, method, config),
      method=method, digest=digest,
  )  # fmt: skip


def _crop(folder: Workdir, method: str, config: ConfigDict) -> crops.Box | None:
  """What of all frames was shown; None for everything."""
  # The boxes of benchmarks are made from true points, which are not there.
  if config.dataset.name != 'video':
    return None
  # A DeepLabCut project has crops of its own, which the protocol names.
  records = folder.records(method)
  crop = records[0].protocol.get('data', {}).get('crop') if records else None
  if crop == crops.OF_EACH_VIDEO:
    run_lib.say(
        'the model was trained on crops of videos, which differ: show it '
        'images that are cropped alike'
    )
    return None
  return crops.from_text(config.dataset.crop_box or crop or '')


def _read_config(folder: Workdir) -> ConfigDict:
  """The config of the run in a folder, with the fields that are read here."""
  workdir_checks.check_format(folder)
  stored = folder.config()
  if stored is None:
    raise UserError(
        f'workdir {folder.path} holds no config.json, expected the workdir of '
        'a run with --mode=train or --mode=end_to_end.'
    )
  try:
    config = ConfigDict(stored)
    misfits = config_types.misfits(config)
    if misfits:
      raise ValueError('; '.join(misfits))
    models.make_nets(config)
    _ = config.discover.train_features
  except UserError:
    raise
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(
        f'{folder.path / "config.json"}: {error}; expected the config of a run '
        'by this version of eqlandmarks.'
    ) from error
  return config


def _choose(folder: Workdir, method: str | None, config: Any) -> str:
  """The finished method that is asked for, or the run's own."""
  if method is None:
    workdir_checks.check_finished(folder, methods.METHODS)
    own = methods.of_config(config).name
    return folder.finished((own, *methods.METHODS))[0]
  if method not in methods.METHODS or not folder.finished([method]):
    finished = ', '.join(folder.finished(methods.METHODS)) or 'none'
    raise UserError(
        f'method is {method!r}, expected one that is finished in workdir '
        f'{folder.path}: {finished}.'
    )
  return method


def _load_annotator(
    folder: Workdir, method: str, image_size: int, regression: Any, digest: str
) -> confidence.Annotator | None:
  """The regressor of --mode=fit, otherwise of the evaluation, if any."""
  fit = fitted.read(folder, method, digest)
  if fit is not None:
    fields = {'image_size': image_size, 'regression': fit.regression}
    return confidence.make_annotator(
        {'fit_landmarks': fit.landmarks, 'fit_points': fit.points},
        fit.names, ConfigDict(fields),
    )  # fmt: skip
  outcome = folder.outcome(method)
  if outcome is None or 'fit_points' not in outcome:
    return None
  return confidence.make_annotator(
      outcome,
      tuple(map(str, outcome['point_names'])),
      ConfigDict({'image_size': image_size, 'regression': regression}),
  )
