"""Pipes, devices and folders are refused, and nothing waits for them."""

import os
import pathlib

import pytest

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks.datasets.annotations import deeplabcut_config
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.base import text_files
from eqlandmarks.media import images
from eqlandmarks.media import videos
from eqlandmarks.system import regular_files


def _others(folder):
  """What is no regular file -> what it is."""
  os.mkfifo(folder / 'pipe')
  return {
      folder / 'pipe': 'a named pipe',
      pathlib.Path('/dev/zero'): 'a device',
      folder: 'a folder',
  }


def test_what_is_no_regular_file(tmp_path):
  for path, kind in _others(tmp_path).items():
    for function in (regular_files.opened, regular_files.check):
      with pytest.raises(errors.UserError) as error:
        function(path)
      assert str(error.value) == f'{path}: is {kind}, expected a regular file'


def test_regular_files_and_links_to_them(tmp_path):
  (tmp_path / 'x').write_bytes(b'abc')
  (tmp_path / 'link').symlink_to(tmp_path / 'x')
  for name in ('x', 'link'):
    regular_files.check(tmp_path / name)
    with regular_files.opened(tmp_path / name) as file:
      assert file.read() == b'abc'
  with pytest.raises(FileNotFoundError):
    regular_files.opened(tmp_path / 'absent')


def test_links_among_images_and_videos(tmp_path):
  folder = tmp_path / 'root'
  folder.mkdir()
  for number, (path, kind) in enumerate(_others(tmp_path).items()):
    link = folder / f'{number}.png'
    link.symlink_to(path)
    video = folder / f'{number}.mp4'
    video.symlink_to(path)
    functions = (images.decode, images.displayed_size, images.read)
    for function in functions:
      with pytest.raises(errors.UserError, match=f'{number}.png: is {kind}, '):
        function(link)
    for function in (videos.probe, videos.count, lambda x: [*videos.frames(x)]):
      with pytest.raises(errors.UserError, match=f'{number}.mp4: is {kind}, '):
        function(video)
  assert images.bad_images(folder, ['0.png', '1.png']) == ['0.png', '1.png']


def test_labels(tmp_path):
  for path, kind in _others(tmp_path).items():
    if path == tmp_path:
      continue
    link = tmp_path / 'labels.csv'
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    functions = (
        formats.read,
        text_files.read_lines,
        lambda path: labels.label_files(str(path), tmp_path, ()),
    )
    for function in functions:
      with pytest.raises(errors.UserError, match=f'labels.csv: is {kind}, '):
        function(link)


def test_pipes_in_a_project(tmp_path):
  folder = tmp_path / 'labeled-data/a'
  folder.mkdir(parents=True)
  os.mkfifo(folder / 'CollectedData_me.csv')
  with pytest.raises(errors.UserError, match=r'me\.csv: is a named pipe, '):
    labels.label_files('deeplabcut', tmp_path, ())
  os.mkfifo(tmp_path / 'x.pts')
  with pytest.raises(errors.UserError, match=r'x\.pts: is a named pipe, '):
    labels.label_files('pts', tmp_path, ())
  os.mkfifo(tmp_path / 'config.yaml')
  assert not deeplabcut_config.describes_project(tmp_path)


def _refused_own(path, flags=os.O_WRONLY):
  with pytest.raises(errors.UserError) as caught:
    regular_files.open_own(path, flags)
  assert str(caught.value).startswith(f'{path}: found ')
  assert str(caught.value).endswith('; remove it')
  return str(caught.value)


def test_files_that_are_written_in_place_are_no_links_and_no_devices(tmp_path):
  (tmp_path / 'precious').write_text('mine')
  for name, target in ('link', 'precious'), ('dangling', 'nothing'):
    (tmp_path / name).symlink_to(target)
    assert 'found a link, expected' in _refused_own(tmp_path / name)
  os.mkfifo(tmp_path / 'pipe')
  for flags in (os.O_WRONLY, os.O_RDWR):
    assert 'a pipe' in _refused_own(tmp_path / 'pipe', flags)
  assert 'a device' in _refused_own(os.devnull, os.O_RDWR)
  assert not (tmp_path / 'nothing').exists()
  file = regular_files.open_own(tmp_path / 'new', os.O_WRONLY)
  os.write(file, b'x')
  os.close(file)
  assert (tmp_path / 'new').read_text() == 'x'
