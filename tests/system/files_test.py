"""Files and folders written whole, and names that stay where they belong."""

import os
import pathlib
import stat

import pytest

from eqlandmarks import errors
from eqlandmarks.system import files


def _names(folder):
  return sorted(
      path.relative_to(folder).as_posix() for path in folder.rglob('*')
  )


def _refused(function, *arguments):
  with pytest.raises(errors.UserError) as caught:
    function(*arguments)
  assert '\n' not in str(caught.value)
  return str(caught.value)


def test_files_of_others_beside_it_stay(tmp_path):
  precious = ('a.json.partial', '.a.json.partial', 'a.json.tmp')
  for name in precious:
    (tmp_path / name).mkdir()
    (tmp_path / name / 'mine').write_text('precious')
  with files.replacing(tmp_path / 'a.json') as partial:
    partial.write_text('new')
  kept = [*precious, *(f'{name}/mine' for name in precious)]
  assert _names(tmp_path) == sorted(['a.json', *kept])
  assert (tmp_path / 'a.json').read_text() == 'new'


def test_a_file_may_be_read_by_whom_others_of_the_user_may(tmp_path):
  (tmp_path / 'plain').write_text('')
  with files.replacing(tmp_path / 'a') as partial:
    partial.write_text('')
  modes = {stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ('plain', 'a')}
  assert len(modes) == 1


def test_a_folder_is_written_whole(tmp_path):
  with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / 'f') as new:
    new.mkdir()
    (new / 'half').write_text('')
    raise KeyboardInterrupt
  assert _names(tmp_path) == []
  with files.replacing(tmp_path / 'f') as new:
    new.mkdir()
    (new / 'whole').write_text('')
  assert _names(tmp_path) == ['f', 'f/whole']


@pytest.mark.parametrize('length', [250, 255])
def test_names_of_any_length_that_a_file_can_have(tmp_path, length):
  path = tmp_path / ('n' * length)
  with files.replacing(path) as partial:
    partial.write_text('new')
  assert path.read_text() == 'new'


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
  (tmp_path / 'precious').write_text('mine')
  (tmp_path / 'a').symlink_to('precious')
  with files.replacing(tmp_path / 'a') as partial:
    partial.write_text('new')
  assert (tmp_path / 'precious').read_text() == 'mine'
  assert not (tmp_path / 'a').is_symlink()


def test_an_error_removes_the_folders_that_it_made_and_no_others(tmp_path):
  path = tmp_path / 'a/b/c.txt'
  with pytest.raises(ZeroDivisionError), files.replacing(path):
    (tmp_path / 'a/of another').write_text('finished meanwhile')
    raise ZeroDivisionError
  assert _names(tmp_path) == ['a', 'a/of another']


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(
    tmp_path,
):
  left = tmp_path / '.eqlandmarks-killed.partial'
  left.mkdir()
  (left / 'half').write_text('half')
  (tmp_path / '.eqlandmarks-file.partial').write_text('a file: none of ours')
  with files.replacing(tmp_path / 'one') as one:
    one.write_text('')
    assert not left.exists()
    files._remove_leftovers.cache_clear()  # as another process
    with files.replacing(tmp_path / 'two') as two:
      two.write_text('')
      assert one.exists()
  assert _names(tmp_path) == ['.eqlandmarks-file.partial', 'one', 'two']


@pytest.mark.parametrize(
    'name',
    ['../a', 'a/../../b', '/etc/passwd', '..', '.', '', 'a//b', './a', 'a/',
     'a\0b'],
)  # fmt: skip
def test_names_that_leave_their_folder(tmp_path, name):
  assert 'stays below' in _refused(files.below, tmp_path, name)


def test_names_that_stay_below(tmp_path):
  for name in ('a', 'a/b.png', '...', 'a..b/c', 'a\\..\\b', ' ', '\n'):
    assert files.below(tmp_path, name) == tmp_path / name


def test_links_out_of_the_folder(tmp_path):
  folder = tmp_path / 'own'
  (folder / 'inside').mkdir(parents=True)
  (folder / 'out').symlink_to(tmp_path)
  (folder / 'in').symlink_to('inside')
  assert files.below(folder, 'in/a.png') == folder / 'in/a.png'
  assert 'by a link' in _refused(files.below, folder, 'out/a.png')
  assert 'by a link' in _refused(files.below, folder, 'out/new/a.png')
  linked = tmp_path / 'linked'
  linked.symlink_to(folder)
  assert files.below(linked, 'a.png') == linked / 'a.png'


def test_files_that_are_written_in_place_are_no_links_and_no_devices(tmp_path):
  (tmp_path / 'precious').write_text('mine')
  for name, target in ('link', 'precious'), ('dangling', 'nothing'):
    (tmp_path / name).symlink_to(target)
    said = _refused(files.open_own, tmp_path / name, os.O_WRONLY)
    assert f'{tmp_path / name}: found a link' in said and 'remove it' in said
  os.mkfifo(tmp_path / 'pipe')
  assert 'pipe' in _refused(files.open_own, tmp_path / 'pipe', os.O_WRONLY)
  assert 'pipe' in _refused(files.open_own, tmp_path / 'pipe', os.O_RDWR)
  null = pathlib.Path(os.devnull)
  assert 'device' in _refused(files.open_own, null, os.O_RDWR)
  assert not (tmp_path / 'nothing').exists()
  file = files.open_own(tmp_path / 'new', os.O_WRONLY)
  os.write(file, b'x')
  os.close(file)
  assert (tmp_path / 'new').read_text() == 'x'


def test_a_home_folder_of_nobody():
  for path in ('~no-such-user', '~no-such-user/runs/mine'):
    said = _refused(files.expanded, path)
    assert said.startswith(f"{path}: found no home folder for '~no-such-user'")
  assert files.expanded('~/a') == pathlib.Path.home() / 'a'
  assert files.expanded('a/~b') == pathlib.Path('a/~b')
  assert 'without NUL' in _refused(files.expanded, 'a\0b')
  said = _refused(files.expanded, 'w\udcc3\udcb6rk')  # in a locale of ASCII
  assert r'w\udcc3\udcb6rk: is not UTF-8' in said and 'LC_ALL=C.UTF-8' in said


def test_names_are_cut_to_what_file_systems_take():
  assert files.fitting('a', '.png') == 'a.png'
  assert files.fitting('n' * 251, '.png') == 'n' * 251 + '.png'
  names = {files.fitting(stem, '.png') for stem in ('ä' * 200, 'ä' * 201)}
  assert len(names) == 2
  for name in names:
    assert len(name.encode()) in (254, 255)
    assert name.startswith('ä' * 100) and name.endswith('.png')
