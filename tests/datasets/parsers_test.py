import pathlib

import fuzz_parsers
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from eqlandmarks.datasets.base import matlab
from eqlandmarks.datasets.base import text_files
from eqlandmarks.datasets.cat_head import points
from eqlandmarks.datasets.cat_head import raw
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.errors import UserError

STRICT = settings(
    derandomize=True, deadline=None, max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
ENTRIES = pytest.mark.parametrize('name', fuzz_parsers.ENTRIES)
TEXTS = pytest.mark.parametrize(
    'name', [n for n in fuzz_parsers.ENTRIES if n not in fuzz_parsers.MATLAB]
)


@ENTRIES
def test_intact_files_are_read(tmp_path, name):
  for content in fuzz_parsers.SEEDS[name]:
    assert fuzz_parsers.check(tmp_path, name, content)


@TEXTS
@STRICT
@given(content=st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode('utf-8', 'replace')),
    # What the formats are made of.
    st.lists(st.sampled_from([
        '9', '-5', '0', '2', '1e5', '\u0665', '99999999', '000001.jpg', ' ',
        '  ', '\t', '\n', '\r\n', '\x0b', '\x85', '\0', '..', '/', '\\', '{',
        '}', '[', ']', '"remove"', '"CAT_00"', ':', ',', '"a\\n"',
        '"\\ud800"', 'null', '1' * 4000, 'a' * 4000, ' '.join(lists.HEADER),
    ]), max_size=30).map(lambda parts: ''.join(parts).encode()),
))  # fmt: skip
def test_any_content_gives_a_result_or_one_line(tmp_path, name, content):
  fuzz_parsers.check(tmp_path, name, content)


@TEXTS
@STRICT
@given(edits=st.binary(max_size=30))
def test_edited_files_give_a_result_or_one_line(tmp_path, name, edits):
  for content in fuzz_parsers.SEEDS[name]:
    fuzz_parsers.check(tmp_path, name, fuzz_parsers.edited(content, edits))


# Each of MATLAB's files is read in a process of its own, so these are few.
@pytest.mark.parametrize('name', fuzz_parsers.MATLAB)
def test_matlab_files_with_other_heads(tmp_path, name):
  # Places are multiples of four, where types, lengths and shapes are.
  rng = np.random.default_rng(0)
  content = fuzz_parsers.SEEDS[name][0]
  read = 0
  for _ in range(8):
    changed = bytearray(content)
    for place in rng.integers(0, len(content) // 4 - 1, rng.integers(1, 4)) * 4:
      changed[place] = rng.choice([0, 1, 2, 4, 5, 8, 14, 15, 19, 255])
    read += fuzz_parsers.check(tmp_path, name, bytes(changed))
  assert read < 8


def test_the_current_folder_has_no_part_in_it(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for name in ('json', 'numpy', 'scipy', 'io', 'warnings'):
    pathlib.Path(f'{name}.py').write_text('open("run", "w")\nraise OSError')
  path = write(tmp_path, fuzz_parsers.SEEDS['keypoints.mat'][0])
  matlab.points_of_images(path, 3, 9)
  assert not pathlib.Path('run').exists()


def test_a_matlab_file_that_ends_scipy(tmp_path, monkeypatch):
  # Which files do, depends on SciPy's version.
  monkeypatch.setattr(matlab, '_READ', 'import os; os.abort()')
  path = write(tmp_path, fuzz_parsers.SEEDS['keypoints.mat'][0])
  with pytest.raises(UserError, match=r'makes SciPy crash.*expected an intact'):
    matlab.points_of_images(path, 3, 9)


@ENTRIES
def test_a_cut_file_is_refused_or_has_less(tmp_path, name):
  parts = 3 if name in fuzz_parsers.MATLAB else 60
  for content in fuzz_parsers.SEEDS[name]:
    step = max(1, len(content) // parts)
    for end in range(0, len(content), step):
      fuzz_parsers.check(tmp_path, name, content[:end])
    assert not fuzz_parsers.check(tmp_path, name, b'')
    if name in fuzz_parsers.MATLAB:
      assert not fuzz_parsers.check(tmp_path, name, content[:-8])


@pytest.mark.parametrize('name', fuzz_parsers.ENTRIES)
def test_a_folder_and_no_file(tmp_path, name):
  for create in (False, True):
    if create:
      (tmp_path / name).mkdir()
    with pytest.raises(UserError) as caught:
      fuzz_parsers.ENTRIES[name](tmp_path / name)
    message = str(caught.value)
    assert message.isprintable() and str(tmp_path / name) in message


def write(tmp_path, content):
  path = tmp_path / 'file.txt'
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return path


# Of the archive; a file is one line with a blank and no end, but a copy that
# went through an editor is the same.
@pytest.mark.parametrize('end', [' ', '', '\n', ' \r\n'])
def test_read_cat(tmp_path, end):
  found = points.read_cat(write(
      tmp_path, '9 175 160 239 162 199 199 149 121 137 78 166 93 281 101 312 '
      '96 296 -133' + end,
  ))  # fmt: skip
  # (y, x) + 0.5, without the fifth and the eighth point.
  assert found.tolist() == [
      [160.5, 175.5], [162.5, 239.5], [199.5, 199.5], [121.5, 149.5],
      [93.5, 166.5], [101.5, 281.5], [-132.5, 296.5],
  ]  # fmt: skip


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('last', ['', ' ', 'end', 'end end'])
@pytest.mark.parametrize('begin', ['', '\ufeff'])
def test_read_landmarks(tmp_path, end, last, begin):
  text = begin + end.join([
      '2', ' '.join(lists.HEADER) + ' ',
      '000001.jpg    69  109  106  113   77  142   73  152  108  154',
      '000007.jpg\t-1 2 3 4 5 6 7 8 9 10',
  ]) + last.replace('end', end)  # fmt: skip
  found = lists.read_landmarks(write(tmp_path, text))
  assert {name: marks.tolist() for name, marks in found.items()} == {
      '000001.jpg': [[109.5, 69.5], [113.5, 106.5], [142.5, 77.5],
                     [152.5, 73.5], [154.5, 108.5]],
      '000007.jpg': [[2.5, -0.5], [4.5, 3.5], [6.5, 5.5], [8.5, 7.5],
                     [10.5, 9.5]],
  }  # fmt: skip


@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_read_partition(tmp_path, end):
  text = end.join(['000002.jpg 0', '000001.jpg  2 ', '', '3.jpg\t1'])
  found = lists.read_partition(write(tmp_path, text))
  assert found == {'000002.jpg': 0, '000001.jpg': 2, '3.jpg': 1}


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_read_names(tmp_path, end):
  text = end.join(['142977.jpg ', '', 'CAT_00\\a b.jpg', '\u00e9.jpg'])
  # In the order of the file, and as they are.
  names = ['142977.jpg', 'CAT_00/a b.jpg', '\u00e9.jpg']
  assert text_files.read_names(write(tmp_path, text)) == names


def test_lines_are_numbered_as_in_an_editor(tmp_path):
  path = write(tmp_path, 'a.jpg\r\n\r\nb.jpg\r\na.jpg')
  with pytest.raises(UserError, match=r"line 4: found 'a.jpg' again.*line 1"):
    text_files.read_names(path)


def test_excluded(tmp_path):
  path = tmp_path / 'config.JSON'
  path.write_text('{"remove": {"cat_00": ["1.jpg", "2.jpg"], "CAT_01": []}}')
  assert raw.excluded(path) == {'CAT_00/1.jpg', 'CAT_00/2.jpg'}
