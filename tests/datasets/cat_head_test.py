import hashlib
import json

import fixtures
import numpy as np
import pytest

from eqlandmarks.datasets.cat_head import CROPS
from eqlandmarks.datasets.cat_head import release

# Of the nine points without 4 and 7, the tips of the ears.
KEPT = (0, 1, 2, 3, 5, 6, 8)

pytestmark = pytest.mark.usefixtures('whole_cat_head')


def build(root, data_dir, **fields):
  fields = dict(image_size=120) | fields
  return fixtures.make('cat_head', root, data_dir, **fields)


def names(builder):
  plan = builder._plan().splits
  return {split: [item.id for item in items] for split, items in plan.items()}


@pytest.mark.parametrize('crop', CROPS)
def test_every_point_of_a_photo_is_where_it_is_drawn(cat, tmp_path, crop):
  base, _, photos, _ = cat
  splits = fixtures.prepared(build(base / 'raw', tmp_path, crop=crop))
  # Ours, where there are no lists: the last folder is the test.
  test = {name for name in photos if name.startswith('CAT_06/')}
  assert {*splits['test']} == test
  assert {*splits['train']} == photos.keys() - test
  for examples in splits.values():
    for name, example in examples.items():
      missing = [3] if name == 'CAT_02/00000002_012.jpg' else []
      fixtures.assert_drawn_where_stored(example, KEPT, missing)
      content = (base / 'raw' / name).read_bytes()
      assert example['digest'].decode() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize('crop', CROPS)
def test_every_point_of_a_head_is_where_it_is_drawn(cat, tmp_path, crop):
  base, _, _, released = cat
  splits = fixtures.prepared(build(base / 'release', tmp_path, crop=crop))
  assert {s: {*e} for s, e in splits.items()} == {
      split: {*points} for split, points in released.items()
  }
  for examples in splits.values():
    for name, example in examples.items():
      fixtures.assert_drawn_where_stored(example, KEPT)
      shape = np.array([90 if name.endswith('_1.jpg') else 100, 100])
      share = 0.8 if crop == 'central' else 1
      np.testing.assert_allclose(example['original_size'], share * shape)


def test_points_outside_keep_their_coordinates(tmp_path):
  root = tmp_path / 'root'
  _, photos = fixtures.cat_raw(root)
  name = 'CAT_05/00000005_012.jpg'
  # The tip of the left ear, which is above the photo, makes no difference.
  points = [(40, 40), (40, 60), (60, 50), (30, -5), (-37, 40), (20, 45),
            (20, 55), (9, 70), (30, 75)]  # fmt: skip
  photos[name][:] = points
  fixtures.change(root / f'{name}.cat', fixtures.cat_text(photos[name]))
  # Rows 20 to 60, columns -5 to 75, with half a pixel to their centres; the
  # box is twice 80 wide, about (40.5, 35.5): rows -39.5 to 120.5, columns
  # -44.5 to 115.5. At 120 pixels, the scale is 0.75.
  example = fixtures.prepared(build(root, tmp_path))['train'][name]
  np.testing.assert_allclose(example['original_size'], (160, 160))
  np.testing.assert_allclose(
      example['points'][[0, 2, 3]],
      [(60, 63.75), (75, 71.25), (52.5, 30)], rtol=1e-6,
  )  # fmt: skip
  # Without a tenth on every side: from (-23.5, -28.5), 128 wide.
  example = fixtures.prepared(build(root, tmp_path, crop='central'))
  example = example['train'][name]
  np.testing.assert_allclose(example['original_size'], (128, 128))
  np.testing.assert_allclose(
      example['points'][[0, 3]],
      [(60, 64.6875), (50.625, 22.5)], rtol=1e-6,
  )  # fmt: skip
  # The whole photo of 110 x 150.
  example = fixtures.prepared(build(root, tmp_path, crop='whole'))
  np.testing.assert_allclose(
      example['train'][name]['points'][3],
      (30.5 * 120 / 110, -4.5 * 120 / 150), rtol=1e-6,
  )  # fmt: skip


