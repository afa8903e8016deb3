"""The dataset and the label format of docs/extend.md, as they stand there."""

import pathlib
import re
import sys

import numpy as np
import pytest
from PIL import Image

from eqlandmarks import errors
from eqlandmarks.datasets import by_name
from eqlandmarks.datasets.base import caching
from eqlandmarks.datasets.base import loader
from eqlandmarks.runs import config_checks

PAGE = pathlib.Path(__file__).parents[1] / 'docs/extend.md'
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.S)


@pytest.fixture
def config(tmp_path, monkeypatch):
  (tmp_path / 'my_shapes.py').write_text(BLOCKS[3])
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [*sys.path])
  names = {}
  exec(BLOCKS[4], names)
  yield names['get_config']()
  del sys.modules['my_shapes']


def test_the_dataset(config, tmp_path):
  for n in range(8):
    Image.new('RGB', (64, 64)).save(tmp_path / f'{n}.png')
    (tmp_path / f'{n}.txt').write_text(f'{n} 31')
  config.dataset.root = str(tmp_path)
  config_checks.check(config)
  builder = by_name.make_builder(
      config.dataset, image_size=32, data_dir=str(tmp_path / 'data')
  )
  caching.prepare(builder, 'a test')
  before = builder.data_path
  # A label that changes is prepared anew.
  (tmp_path / '4.txt').write_text('9 31')
  changed = by_name.make_builder(
      config.dataset, image_size=32, data_dir=str(tmp_path / 'data')
  )
  assert changed.data_path != before
  (tmp_path / '4.txt').write_text('4 31')
  test = loader.load(builder, 'test')
  assert len(test) == 2 and len(loader.load(builder, 'train')) == 6
  # (row, column) of the second one, at half the size.
  np.testing.assert_allclose(test.points[1], [[31.5 / 2, 4.5 / 2]])
  config.dataset.test_every = 1
  with pytest.raises(errors.UserError, match='test_every is 1, expected 2'):
    config_checks.check(config)


def test_the_label_format(tmp_path):
  names = {}
  exec(BLOCKS[5], names)
  (form,) = names['FORMATS']
  path = tmp_path / 'a.points'
  path.write_text('a.png nose 10.5 20\nb.png ear 1 2\na.png ear 3 4\n')
  poses = form.read(path, tmp_path)
  assert poses.names == ('nose', 'ear') and poses.images == ('a.png', 'b.png')
  np.testing.assert_allclose(
      poses.points,
      [[[20.5, 11], [4.5, 3.5]], [[np.nan, np.nan], [2.5, 1.5]]],
  )
  form.write(poses, tmp_path / 'b.points')
  again = form.read(tmp_path / 'b.points', tmp_path)
  np.testing.assert_allclose(again.points, poses.points)
  path.write_text('a.png nose 10.5\n')
  with pytest.raises(errors.UserError, match='line 1: found'):
    form.read(path, tmp_path)
