"""What writing label files leaves alone."""

import numpy as np
import pytest

from eqlandmarks import formats
from eqlandmarks.errors import UserError


def poses(*images):
  return formats.Poses(('a',), images, np.ones((len(images), 1, 2)))


@pytest.mark.parametrize(
    'name',
    ['../x.png', '/x.png', 'a/../../x.png', '..\\x', '..', '.', 'a/..',
     '//x/y.png', 'a//b'],
)  # fmt: skip
def test_points_files_stay_in_their_folder(tmp_path, name):
  folder = tmp_path / 'out'
  folder.mkdir()
  with pytest.raises(UserError) as error:
    formats.write(poses('good.png', name), folder / 'points', 'pts')
  message = str(error.value)
  assert '\n' not in message and 'expected a path' in message
  assert list(tmp_path.rglob('*')) == [folder]


@pytest.mark.parametrize('form', sorted(set(formats.FORMATS) - {'pts'}))
def test_other_formats_write_one_file(tmp_path, form):
  """Whatever the names of the images."""
  (tmp_path / 'out').mkdir()
  formats.write(poses('../x.png', '/y.png'), tmp_path / 'out' / 'l', form)
  assert sorted(tmp_path.rglob('*')) == [tmp_path / 'out', tmp_path / 'out/l']


@pytest.mark.parametrize('form', formats.FORMATS)
def test_neighbours_stay(tmp_path, form):
  (tmp_path / 'l.partial').mkdir()
  (tmp_path / 'l.partial' / 'mine.txt').write_text('mine')
  formats.write(poses('1.png'), tmp_path / 'l', form)
  assert (tmp_path / 'l.partial' / 'mine.txt').read_text() == 'mine'
  assert {path.name for path in tmp_path.iterdir()} == {'l', 'l.partial'}
