"""A run's folder: its config, results, and what made it.

config.json    the config; what a begun stage depends on may not change
run.json       versions, devices, seeds, git commit, digests of data and nets
images.npz     which images trained
log.txt        what was said and done, with the time
lock           who writes to the folder just now
results.json   every figure, as records with their protocol
report.html    all of it on one page
METHOD/        a stage's checkpoints, metrics, records and arrays
figures/       pictures
ablation/      a comparison: a workdir per seed, and what was compared
data/          the prepared dataset, unless dataset.cache says otherwise
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from eqlandmarks import errors
from eqlandmarks.configs import common
from eqlandmarks.datasets.base import contents
from eqlandmarks.evaluation import observe
from eqlandmarks.evaluation import outcome_form
from eqlandmarks.evaluation import records as records_lib
from eqlandmarks.runs import claims
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import provenance
from eqlandmarks.system import files
from eqlandmarks.system import fingerprints
from eqlandmarks.system import journal
from eqlandmarks.system import locking
from eqlandmarks.system import stored
from eqlandmarks.training import stage_folder

# Raised when what a workdir holds can no longer be read as it was.
FORMAT = 1
_RECORDS = 'records.json'
# What the files must hold to be read at all, as `stored.read_json` has it.
_RUN = {'versions?': dict, 'methods?': {'*': dict}, 'data?': {'*': str}}
_EVALUATED = {
    'with': {
        'regression?': dict,
        'evaluation?': {'warp?': dict, 'checkpoint?': str},
    },
    'labels?': str,
    'records': [records_lib.FORM],
}
# What to do about damaged ones.
_EVALUATE = 'without it, --mode=evaluate writes it anew'
_REMEDIES = {
    'run.json': 'without it, the next mode that trains or measures writes it '
    'anew',
    'config.json': 'without it, the next run writes it anew: give it the same '
    'config',
    'results.json': 'without it, --mode=report writes it anew',
    'plan.json': 'without it, --mode=ablation writes it anew',
    _RECORDS: _EVALUATE,
}


class Workdir:
  """A run's folder.

  Attributes:
    path: the folder.
    whole: of the folder of one seed in a comparison, that of the comparison.
  """

  FORMAT = FORMAT

  def __init__(self, path: str | os.PathLike[str]):
    if not str(path):
      raise errors.UserError("--workdir is '', expected a folder.")
    self.path = files.expanded(path)
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

  def check(self, config: Any) -> None:
    """Checks that the folder can hold a run of this config; writes nothing.

    Raises:
      UserError: it is a file, or holds stages of another config.
    """
    for folder in (self.path, *self.path.parents):
      if folder.exists() and not folder.is_dir():
        raise errors.UserError(
            f'workdir {self.path}: {folder} is a file, expected a folder.'
        )
    self.check_format()
    claims.check_config(self, config)

  @contextlib.contextmanager
  def locked(self, doing: str) -> Iterator[None]:
    """Keeps other processes from writing here; see `locking.held`."""
    with locking.held(self.path, doing):
      yield

  @contextlib.contextmanager
  def log(self, start: str) -> Iterator[None]:
    """Writes into log.txt what is said within, after what is started."""
    with journal.writing(self.path / 'log.txt'):
      about = provenance.line()
      journal.note(f'{start}, {about}')
      yield
      journal.note('done')

  def check_format(self) -> None:
    """Sees that what the folder holds is of this program's form.

    Raises:
      UserError: it was written by a version with another one.
    """
    run = self.read_run()
    found = run.get('format', FORMAT)  # older than the field
    if found == FORMAT:
      return
    version = run.get('versions', {}).get('eqlandmarks')
    newer = isinstance(found, int) and found > FORMAT
    raise errors.UserError(
        f'{self.path / "run.json"}: format is {found!r}, written by '
        f'eqlandmarks {version}; expected {FORMAT}'
        + (': use that version, or another --workdir' if newer else '')
    )

  def config(self) -> dict[str, Any] | None:
    """The config of the run in this folder; None where there is none.

    A field that is newer than the run has its default, by which the run was
    made: defaults of new fields keep what has been done before.
    """
    known = self.read('config.json', dict)
    if known is None:  # removed, perhaps: it stands in the other file, too
      known = self.read_run().get('config')
    if known is None:
      return None
    return config_fields.filled(
        known, config_fields.plain(common.get_config(''))
    )

  def claim(
      self, config: Any, content: contents.Content | None = None
  ) -> None:
    """Makes the folder that of a config and of images; see `claims.take`."""
    claims.take(self, config, content)

  def data_prints(self) -> dict[str, str]:
    """Fingerprints of the images and the labels that the run was made from."""
    return self.read_run().get('data', {})

  def record_stage(self, name: str, config: Any) -> bool:
    """Puts a finished stage into run.json; returns whether it was not there.

    It is not where the run was killed just before it would have been put there.
    """
    run = self.read_run()
    summary = self.stage(name).summary()
    methods = run.get('methods', {})
    if methods.get(name, {}).get('sha256') == summary['sha256']:
      return False
    run['methods'] = {**methods, name: {**summary, **provenance.of(config)}}
    self.write('run.json', run)
    return True

  def finished(self, names: Sequence[str]) -> list[str]:
    """Which of some stages are finished here."""
    return [name for name in names if self.stage(name).is_done]

  def check_finished(self, names: Sequence[str]) -> None:
    """Sees that there is something to evaluate.

    Raises:
      UserError: none of these stages is finished here.
    """
    if not self.finished(names):
      raise errors.UserError(
          f'workdir {self.path} holds no finished method, expected one from '
          '--mode=train, --mode=end_to_end or --mode=ablation.'
      )

  def image_size(self) -> int | None:
    """Side of the images that the run in this folder works on, if any."""
    return (self.read('config.json', dict) or {}).get('image_size')

  def seed(self, seed: int) -> 'Workdir':
    """The folder of one seed's runs in a comparison."""
    folder = Workdir(self.path / 'ablation' / f'seed{seed}')
    folder.whole = self.whole
    return folder

  def is_evaluated(self, stage: str, config: Any, labels: str) -> bool:
    """Whether a stage has the figures that are asked for.

    Args:
      stage: its name.
      config: says what is measured.
      labels: the fingerprint of what it is measured on.
    """
    known = self._read_records(stage)
    there, asked = known.get('with'), _evaluated_with(config)
    if isinstance(there, dict):  # newer fields have their defaults
      there = config_fields.filled(
          there, _evaluated_with(common.get_config())
      )
    return (
        there == asked
        and known.get('labels') == labels
        and self._outcome(stage).exists()
    )

  def labels_of(self, stage: str) -> str | None:
    """The fingerprint of what a stage was measured on; '' if it is not known.

    None where the stage has not been measured.
    """
    known = self._read_records(stage)
    return known.get('labels', '') if known else None

  def add_outcome(
      self, stage: str, outcome: observe.Outcome, config: Any, labels: str
  ) -> None:
    """Puts a stage's figures in the place of those it had."""
    with (
        files.replacing(self._outcome(stage)) as partial,
        partial.open('wb') as file,
    ):
      np.savez_compressed(file, **outcome.arrays)
    content = {
        'with': _evaluated_with(config),
        'labels': labels,
        'records': outcome.records,
    }
    self.write(
        f'{stage}/{_RECORDS}',
        {**content, 'sha256': fingerprints.of_json(content)},
    )

  def evaluated_with(self, stage: str) -> dict[str, Any]:
    """The fields by which a stage was evaluated; {} where it was not."""
    return self._read_records(stage).get('with', {})

  def records(self, stage: str) -> list[dict[str, Any]]:
    """The records of a stage, as `add_outcome` kept them."""
    return self._read_records(stage).get('records', [])

  def outcome(self, stage: str) -> dict[str, np.ndarray] | None:
    """The arrays of a stage's `Outcome`; None where it has none."""
    path = self._outcome(stage)
    if not path.exists():
      return None
    arrays = stored.read_arrays(path, _EVALUATE)
    size = (self.config() or {}).get('num_landmarks')
    fault = outcome_form.misfit(arrays, **({'K': size} if size else {}))
    if fault is not None:
      raise stored.damaged(path, fault, _EVALUATE)
    return arrays

  def results(self) -> list[dict[str, Any]]:
    """The records of results.json."""
    return self.read('results.json', [records_lib.FORM]) or []

  def write_results(self, *sources: list[dict[str, Any]]) -> None:
    """Makes results.json anew.

    Args:
      *sources: records; what does not depend on a method (the floors) stands in
        all of them, and is taken from the first.
    """
    records, floors = [], set()
    for source in sources:
      there = {r['method'] for r in source} & {*records_lib.FLOORS}
      records += [r for r in source if r['method'] not in floors]
      floors |= there
    self.write('results.json', records)

  def write(self, name: str, content: Any) -> None:
    """Writes a JSON file atomically."""
    with files.replacing(self.path / name) as partial:
      partial.write_text(_to_json(content) + '\n')

  def _outcome(self, method: str) -> pathlib.Path:
    return self.path / method / 'outcome.npz'

  def read(self, name: str, form: Any = object) -> Any:
    """What a JSON file of the folder holds; None where it is not there.

    Args:
      name: of the file.
      form: what it must hold, as in `stored.read_json`.

    Raises:
      UserError: it is damaged.
    """
    path = self.path / name
    if not path.exists():
      return None
    remedy = _REMEDIES.get(path.name, 'without it, it is written anew')
    return stored.read_json(path, remedy, form)

  def read_run(self) -> dict[str, Any]:
    """What run.json holds; {} where it is not there."""
    return self.read('run.json', _RUN) or {}

  def _read_records(self, stage: str) -> dict[str, Any]:
    """What the file of a stage's figures holds; {} where it is not there."""
    content = self.read(f'{stage}/{_RECORDS}', _EVALUATED) or {}
    digest = content.pop('sha256', None)  # an earlier version wrote none
    if digest not in (None, fingerprints.of_json(content)):
      raise stored.damaged(
          self.path / stage / _RECORDS, 'its SHA-256 differs', _EVALUATE
      )
    return content


def _evaluated_with(config: Any) -> dict[str, Any]:
  plain = config_fields.plain(config)
  return {name: plain[name] for name in ('regression', 'evaluation')}


def _to_json(content: Any) -> str:
  """Indented, but a list of records with one record a line."""
  if isinstance(content, list):
    return '[\n' + ',\n'.join(json.dumps(item) for item in content) + '\n]'
  return json.dumps(content, indent=2)
