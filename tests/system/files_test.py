"""Files and folders written whole."""

import stat

import pytest

from eqlandmarks.system import files


def _names(folder):
  return sorted(
      path.relative_to(folder).as_posix() for path in folder.rglob('*')
  )


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
