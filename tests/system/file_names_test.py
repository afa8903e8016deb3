"""Paths as users give them, and names that stay where they belong."""

import pathlib

import pytest

from eqlandmarks import errors
from eqlandmarks.system import file_names


def _refused(function, *arguments):
  with pytest.raises(errors.UserError) as caught:
    function(*arguments)
  assert '\n' not in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize(
    'name',
    ['../a', 'a/../../b', '/etc/passwd', '..', '.', '', 'a//b', './a', 'a/',
     'a\0b'],
)  # fmt: skip
def test_names_that_leave_their_folder(tmp_path, name):
  assert 'stays below' in _refused(file_names.below, tmp_path, name)


def test_names_that_stay_below(tmp_path):
  for name in ('a', 'a/b.png', '...', 'a..b/c', 'a\\..\\b', ' ', '\n'):
    assert file_names.below(tmp_path, name) == tmp_path / name


def test_links_out_of_the_folder(tmp_path):
  folder = tmp_path / 'own'
  (folder / 'inside').mkdir(parents=True)
  (folder / 'out').symlink_to(tmp_path)
  (folder / 'in').symlink_to('inside')
  assert file_names.below(folder, 'in/a.png') == folder / 'in/a.png'
  assert 'by a link' in _refused(file_names.below, folder, 'out/a.png')
  assert 'by a link' in _refused(file_names.below, folder, 'out/new/a.png')
  linked = tmp_path / 'linked'
  linked.symlink_to(folder)
  assert file_names.below(linked, 'a.png') == linked / 'a.png'


def test_a_home_folder_of_nobody():
  for path in ('~no-such-user', '~no-such-user/runs/mine'):
    said = _refused(file_names.expanded, path)
    assert said.startswith(f"{path}: found no home folder for '~no-such-user'")
  assert file_names.expanded('~/a') == pathlib.Path.home() / 'a'
  assert file_names.expanded('a/~b') == pathlib.Path('a/~b')
  assert 'without NUL' in _refused(file_names.expanded, 'a\0b')
  # In a locale of ASCII.
  said = _refused(file_names.expanded, 'w\udcc3\udcb6rk')
  assert r'w\udcc3\udcb6rk: is not UTF-8' in said and 'LC_ALL=C.UTF-8' in said


def test_names_are_cut_to_what_file_systems_take():
  assert file_names.fitting('a', '.png') == 'a.png'
  assert file_names.fitting('n' * 251, '.png') == 'n' * 251 + '.png'
  names = {file_names.fitting(stem, '.png') for stem in ('ä' * 200, 'ä' * 201)}
  assert len(names) == 2
  for name in names:
    assert len(name.encode()) in (254, 255)
    assert name.startswith('ä' * 100) and name.endswith('.png')
