"""An objective of one's own: a module and a config, and nothing else."""

import pathlib
import re
import sys

import pytest
from ml_collections import ConfigDict

from configs import common
from configs import signer
from eqlandmarks import errors
from eqlandmarks.program import config_file
from eqlandmarks.program import modes
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training import metric_files
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.objectives import landmarks

_COLLAPSED = '''
OBJECTIVE = dataclasses.replace(
    OBJECTIVE, collapsed=lambda config, section, row: 'they do not follow'
)
'''
PAGE = pathlib.Path(__file__).parents[2] / 'docs/extend.md'


@pytest.fixture
def config(tmp_path, monkeypatch):
  """The config of the documentation, and its module in the current folder."""
  blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)
  module, file = blocks[1:3]
  (tmp_path / 'narrow_landmarks.py').write_text(
      'import dataclasses\n' + module + _COLLAPSED
  )
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [*sys.path])
  names = {}
  exec(file, names)
  yield names['get_config']('tiny')
  del sys.modules['narrow_landmarks']


def test_its_fields_take_the_place_of_those_that_were_there(config):
  assert config.discover.narrow == 0.5
  assert 'patch' not in config.discover and 'weights' not in config.discover
  assert config.discover.warp.rotation == 20  # of the config, as it was
  config_checks.check(config)
  objectives.use(config.discover, 'landmarks')
  assert config.discover.to_dict().keys() == (
      common.get_config().discover.to_dict().keys()
  )


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'narrow': -1.0}, 'config.discover.narrow is -1.0, expected a number'),
        ({'narrow': 'a'}, "discover.narrow is 'a', expected float"),
        ({'patch': 4}, 'discover.patch is no field'),
        (
            {'objective': 'no_such'},
            "config.discover.objective is 'no_such' (ModuleNotFoundError: No "
            "module named 'no_such'), expected a file of eqlandmarks/training/"
            'objectives/, or a module that Python finds, with OBJECTIVE.',
        ),
        ({'objective': 'json'}, "no attribute 'OBJECTIVE'), expected a file"),
        ({'objective': ''}, "config.discover.objective is '' ("),
        ({'objective': 'a' * 300}, "config.discover.objective is 'aaa"),
        ({'objective': 'contrastive'}, 'discover.narrow is no field'),
        ({'pair': 'no_such'}, "config.discover.pair is 'no_such' ("),
    ],
)
def test_one_line_for_what_is_wrong(config, fields, said):
  with config.unlocked(), config.ignore_type():
    config.discover.update(ConfigDict(fields))
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(config)
  assert said in str(caught.value) and '\n' not in str(caught.value)


def test_a_term_beside_the_papers_three(tmp_path, monkeypatch):
  block = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)[0]
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs/central_landmarks.py').write_text(block)
  file = tmp_path / 'configs/mine.py'
  file.write_text('')
  monkeypatch.setattr(sys, 'path', [*sys.path])
  # Beside the config, which lies in another folder than the current one.
  config_file.with_files([f'--config={file}'])
  config = signer.get_config('tiny')
  config.discover.weights.diversity = 7.0
  objectives.use(config.discover, 'central_landmarks')
  assert config.discover.weights.to_dict() == {
      **signer.get_config('tiny').discover.weights.to_dict(),
      'diversity': 7.0, 'edge': 0.1,
  }  # fmt: skip
  config_checks.check(config)
  config.discover.weights.edge = -1.0
  with pytest.raises(errors.UserError, match='expected a number of at'):
    config_checks.check(config)
  module = sys.modules.pop('central_landmarks')
  assert module.OBJECTIVE.terms == (*landmarks.TERMS, 'edge')


def test_stages_train_their_nets_only(config):
  objectives.use(config.discover, 'contrastive')
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(config)
  assert str(caught.value) == (
      "config.discover.objective is 'contrastive', which trains features; "
      'expected one that trains landmarks.'
  )


def test_checkpoints_are_chosen_by_its_terms(config):
  config.checkpoint.best = 'width'
  config_checks.check(config)
  config.checkpoint.best = 'diversity'
  with pytest.raises(errors.UserError, match="'', loss, following, width"):
    config_checks.check(config)


def test_what_is_stored_is_read_without_the_module(config, tmp_path):
  config.discover.objective = 'no_such'
  stored = config_fields.plain(config)
  workdir = Workdir(tmp_path / 'w')
  workdir.write('config.json', stored)
  assert workdir.config() == stored


@pytest.mark.slow
def test_a_whole_run_knows_of_it(config, tmp_path, capsys):
  config.checkpoint.best = 'width'
  config.discover.num_epochs = 6
  modes.run(config, str(tmp_path / 'w'), 'train')
  rows = metric_files.read_metrics(tmp_path / 'w/two_stage')
  assert {'following', 'width'} < {*rows[0]}
  # Its curves, and the sign that it takes all rows for.
  report = (tmp_path / 'w/report.html').read_text()
  assert 'following' in report and 'width' in report
  assert 'narrow_landmarks' in report and 'narrow 0.5' in report
  assert capsys.readouterr().err.count('they do not follow') == 1
  config.discover.narrow = 0.25
  with pytest.raises(errors.UserError, match=r'narrow \(0.5 there, 0.25 ask'):
    modes.run(config, str(tmp_path / 'w'), 'train')
