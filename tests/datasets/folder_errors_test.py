import os

import pytest
from fixtures import assert_one_line
from folder_fixtures import GOOD_ROWS
from folder_fixtures import build
from folder_fixtures import images
from folder_fixtures import picture
from folder_fixtures import table


@pytest.fixture
def root(tmp_path):
  return images(tmp_path / 'root')


ALL_TEST = [f'{i}.png,test,1,1' for i in range(9)]
ALL_TRAIN = [row.replace('test', 'train') for row in ALL_TEST]
SPLIT_HEADER = 'path,split,a_x,a_y'
ERRORS = {
    'missing files': (
        {'rows': [*GOOD_ROWS, 'x.png,,,,', 'y.png,,,,']},
        ['2 of 11 rows', "'x.png'", 'labels.csv row 11', 'images below'],
    ),
    'outside right': (
        {'rows': ['0.png,1,1,39.6,2']},
        ['labels.csv row 2', "point 'b'", 'x=39.6', '0.png', '<= 39.5'],
    ),
    'outside below': (
        {'rows': ['0.png,1,19.75,3,2']},
        ["point 'a'", 'y=19.75', '<= y <= 19.5', "dataset.outside='missing'"],
    ),
    'all test': (
        {'rows': ALL_TEST, 'header': SPLIT_HEADER},
        ["dataset.labels='labels.csv'", '9 labelled', '0 are train'],
    ),
    'none test': (
        {'rows': ALL_TRAIN, 'header': SPLIT_HEADER},
        ['9 labelled', 'none is test', 'one row of split test'],
    ),
    'no coordinates': (
        {'rows': ['0.png,,,,']},
        ['found 0 labelled images', 'expected at least one'],
    ),
    'a single label': (
        {'rows': ['0.png,1,1,1,1']},
        ['found 1 labelled images', 'expected at least two'],
    ),
    'patterns match nothing': (
        {'test': 'v1/*'}, ["dataset.test='v1/*'", 'none is test'],
    ),
    'patterns match all': ({'test': '*'}, ['of which 0 are train']),
    'patterns without labels': (
        {'labels': '', 'test': 'v*'}, ['dataset.test', "'v*'", 'labels'],
    ),
    'eye unknown': (
        {'eyes': ('a', 'c')}, ['dataset.eyes', "'c'", 'out of a, b'],
    ),
    'one eye': ({'eyes': 'a'}, ['dataset.eyes', "'a'", 'expected two']),
    'one eye twice': ({'eyes': 'a,a'}, ['dataset.eyes', "'a,a'"]),
    'three eyes': ({'eyes': 'a,b,b'}, ['dataset.eyes', 'expected two']),
    'eyes without labels': (
        {'labels': '', 'eyes': 'a,b'}, ['dataset.eyes', 'no labels given'],
    ),
    'group unknown': (
        {'groups': {'g': ['a', 'z']}}, ['dataset.groups.g', "'z'", 'a, b'],
    ),
    'group empty': ({'groups': {'g': []}}, ['dataset.groups.g', 'no point']),
    'labels unknown': ({'labels': 'dlc'}, ['dataset.labels', "'dlc'"]),
    'labels file missing': ({'labels': 'l.csv'}, ['dataset.labels', "'l.csv'"]),
    'path outside': ({'rows': ['../0.png,1,1,1,1']}, ['row 2', "'../0.png'"]),
    'duplicate': ({'rows': ['0.png,,,,', '0.png,,,,']}, ['row 3', "'0.png'"]),
    'outside unknown': ({'outside': 'x'}, ['dataset.outside', "'x'", 'error']),
    'share too large': ({'test_share': 1}, ['dataset.test_share', ' is 1,']),
    'too few images': (
        {'labels': '', 'exclude': '*'}, ['found 0 images', 'at least 2'],
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', ERRORS)
def test_errors_come_before_anything_is_written(root, case):
  fields, parts = ERRORS[case]
  fields = {'labels': 'labels.csv', 'rows': GOOD_ROWS, 'header': None} | fields
  rows, header = fields.pop('rows'), fields.pop('header')
  table(root, rows, header or 'path,a_x,a_y,b_x,b_y')
  assert_one_line(lambda: build(root, **fields), *parts)
  assert not (root.parent / 'prepared').exists()


@pytest.mark.parametrize(
    'groups',
    ['g', 'g=', '=a', 'g=a+', 'g=a=b', 'g=a,b', 'g=a,g=b', 'g=a\n+', 5,
     ['a', 'b'], {'g': 5}, {'g': [1]}, {1: ['a']}],
)  # fmt: skip
def test_malformed_groups(root, groups):
  table(root, GOOD_ROWS)
  assert_one_line(
      lambda: build(root, labels='labels.csv', groups=groups),
      f'config.dataset.groups is {groups!r}, expected',
  )


def test_errors_of_the_root(tmp_path):
  file = tmp_path / 'x.png'
  picture(file)
  for root, found in (
      ('', 'found nothing'), (None, 'found nothing'), (file, 'x.png is a file')
  ):  # fmt: skip
    assert_one_line(
        lambda root=root: build(root, tmp_path), 'dataset.root', found
    )
  absent = tmp_path / 'absent'
  assert_one_line(lambda: build(absent), f'no folder {absent}')
  (tmp_path / 'empty').mkdir()
  assert_one_line(lambda: build(tmp_path / 'empty'), 'found 0 images')
  assert_one_line(lambda: build(tmp_path), 'found 1 images', 'at least 2')


def test_nothing_stays_behind_after_a_failure(root):
  (root / '5.png').write_bytes((root / '5.png').read_bytes()[:40])
  data_dir = root.parent / 'prepared'
  builder = build(root)
  assert_one_line(builder.download_and_prepare, '5.png', 'does not decode')
  assert os.listdir(data_dir) == []
