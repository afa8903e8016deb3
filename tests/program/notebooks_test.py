"""What the notebooks share: data of a user, devices, pictures."""

import io
import sys
import types
import zipfile

import jax
import numpy as np
import pytest
from PIL import Image

from configs import folder
from configs import signer
from configs import video
from eqlandmarks.errors import UserError
from eqlandmarks.media import videos
from eqlandmarks.program import notebooks


def _png():
  content = io.BytesIO()
  Image.new('RGB', (40, 40)).save(content, 'png')
  return content.getvalue()


def _zip(*names):
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w') as archive:
    for name in names:
      archive.writestr(name, _png())
  return content.getvalue()


@pytest.fixture
def upload(monkeypatch, tmp_path):
  """Colab, as far as it asks for files, with those that it is given."""
  given = {}
  files = types.ModuleType('google.colab.files')
  files.upload = lambda: given
  monkeypatch.setitem(sys.modules, 'google.colab', types.ModuleType('colab'))
  monkeypatch.setitem(sys.modules, 'google.colab.files', files)
  monkeypatch.chdir(tmp_path)
  return given


@pytest.mark.parametrize(
    ('given', 'found'),
    [
        ({'a.png': _png(), '../b.png': _png()}, ['a.png', 'b.png']),
        ({'a.zip': _zip('x/1.png', '2.png')}, ['2.png', '1.png']),
    ],
)
def test_uploaded_images(upload, given, found):
  upload.update(given)
  data = notebooks.find_data('upload')
  assert sorted(p.name for p in data.rglob('*.png')) == sorted(found)
  upload.clear()
  upload['c.png'] = _png()
  data = notebooks.find_data('upload')  # in the place of the earlier ones
  assert [p.name for p in data.rglob('*') if p.is_file()] == ['c.png']


def test_an_archive_that_leads_elsewhere_stays_in_its_folder(upload, tmp_path):
  packed = io.BytesIO()
  with zipfile.ZipFile(packed, 'w') as archive:
    archive.writestr('../../../out.png', _png())
    archive.writestr('run.py', 'raise SystemExit')
  upload['a.zip'] = packed.getvalue()
  data = notebooks.find_data('upload')
  assert [p.name for p in data.rglob('*') if p.is_file()] == ['out.png']
  assert len([*tmp_path.parent.rglob('out.png')]) == 1


def test_an_archive_that_is_too_large_or_damaged(upload, monkeypatch):
  packed = io.BytesIO()
  with zipfile.ZipFile(packed, 'w') as archive:
    archive.writestr('a.png', _png())
  content = packed.getvalue()
  upload['a.zip'] = content.replace(_png(), bytes(len(_png())))
  with pytest.raises(UserError, match=r'a\.zip: cannot be unpacked'):
    notebooks.find_data('upload')
  upload['a.zip'] = content
  monkeypatch.setattr(notebooks, '_ZIP_GIB', 0)
  with pytest.raises(UserError, match=r'a\.zip: its images take'):
    notebooks.find_data('upload')


def test_an_uploaded_video(upload):
  upload['a.mp4'] = b'not looked at yet'
  assert notebooks.find_data('upload').name == 'a.mp4'


def test_nothing_uploaded(upload):
  with pytest.raises(UserError, match='0 videos and no images'):
    notebooks.find_data('upload')


def test_no_upload_elsewhere():
  with pytest.raises(UserError, match='in Colab only'):
    notebooks.find_data('upload')


@pytest.mark.parametrize('where', ['', 'nowhere', 'empty', 'notes.txt'])
def test_no_data(where, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'notes.txt').touch()
  with pytest.raises(UserError, match=f"no images and no video at '{where}'"):
    notebooks.find_data(where)


def test_an_example_is_drawn(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(notebooks, '_EXAMPLES', 2)
  data = notebooks.find_data('example')
  assert len(list(data.glob('*.png'))) == 2


# The config has 10 + 8 epochs of a thousand images, a third without an
# accelerator: 10 * 1000 / 20 and 8 * 1000 / 20, and a third of both.
@pytest.mark.parametrize(
    ('count', 'accelerator', 'epochs', 'batch'),
    [
        (20, True, (500, 400), 8),
        (20, False, (167, 133), 8),
        (5, True, (2000, 1600), 4),
    ],
)
def test_fit_to_images(
    count, accelerator, epochs, batch, tmp_path, monkeypatch
):
  monkeypatch.setattr(jax, 'local_device_count', lambda: 2)
  for number in range(count):
    (tmp_path / f'{number}.png').write_bytes(_png())
  config = folder.get_config()
  notebooks.fit(config, tmp_path, accelerator=accelerator)
  assert (config.pretrain.num_epochs, config.discover.num_epochs) == epochs
  assert config.batch_size == batch
  assert config.dataset.root == config.predict.input == str(tmp_path)


def test_fit_to_a_video(tmp_path, monkeypatch):
  pytest.importorskip('av')
  monkeypatch.setattr(notebooks, '_IMAGES', 10)
  path = tmp_path / 'v.mp4'
  with videos.writing(path, size=(48, 64), fps=10.0) as append:
    for _ in range(25):
      append(np.zeros((48, 64, 3), np.uint8))
  config = video.get_config()
  notebooks.fit(config, path, accelerator=True)
  assert config.dataset.every == 2  # 13 of 25 frames
  assert config.pretrain.num_epochs == 8  # 10 * 10 / 13


def test_changes():
  config = signer.get_config()
  notebooks.change(config, {'pretrain.num_epochs': 3, 'seed': 1})
  assert (config.pretrain.num_epochs, config.seed) == (3, 1)
  for wrong in ({'sed': 1}, {'pretrain.epochs': 1}, {'seed': 'one'},
                {'seed.x': 1}):  # fmt: skip
    with pytest.raises(UserError, match='CHANGES: found'):
      notebooks.change(config, wrong)


@pytest.mark.slow
def test_one_device_and_two():
  config = signer.get_config('tiny')
  config.dataset.num_train = 8
  devices = jax.devices()
  one, _ = notebooks.pretrain_on(devices[:1], config, num_steps=12)
  two, speed = notebooks.pretrain_on(devices[:2], config, num_steps=12)
  assert [*one] == [*two] == [10, 12]
  np.testing.assert_allclose(one[10], two[10], rtol=1e-2)
  assert one[10] != one[12]
  assert speed > 0
  with pytest.raises(UserError, match='expected a multiple of 3'):
    notebooks.pretrain_on(devices[:3], config, num_steps=12)


def test_pictures_side_by_side(tmp_path):
  for number in range(3):
    Image.new('RGB', (480, 240), (number, 0, 0)).save(
        tmp_path / f'{number}.png'
    )
  sheet = np.asarray(notebooks.some_pictures(tmp_path, 2))
  assert sheet.shape == (240, 480, 3)
  assert (sheet[0, 0, 0], sheet[0, 240, 0]) == (0, 2)
  with pytest.raises(UserError, match='holds no pictures'):
    notebooks.some_pictures(tmp_path / 'none', 2)


def test_start_says_what_there_is(capsys):
  assert not notebooks.start()
  said = capsys.readouterr().out.splitlines()
  assert said[0] == f'{jax.local_device_count()} x cpu'
  assert len(said) == 2
  assert 'no accelerator' in said[1]


def test_an_error_is_one_line_in_a_notebook():
  shown = UserError('field: found x')._render_traceback_()
  assert shown == ['error: field: found x']
