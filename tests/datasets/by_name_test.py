"""Datasets are found by the names of their modules, a user's own as well."""

import fixtures
import numpy as np
import pytest
from PIL import Image

from configs import common
from configs import signer
from eqlandmarks import errors
from eqlandmarks.datasets import by_name
from eqlandmarks.program import modes
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_types

# All that a user writes: this file, and a config.
MODULE = '''
import dataclasses
import pathlib

import numpy as np

from eqlandmarks.datasets.base import builder
from eqlandmarks.datasets.base import examples
from eqlandmarks.errors import UserError


@dataclasses.dataclass(frozen=True)
class Options:
  # What the files are called.
  ending: str = '.png'

  def __post_init__(self):
    if not self.ending:
      raise UserError("config.dataset.ending is '', expected an ending")


class build(builder.ImageBuilder):
  """Squares."""

  name = __name__

  def _open(self, root, outputs):
    self._files = sorted(pathlib.Path(root).glob(f'*{self._options.ending}'))
    return [str(file) for file in self._files]

  def _plan(self):
    items = [
        builder.Item(file.name, file, np.array([[20.0, 10.0], [5.0, 30.0]]))
        for file in self._files
    ]
    about = examples.Description(('a', 'b'), {}, (), 'train', 'train', 'test')
    return builder.Plan({'train': items[2:], 'test': items[:2]}, about)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
  """The name of a module in the current folder, and a config of it."""
  name = f'squares_of_{tmp_path.name}'  # Python imports each name once
  (tmp_path / f'{name}.py').write_text(MODULE)
  monkeypatch.chdir(tmp_path)
  for i in range(10):
    pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f'{i}.png')
  config = signer.get_config('tiny')
  config.dataset = common.dataset(name)
  config.dataset.root = str(tmp_path)
  return config


@pytest.mark.slow
def test_a_run_of_it(own, tmp_path):
  own.pretrain.num_epochs = own.discover.num_epochs = 1
  modes.run(own, str(tmp_path / 'w'), 'train')
  assert own.dataset.name in (tmp_path / 'w/results.json').read_text()


def test_its_fields_are_checked(own):
  own.dataset.ending = ''
  with pytest.raises(errors.UserError, match=r'config.dataset.ending is'):
    config_checks.check(own)
  with own.unlocked():
    own.dataset.endings = own.dataset.ending
    del own.dataset.ending
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(own)
  assert str(caught.value).endswith(
      'dataset.ending is missing; dataset.endings is no field, the nearest is '
      'dataset.ending.'
  )


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('x = 1', 'AttributeError'), ('1 / 0', 'ZeroDivisionError'),
        ('raise SystemError("a\\nb")', 'SystemError: a b'), ('(', 'SyntaxErr'),
    ],
)  # fmt: skip
def test_what_is_no_dataset_is_one_line(own, tmp_path, text, reason):
  (tmp_path / f'no{reason[:6]}.py').write_text(text)
  message = fixtures.assert_one_line(
      lambda: by_name.find(f'no{reason[:6]}'), 'config.dataset.name', reason
  )
  assert 'bbc_pose, cat_head, celeba, folder, signer, video' in message


@pytest.mark.parametrize('name', ['', ' ', 'base', 'by_name', '.', '..', 'a/b'])
def test_names_that_are_none(name):
  fixtures.assert_one_line(lambda: by_name.find(name), f'is {name!r}')


def test_every_dataset_has_a_config_of_its_own_fields():
  for name in by_name.names():
    config = common.get_config(name)
    config_checks.check(config)
    assert set(config.dataset) == {
        'name', 'root', 'cache', 'memory_gib', *by_name.defaults(name)
    }


def test_a_field_of_another_dataset_is_refused():
  config = signer.get_config('tiny')
  with config.unlocked():
    config.dataset.every = 2
  with pytest.raises(errors.UserError, match=r'every is no field, the nearest'):
    config_checks.check(config)


def test_an_older_config_of_ones_own_gets_its_fields():
  config = common.get_config()
  config.dataset.name = 'folder'
  config.dataset.labels = 'l.csv'
  config_types.complete(config.lock())
  config_checks.check(config)
  assert config.dataset.labels == 'l.csv' and config.dataset.test_share == 1 / 3


def test_another_dataset_on_the_command_line():
  config = signer.get_config('tiny')
  config_types.complete(config, 'video')
  config.dataset.name = 'video'
  config_checks.check(config)
