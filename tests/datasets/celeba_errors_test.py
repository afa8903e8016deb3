import os
import shutil

import celeba_fixtures as made
import fixtures
import pytest

from eqlandmarks.datasets.celeba import builder as module
from eqlandmarks.datasets.celeba import lists
from eqlandmarks.datasets.celeba import rules


@pytest.fixture(autouse=True)
def whole(monkeypatch):
  made.whole(monkeypatch)


@pytest.fixture(scope='module')
def intact(tmp_path_factory):
  root = tmp_path_factory.mktemp('celeba') / 'root'
  made.celeba(root)
  return root


@pytest.fixture
def root(intact, tmp_path):
  # Linked, so whoever changes a file removes it first.
  return shutil.copytree(intact, tmp_path / 'root', copy_function=os.link)


LANDMARKS = 'Anno/list_landmarks_align_celeba.txt'
PARTITION = 'Eval/list_eval_partition.txt'
IMAGES = 'Img/img_align_celeba'


def build(root, **fields):
  fields = dict(image_size=16) | fields
  return fixtures.make('celeba', root, root.parent / 'data', **fields)


def refused(root, *parts, **fields):
  fixtures.assert_refused(
      lambda: build(root, **fields), root.parent / 'data', *parts
  )


def edit(path, number, line):
  """Replaces a line, counted from 1, or removes it."""
  lines = path.read_text().splitlines()
  lines[number - 1 : number] = [] if line is None else [line]
  fixtures.change(path, '\n'.join(lines) + '\n')


ROW = '000001.jpg  69 109 106 113 77 142 73 152 108 154'
ROWS = {
    'no count': (1, None, ['begins with', 'number of images in line 1']),
    'no header': (2, None, ['begins with', 'in line 2 lefteye_x lefteye_y']),
    'header turned': (
        2, made.HEADER.replace('lefteye_x lefteye_y', 'lefteye_y lefteye_x'),
        ['begins with', 'in line 2 lefteye_x lefteye_y'],
    ),
    'another count': (1, '22', ['found 21 rows', 'expected 22']),
    'count in words': (1, 'many', ["'many "]),
    'row removed': (7, None, ['found 20 rows', 'expected 21']),
    'short row': (3, ROW[:-4], ['line 3', '10 whole numbers', '108']),
    'long row': (3, ROW + ' 5', ['line 3', '10 whole numbers']),
    'letters': (3, ROW.replace('77', 'x'), ['line 3', '10 whole numbers']),
    'parts': (3, ROW.replace('77', '7.5'), ['line 3', '10 whole numbers']),
    'huge': (3, ROW.replace('77', '9' * 30), ['line 3', 'in pixels']),
    'endless': (3, ROW.replace('77', '9' * 5000), ['line 3', 'in pixels']),
    'row twice': (4, ROW, ['line 4', "'000001.jpg' again"]),
    'another name': (3, 'x' + ROW, ['no row for 000001.jpg']),
}  # fmt: skip


@pytest.mark.parametrize('case', ROWS)
def test_wrong_landmarks(root, case):
  number, line, parts = ROWS[case]
  edit(root / LANDMARKS, number, line)
  refused(root, root / LANDMARKS, *parts, partial=True)


@pytest.mark.parametrize(('content', 'parts'), [
    ('', ['begins with']),
    ('\n\n\n', ['begins with']),
    (b'\xff\xfe1\x00', ['cannot be read', 'UTF-8']),
])  # fmt: skip
def test_no_landmarks(root, content, parts):
  fixtures.change(root / LANDMARKS, content)
  refused(root, root / LANDMARKS, *parts, partial=True)


LINES = {
    'another part': ('000002.jpg 3', ['line 2', "'000002.jpg 3'", '0, 1 or 2']),
    'no part': ('000002.jpg', ['line 2', '0, 1 or 2']),
    'more': ('000002.jpg 0 0', ['line 2', '0, 1 or 2']),
    'twice': ('000001.jpg 0', ['line 2', "'000001.jpg' again"]),
}


@pytest.mark.parametrize('case', LINES)
def test_wrong_partition(root, case):
  line, parts = LINES[case]
  edit(root / PARTITION, 2, line)
  refused(root, root / PARTITION, *parts, partial=True)


def test_no_partition(root):
  fixtures.change(root / PARTITION, '\r\n')
  refused(root, root / PARTITION, 'no names', partial=True)


