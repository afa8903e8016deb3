"""Datasets are found by the names of their modules, a user's own as well."""

import pathlib
import re

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

# All that a user writes, as the page on extending has it; and a config.
PAGE = pathlib.Path(__file__).parents[2] / 'docs/extend.md'
MODULE = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)[3]


@pytest.fixture
def own(tmp_path, monkeypatch):
  """The config of a module in the current folder."""
  name = f'squares_of_{tmp_path.name}'  # Python imports each name once
  (tmp_path / f'{name}.py').write_text(
      MODULE.replace("'my_shapes'", '__name__')  # tfds takes each name once
  )
  monkeypatch.chdir(tmp_path)
  for i in range(12):
    pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f'{i}.png')
    (tmp_path / f'{i}.txt').write_text(f'{i} 20')
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
  own.dataset.test_every = 1
  with pytest.raises(errors.UserError, match=r'config.dataset.test_every is'):
    config_checks.check(own)
  with own.unlocked():
    own.dataset.test_everys = own.dataset.test_every
    del own.dataset.test_every
  with pytest.raises(errors.UserError) as caught:
    config_checks.check(own)
  assert str(caught.value).endswith(
      'dataset.test_every is missing; dataset.test_everys is no field, the '
      'nearest is dataset.test_every.'
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
