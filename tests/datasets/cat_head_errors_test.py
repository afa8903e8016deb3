import shutil

import fixtures
import numpy as np
import pytest
import scipy.io

from eqlandmarks.datasets.cat_head import raw
from eqlandmarks.datasets.cat_head import release

# Of the nine points without 4 and 7, the tips of the ears.
KEPT = (0, 1, 2, 3, 5, 6, 8)

pytestmark = pytest.mark.usefixtures('whole_cat_head')


def build(root, data_dir, **fields):
  fields = dict(image_size=120) | fields
  return fixtures.make('cat_head', root, data_dir, **fields)


def refused(root, *parts, **fields):
  data_dir = root.parent / 'data'
  fixtures.assert_refused(
      lambda: build(root, data_dir, **fields), data_dir, *parts
  )


def test_other_counts_need_partial(heads, monkeypatch):
  monkeypatch.setattr(release, 'EXPECTED', {'train': 7747, 'test': 1257})
  listed = heads / 'data/cat_data/cat_train_images.txt'
  refused(heads, listed, 'found 5', 'expected 7747', 'likely', 'partial=True')
  about = fixtures.description(build(heads, heads.parent, partial=True))
  assert len(about.notes) == 2 and about.partial == '8 images'
  assert all(note.startswith('partial data: ') for note in about.notes)


def test_missing_images_need_partial(heads):
  name = 'output_yixin/CAT_02/train_2.jpg'
  (heads / 'data/cat_images' / name).unlink()
  refused(heads, '1 of the 5 images', name, 'likely', 'partial=True')
  builder = build(heads, heads.parent / 'data', partial=True)
  splits = fixtures.prepared(builder)
  assert len(splits['test']) == 3
  # The others keep their own points.
  assert len(splits['train']) == 4 and name not in splits['train']
  for example in splits['train'].values():
    fixtures.assert_drawn_where_stored(example, KEPT)
  assert fixtures.description(builder).partial == '7 images'


def remove_folder(root):
  shutil.rmtree(root / 'CAT_04')


def remove_photo(root):
  (root / 'CAT_04/00000004_000.jpg').unlink()


def remove_annotations(root):
  (root / 'CAT_04/00000004_000.jpg.cat').unlink()


def exclude_unknown(root):
  (root / 'exclude.txt').write_text('CAT_04/00000004_000.jpg\n1.jpg')


@pytest.mark.parametrize(('damage', 'count', 'parts'), [
    (remove_folder, 18, ['found 6', 'expected 7']),
    (remove_photo, 20, ['00000004_000.jpg.cat', 'no photo']),
    (remove_annotations, 20, ['00000004_000.jpg', 'no annotations']),
    (exclude_unknown, 20, ['exclude.txt', '1 of 2 names', '1.jpg']),
])  # fmt: skip
def test_a_part_of_the_photos_needs_partial(photos, damage, count, parts):
  damage(photos)
  fields = {}
  if damage is exclude_unknown:
    fields['exclude_list'] = str(photos / 'exclude.txt')
  refused(photos, photos, *parts, 'likely', 'partial=True', **fields)
  builder = build(photos, photos.parent / 'data', partial=True, **fields)
  splits = fixtures.prepared(builder)
  assert sum(map(len, splits.values())) == count
  about = fixtures.description(builder)
  assert about.partial == f'{count} images'
  assert about.notes[0].startswith('partial data: ')


GOOD = '175 160 239 162 199 199 149 121 137 78 166 93 281 101 312 96 296 133'
CAT_FILES = {
    'nothing': ('', ['0 numbers']),
    'no count': (GOOD, ['18 numbers']),
    'another count': (f'8 {GOOD}', ['first is 8']),
    'too few': ('9 175 160', ['3 numbers', '19 whole numbers']),
    'too many': (f'9 {GOOD} 5', ['20 numbers']),
    'letters': (f'9 {GOOD}'.replace('93', 'x'), ["'x'"]),
    'parts': (f'9 {GOOD}'.replace('93', '9.5'), ["'9.5'"]),
    'huge': (f'9 {GOOD}'.replace('93', '9' * 7), ['9999999', 'pixels']),
    'endless': (f'9 {GOOD}'.replace('93', '9' * 4000), ['found 9999']),
    'beyond Python': (f'9 {GOOD}'.replace('93', '9' * 5000), []),
    'no text': (b'\xff\xd8\xff\xe0', ['ascii']),
    'far away': (f'9 {GOOD}'.replace('93', '-90000'), []),
    'one place': ('9 ' + '5 5 ' * 9, ['0 x 0', 'expected a part']),
}  # fmt: skip


@pytest.mark.parametrize('case', CAT_FILES)
def test_wrong_annotations(photos, case):
  content, parts = CAT_FILES[case]
  name = 'CAT_01/00000001_012.jpg'
  fixtures.change(photos / f'{name}.cat', content)
  refused(photos, photos / name, *parts, partial=True)