def test_description(cat, tmp_path):
  base = cat[0]
  about = fixtures.description(build(base / 'release', tmp_path))
  assert about.point_names == (
      'left_eye', 'right_eye', 'mouth', 'left_ear_1', 'left_ear_3',
      'right_ear_1', 'right_ear_3',
  )  # fmt: skip
  assert about.eyes == ('left_eye', 'right_eye')
  assert about.groups == {
      'eyes': ['left_eye', 'right_eye'],
      'mouth': ['mouth'],
      'ears': ['left_ear_1', 'left_ear_3', 'right_ear_1', 'right_ear_3'],
  }
  assert (about.stage_split, about.fit_split, about.test_split) == (
      'train', 'train', 'test',
  )  # fmt: skip
  assert about.notes == () and about.partial == about.differs == ''
  assert about.protocol == {
      'crop': 'head, as released', 'split_rule': 'lmdis-rep',
  }  # fmt: skip
  ours = fixtures.description(build(base / 'raw', tmp_path))
  assert ours.partial == ''
  assert ours.differs == 'a split and a crop of our own'
  assert ours.protocol['crop'] == 'head, square by true points'
  assert ours.protocol['split_rule'].startswith('ours')


REPLACED = fixtures.REPLACED


@pytest.mark.parametrize('where', ['root', 'in its place'])
def test_the_replaced_annotations(photos, tmp_path, cat, where):
  if where == 'in its place':
    (photos / '00000003_015.jpg.cat').unlink()
    fixtures.change(photos / f'{REPLACED}.cat', cat[1])
  example = fixtures.prepared(build(photos, tmp_path))['train'][REPLACED]
  fixtures.assert_drawn_where_stored(example, KEPT)


def test_the_wrong_annotations_alone_are_left_out(photos, tmp_path):
  (photos / '00000003_015.jpg.cat').unlink()
  builder = build(photos, tmp_path)
  assert REPLACED not in names(builder)['train']
  assert len(names(builder)['train']) == 17
  note = fixtures.description(builder).notes[0]
  assert REPLACED in note and '00000003_015.jpg.cat, expected' in note
  assert fixtures.description(builder).partial == ''


def test_a_file_of_another_md5_is_no_replacement(photos, tmp_path):
  fixtures.change(photos / '00000003_015.jpg.cat', '9 ' + '1 2 ' * 9)
  assert REPLACED not in names(build(photos, tmp_path))['train']


EXCLUDED = ['CAT_00/00000000_000.jpg', 'CAT_06/00000006_012.jpg']
LISTS = {
    'with folders.txt': '\r\n'.join(EXCLUDED),
    'without.txt': '00000000_000.jpg\n\n00000006_012.jpg\n',
    'other.json': json.dumps({
        'images': [],
        'remove': {
            'CAT_00': ['00000000_000.jpg'], 'CAT_06': ['00000006_012.jpg'],
        },
    }),
}  # fmt: skip


@pytest.mark.parametrize('name', LISTS)
def test_exclude_list(photos, tmp_path, name):
  path = tmp_path / name
  path.write_text(LISTS[name])
  builder = build(photos, tmp_path / 'data', exclude_list=str(path))
  everything = names(build(photos, tmp_path / 'data'))
  assert names(builder) == {
      split: [n for n in listed if n not in EXCLUDED]
      for split, listed in everything.items()
  }
  assert 'exclude_list: 2 photos' in fixtures.description(builder).notes[0]
  assert fixtures.description(builder).partial == ''


@pytest.mark.parametrize('files', [*zip(*release.LISTS.values(), strict=True)])
def test_the_split_of_the_paper(photos, tmp_path, files):
  test = [name for name in fixtures.cat_photos() if name.endswith('_012.jpg')]
  train = ['CAT_06/00000006_020.jpg', 'CAT_00/00000000_000.jpg',
           'CAT_03/00000003_000.jpg', REPLACED,
           'CAT_04/00000004_000.jpg']  # fmt: skip
  lines = {'train': train, 'test': test[:3]}
  for file, listed in zip(files, lines.values(), strict=True):
    text = '\n'.join(f'output_yixin/{name}' for name in listed)
    (photos / file).write_text(text)
  builder = build(photos, tmp_path / 'data')
  assert names(builder) == lines
  assert 'lists' in fixtures.description(builder).protocol['split_rule']
  # Photos that no list names are not used, whatever their folder.
  assert len(fixtures.prepared(builder)['train']) == 5


def test_a_list_of_one_split_is_refused(photos, tmp_path):
  (photos / 'cat_train_images.txt').write_text(REPLACED)
  fixtures.assert_refused(
      lambda: build(photos, tmp_path / 'data'), tmp_path / 'data',
      'cat_train_images.txt', 'one split only', 'cat_test_images.txt',
  )  # fmt: skip