def test_a_partition_with_other_numbers(root):
  edit(root / PARTITION, 1, '000001.jpg 1')
  refused(root, root / PARTITION, 'partition 0', 'found 11', 'expected 12',
          'likely', 'partial=True')  # fmt: skip
  about = fixtures.description(build(root, partial=True))
  # One is missing in partition 0, one too many in partition 1; and by the rule.
  assert len(about.notes) == 3
  assert all(note.startswith('partial data: ') for note in about.notes)
  # 2 to 12; and 13 to 15 and 18 to 21, which are MAFL's.
  assert about.partial == '18 images'


@pytest.mark.parametrize(('target', 'name', 'parts'), [
    (lists, 'NUM_IMAGES', [LANDMARKS, 'found 21', 'expected 202599']),
    (module, '_MAFL', ['MAFL/training.txt', 'found 10', 'expected 19000']),
    (rules, 'STAGE_RULES', ["stage_rule 'lmdis'", 'found 11', '161962']),
    (rules, 'FIT_RULES', ["fit_rule 'mafl'", 'found 10', 'expected 19000']),
])  # fmt: skip
def test_other_counts_need_partial(root, monkeypatch, target, name, parts):
  published = {
      'NUM_IMAGES': 202_599,
      '_MAFL': {'training': 19_000, 'testing': 3},
      'STAGE_RULES': {'lmdis': 161_962},
      'FIT_RULES': {'mafl': 19_000},
  }
  monkeypatch.setattr(target, name, published[name])
  refused(root, *parts, 'likely', 'partial=True')
  builder = build(root, partial=True)
  assert len(fixtures.prepared(builder)['train']) == 11
  about = fixtures.description(builder)
  assert len(about.notes) == 1 and about.partial == '19 images'


def test_missing_images_need_partial(root):
  for number in (1, 4):
    (root / IMAGES / f'00000{number}.jpg').unlink()
  refused(root, '1 of the 11 images', root / IMAGES / '000001.jpg', 'likely')
  builder = build(root, partial=True)
  splits = fixtures.prepared(builder)
  assert {*splits['mafl_test']} == {'000015', '000019'}
  assert len(splits['train']) == 10 and '000001' not in splits['train']
  assert fixtures.description(builder).partial == '17 images'


def test_no_image_of_a_split(root):
  shutil.rmtree(root / IMAGES)
  (root / IMAGES).mkdir()
  refused(root, root, 'no image of split', partial=True)


@pytest.mark.parametrize(('name', 'text', 'parts'), [
    ('testing', '000015.jpg\n000004.jpg\n000002.jpg',
     ['testing.txt', '000002.jpg', 'training.txt']),
    ('training', '\n'.join(made.names((*made.MAFL_TRAIN, 2))),
     ['training.txt, line 11', "'000002.jpg' again"]),
    ('training', '000002.jpg\na/000002.jpg', ['training.txt', 'twice']),
    ('training', '000002.jpg\n000099.jpg', ['no row for 000099.jpg']),
    ('testing', '', ['testing.txt', 'no names']),
])  # fmt: skip
def test_wrong_mafl_lists(root, name, text, parts):
  fixtures.change(root / f'MAFL/{name}.txt', text)
  refused(root, *parts, partial=True, stage_rule='mafl')


@pytest.mark.parametrize(('content', 'parts'), [
    (fixtures.jpeg(fixtures.picture(178, 218, [])), ['218 x 178', '178 x 218']),
    (fixtures.jpeg(fixtures.picture(218, 178, []))[:400], ['does not decode']),
    (b'', ['does not decode']),
])  # fmt: skip
def test_wrong_images(root, content, parts):
  path = root / IMAGES / '000015.jpg'
  fixtures.change(path, content)
  refused(root, path, *parts, partial=True)


@pytest.mark.parametrize('name', [
    LANDMARKS, PARTITION, IMAGES, 'MAFL/training.txt', 'MAFL/testing.txt',
])  # fmt: skip
def test_absent_and_of_another_kind(root, name):
  path = root / name
  path.rename(root.parent / 'aside')
  refused(root, 'config.dataset.root', root, name, 'expected', partial=True)
  if path.suffix:
    path.mkdir()
  else:
    path.write_text('')
  refused(root, path, 'expected', partial=True)


@pytest.mark.parametrize('field', ['crop', 'stage_rule', 'fit_rule'])
def test_fields(root, field):
  refused(root, f'config.dataset.{field}', "'x'", **{field: 'x'})