GT, HW = np.full((5, 9, 2), 50.0), np.full((5, 2), 100.0)
POINTS = {
    'too few images': (GT[:4], HW, ["'gt' is 4 x 9 x 2", '5 x 9 x 2']),
    'five points': (GT[:, :5], HW, ["'gt' is 5 x 5 x 2"]),
    'sizes turned': (GT, HW.T, ["'hw' is 2 x 5", '5 x 2']),
    'NaN': (GT * np.nan, HW, ["'gt'", 'entry 1', 'pixels']),
    'huge': (GT * 1e300, HW, ["'gt'", 'entry 1', 'pixels']),
    'infinite size': (GT, HW * np.inf, ["'hw'", 'entry 1']),
    'no size': (GT, HW * 0, ["'hw'", 'entry 1']),
    'text': ('ab', HW, ["'gt'", 'expected numbers']),
    'complex': (GT * 1j, HW, ["'gt'", 'expected numbers']),
}  # fmt: skip


@pytest.mark.parametrize('case', POINTS)
def test_wrong_points_of_heads(heads, case):
  gt, hw, parts = POINTS[case]
  path = heads / 'data/cat_data/cat_train_keypoints.mat'
  path.unlink()
  scipy.io.savemat(path, {'gt': gt, 'hw': hw})
  refused(heads, path, *parts, partial=True)


LINES = {
    'above': ('../x.jpg', ['line 2', "'../x.jpg'"]),
    'absolute': ('/etc/x.jpg', ['line 2', "'/etc/x.jpg'"]),
    'twice': ('output_yixin/CAT_00/train_0.jpg', ['line 2', 'again', 'line 1']),
    'unprintable': ('a\0b.jpg', ['line 2', r'a\x00b']),
    'endless': ('a' * 300 + '/b.jpg', ['1 of the 5']),
}  # fmt: skip


@pytest.mark.parametrize('case', LINES)
def test_wrong_lines_of_a_list(heads, case):
  line, parts = LINES[case]
  path = heads / 'data/cat_data/cat_train_images.txt'
  lines = path.read_text().splitlines()
  fixtures.change(path, '\n'.join([lines[0], line, *lines[2:]]))
  refused(heads, path, *parts)


SMALL = fixtures.lossless(fixtures.picture(99, 100, []))


@pytest.mark.parametrize(('content', 'parts'), [
    (SMALL, ['100 x 99', '100 x 100']),
    (b'', ['does not decode']),
    (b'no image', ['does not decode']),
])  # fmt: skip
def test_wrong_heads(heads, content, parts):
  path = heads / 'data/cat_images/output_yixin/CAT_02/test_2.jpg'
  fixtures.change(path, content)
  refused(heads, path, *parts, partial=True)


@pytest.mark.parametrize(('name', 'text', 'parts'), [
    ('a.json', '{', ['a.json', 'no names']),
    ('a.json', '[]', ['a.json', 'no names']),
    ('a.json', '{"remove": {"CAT_00": []}}', ['a.json', 'no names']),
    ('a.json', '{"remove": {"CAT_00": ["1\\n2"]}}', ['a.json', r'1\n2']),
    ('a.txt', '\n', ['a.txt', 'no names']),
    ('absent.txt', None, ['exclude_list', 'absent.txt', 'no file']),
])  # fmt: skip
def test_wrong_exclude_lists(photos, name, text, parts):
  path = photos.parent / name
  if text is not None:
    path.write_text(text)
  refused(photos, *parts, exclude_list=str(path))


def test_exclude_list_of_the_release(heads):
  path = heads.parent / 'a.txt'
  path.write_text('train_0.jpg')
  refused(heads, 'exclude_list', 'release', exclude_list=str(path))


def test_a_release_without_its_points(heads):
  (heads / 'data/cat_data/cat_test_keypoints.mat').unlink()
  refused(heads, heads, 'points of test images', 'cat_test_keypoints.mat')


def test_a_crop_that_is_none(heads):
  refused(
      heads, 'config.dataset.crop', "'box'", 'head, central, whole', crop='box'
  )


def write_lists(root, train, test):
  for split, names in (('train', train), ('test', test)):
    (root / f'cat_{split}_images.txt').write_text('\n'.join(names))


def test_lists_of_the_photos_that_cannot_be(photos):
  one, two = 'CAT_04/00000004_000.jpg', 'CAT_05/00000005_000.jpg'
  # One photo, under two folders above it.
  write_lists(photos, [f'a/{one}', f'b/{one}'], [two])
  refused(photos, 'cat_train_images.txt', one, 'twice', partial=True)
  write_lists(photos, [one, two], [two])
  refused(photos, 'both train and test', two, partial=True)
  # Nothing of a list is there: the message says what was looked for.
  write_lists(photos, ['CAT_04/x.jpg'], [two])
  refused(photos, 'no image of split train', 'cat_t', partial=True)


def test_lists_may_spell_the_folders_otherwise(photos, tmp_path):
  write_lists(photos, ['cat_04/00000004_000.jpg'], ['Cat_05/00000005_000.jpg'])
  splits = build(photos, tmp_path / 'data', partial=True)._plan().splits
  assert [i.id for i in splits['train']] == ['CAT_04/00000004_000.jpg']
  assert [i.id for i in splits['test']] == ['CAT_05/00000005_000.jpg']


def test_a_release_whose_lists_overlap(heads):
  data = heads / 'data/cat_data'
  for name in ('images.txt', 'keypoints.mat'):
    fixtures.change(
        data / f'cat_test_{name}', (data / f'cat_train_{name}').read_bytes()
    )
  refused(heads, '5 images are in the lists of both', partial=True)


def test_few_photos_are_no_archive(photos, monkeypatch):
  monkeypatch.setattr(raw, 'LEAST_PHOTOS', 9000)
  refused(photos, 'found 21 photos', 'about 10,000', 'unpacked in part')
