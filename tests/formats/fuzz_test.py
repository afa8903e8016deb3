"""No content of a text file gives anything but `Poses`, or one line."""

import json
import pathlib
import tempfile

import hypothesis
from bad_files_test import DLC
from bad_files_test import coco
from hypothesis import strategies as st

from eqlandmarks import formats
from eqlandmarks.errors import UserError


def fuzz(name, text, form=''):
  """Reads any content: `Poses`, or one line."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (path.parent / '1.png').write_bytes(b'')
    try:
      poses = formats.read(path, form)
    except UserError as error:
      assert '\n' not in str(error) and 'expected' in str(error)
    else:
      shape = len(poses.images), len(poses.names), 2
      assert poses.points.shape == shape
      assert len(poses.where) == len(poses.images)


SETTINGS = hypothesis.settings(
    max_examples=200, deadline=None, derandomize=True, database=None
)
# Without surrogates, which no file in UTF-8 holds.
TEXT = st.text(st.characters(exclude_categories=['Cs']), max_size=60)
CELL = st.sampled_from(
    ['', '1', '2.5', 'nan', '-inf', '1e999', 'x', 'y', 'likelihood', 'a', 'b',
     'scorer', 'bodyparts', 'coords', 'set', 'individuals', '1.png', '"', '\n',
     'a/b.png', '../c', '\ufeff', '\x00', 'path', 'split', 'a_x', 'a_y',
     'a_confidence', '007']
)  # fmt: skip
LINES = st.lists(st.lists(CELL | TEXT, max_size=7).map(','.join), max_size=7)
ROWS = LINES.map('\n'.join)
NUMBER = st.sampled_from(['', 'nan', '0', '-1.5', '1e3', '7 ', 'inf', 'x'])
IMAGE = st.sampled_from(['1.png', 'a/2.png', 'b\\3.png', '7', '8', '../4'])


def rows_of(*cells):
  """Rows of the right width."""
  return st.lists(st.tuples(*cells).map(','.join), max_size=3).map('\n'.join)


@SETTINGS
@hypothesis.given(TEXT | ROWS | st.binary(max_size=60))
def test_any_csv(text):
  fuzz('l.csv', text)


@SETTINGS
@hypothesis.given(
    ROWS | rows_of(IMAGE, NUMBER, NUMBER), st.sampled_from(['', ',,'])
)
def test_any_deeplabcut_csv(rows, more):
  head = DLC.replace('\n', more + '\n') if more else DLC
  fuzz('l.csv', head + rows)


@SETTINGS
@hypothesis.given(ROWS | rows_of(IMAGE, TEXT, NUMBER, NUMBER, NUMBER))
def test_any_table(rows):
  fuzz('l.txt', 'path,split,a_x,a_y,a_confidence\n' + rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ['id', 'file_name', 'image_id', 'category_id', 'keypoints', 'score',
             'keypoint_scores', 'iscrowd', 'height', 'width', 'contributor']
        ),
        inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@SETTINGS
@hypothesis.given(
    st.sampled_from(['images', 'annotations', 'categories', 'info']), JSON
)
def test_any_json_in_a_section(section, value):
  fuzz('l.json', coco(**{section: value}))
  fuzz('l.json', coco(**{section: [value]}))


@SETTINGS
@hypothesis.given(
    st.sampled_from(['images', 'annotations', 'categories']),
    st.sampled_from(
        ['id', 'file_name', 'image_id', 'category_id', 'keypoints', 'score',
         'keypoint_scores', 'iscrowd', 'height', 'width']
    ),
    JSON,
)  # fmt: skip
def test_any_json_in_a_field(section, field, value):
  data = json.loads(coco())
  data[section][0][field] = value
  fuzz('l.json', json.dumps(data))


@SETTINGS
@hypothesis.given(TEXT | JSON.map(json.dumps) | st.binary(max_size=60))
def test_any_json(text):
  fuzz('l.json', text)


WORDS = st.sampled_from(
    ['version:', '1', 'n_points:', '2', '{', '}', '\n', '3.5', 'nan', 'inf']
)


@SETTINGS
@hypothesis.given(
    TEXT | st.binary(max_size=60) | st.lists(WORDS, max_size=14).map(' '.join)
)
def test_any_pts(text):
  fuzz('1.pts', text)


@SETTINGS
@hypothesis.given(
    st.lists(st.lists(WORDS).map(' '.join)).map('\n'.join)
    | st.lists(NUMBER, min_size=4, max_size=4).map(
        lambda xy: f'{xy[0]} {xy[1]}\n{xy[2]} {xy[3]}'
    )
)
def test_any_points_in_pts(body):
  fuzz('1.pts', 'version: 1\nn_points: 2\n{\n' + body + '\n}')
