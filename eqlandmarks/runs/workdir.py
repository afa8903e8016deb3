"""A run's folder: its config, results, and what made it.

config.json    the config; what a begun stage depends on may not change
run.json       versions, devices, seeds, git commit, digests of data and nets
images.npz     which images trained
log.txt        what was said and done, with the time
lock           who writes to the folder just now
results.json   every figure, as records with their protocol; results.csv, a row
               each
report.html    all of it on one page
METHOD/        a stage's checkpoints, metrics, records and arrays; fit.npz, what
               --mode=fit fitted named points on
label/         pages by --mode=label
figures/       pictures
ablation/      a comparison: a workdir per seed, and what was compared
data/          the prepared dataset, unless dataset.cache says otherwise
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from eqlandmarks import errors
from eqlandmarks.evaluation import observe
from eqlandmarks.evaluation import outcome_form
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import provenance
from eqlandmarks.runs import stored_config
from eqlandmarks.system import data_files
from eqlandmarks.system import file_names
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints
from eqlandmarks.system import journal
from eqlandmarks.system import locking
from eqlandmarks.training import stage_folder

_RECORDS = 'records.json'
# What to do about damaged files.
_EVALUATE = 'without it, --mode=evaluate writes it anew'
_REMEDIES = {
    **stored_config.REMEDIES,
    'results.json': 'without it, --mode=report writes it anew',
    'plan.json': 'without it, --mode=ablation writes it anew',
    _RECORDS: _EVALUATE,
}


class Workdir:
  """A run's folder: paths, reading and writing.

  Attributes:
    path: the folder.
    whole: of the folder of one seed in a comparison, that of the comparison.
  """

  def __init__(self, path: str | os.PathLike[str]):
    if not str(path):
      raise errors.UserError("--workdir is '', expected a folder.")
    self.path = file_names.expanded(path)
    self.whole = self

  @property
  def figures(self) -> pathlib.Path:
    """Where pictures go."""
    return self.path / 'figures'

  @property
  def data(self) -> pathlib.Path:
    """Where the prepared dataset goes by default."""
    return self.path / 'data'

  def stage(self, name: str) -> stage_folder.StageFolder:
    """The folder of 'pretrain' or of a method."""
    return stage_folder.StageFolder(self.path / name)

  def seed(self, seed: int) -> 'Workdir':
    """The folder of one seed's runs in a comparison."""
    folder = Workdir(self.path / 'ablation' / f'seed{seed}')
    folder.whole = self.whole
    return folder

  def finished(self, names: Sequence[str]) -> list[str]:
    """Which of some stages are finished here."""
    return [name for name in names if self.stage(name).is_done]

  @contextlib.contextmanager
  def locked(self, doing: str) -> Iterator[None]:
    """Keeps other processes from writing here; see `locking.held`."""
    with locking.held(self.path, doing):
      yield

  @contextlib.contextmanager
  def log(self, start: str) -> Iterator[None]:
    """Writes into log.txt what is said within, after what is started."""
    with journal.writing(self.path / 'log.txt'):
      journal.note(f'{start}, {provenance.line()}')
      yield
      journal.note('done')

  def read(
      self, name: str, check: Callable[[Any], object] | None = None
  ) -> Any:
    """What a JSON file of the folder holds; None where it is not there.

    See `data_files.read_json`.
    """
    path = self.path / name
    if not path.exists():
      return None
    remedy = _REMEDIES.get(path.name, 'without it, it is written anew')
    return data_files.read_json(path, remedy, check)

  def write(self, name: str, content: Any) -> None:
    """Writes a JSON file atomically."""
    if isinstance(content, list):  # of records, one a line
      text = '[\n' + ',\n'.join(json.dumps(item) for item in content) + '\n]'
    else:
      text = json.dumps(content, indent=2)
    with files.replacing(self.path / name) as partial:
      partial.write_text(text + '\n')

  def read_run(self) -> dict[str, Any]:
    """What run.json holds; {} where it is not there."""
    return stored_config.read_run(self.path) or {}

  def config(self) -> dict[str, Any] | None:
    """The config of the run in this folder; None where there is none."""
    return stored_config.read(self.path)

  def add_outcome(
      self, stage: str, outcome: observe.Outcome, config: Any, labels: str
  ) -> None:
    """Replaces the figures of a stage.

    `labels` is the fingerprint of the data that it was measured on.
    """
    files.write_arrays(self._outcome(stage), **outcome.arrays)
    content = {
        'with': _measured_with(config),
        'labels': labels,
        'records': records_lib.to_json(outcome.records),
    }
    content['sha256'] = fingerprints.of_json(content)
    self.write(f'{stage}/{_RECORDS}', content)

  def evaluation(self, stage: str) -> dict[str, Any]:
    """What `add_outcome` kept of a stage; {} where it was not measured.

    Returns:
      `with`, the fields of the config by which it was measured; `labels`, the
      fingerprint of the data; and its `records`.
    """
    name = f'{stage}/{_RECORDS}'
    content = self.read(name, _check_evaluation)
    if content is None:
      return {}
    digest = content.pop('sha256')
    if digest != fingerprints.of_json(content):
      raise data_files.damaged(
          self.path / name, 'its SHA-256 differs', _EVALUATE
      )
    return content

  def is_evaluated(self, stage: str, config: Any, labels: str) -> bool:
    """Whether a stage has figures by this config, of these labels."""
    kept = self.evaluation(stage)
    return (
        kept.get('with') == _measured_with(config)
        and kept.get('labels') == labels
        and self._outcome(stage).exists()
    )

  def records(self, stage: str) -> list[records_lib.Record]:
    """The records of a stage; [] where it was not measured."""
    return records_lib.from_json(self.evaluation(stage).get('records', []))

  def outcome(self, stage: str) -> dict[str, np.ndarray] | None:
    """The arrays of a stage's `Outcome`; None where it has none."""
    path = self._outcome(stage)
    if not path.exists():
      return None
    arrays = data_files.read_arrays(path, _EVALUATE)
    with data_files.intact(path, _EVALUATE):
      outcome_form.check(arrays, (self.config() or {}).get('num_landmarks'))
    return arrays

  def _outcome(self, stage: str) -> pathlib.Path:
    return self.path / stage / 'outcome.npz'


def _measured_with(config: Any) -> dict[str, Any]:
  """The fields that figures depend on, beside those of the training."""
  plain = config_fields.plain(config)
  return {name: plain[name] for name in ('regression', 'evaluation')}


def _check_evaluation(content: Any) -> None:
  fields = data_files.field(content, 'with', dict)
  data_files.field(fields, 'regression', dict)
  data_files.field(
      data_files.field(fields, 'evaluation', dict), 'checkpoint', str
  )
  data_files.field(content, 'labels', str)
  data_files.field(content, 'sha256', str)
  records_lib.check(data_files.field(content, 'records', list))
