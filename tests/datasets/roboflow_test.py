"""Roboflow's COCO export, and label files that lie beside their images."""

import json

import pytest
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import picture
from folder_fixtures import planned
from folder_fixtures import table

from eqlandmarks.errors import UserError

LABELS = '_annotations.coco.json'
CATEGORIES = [
    {'id': 0, 'name': 'mice', 'supercategory': 'none'},
    {'id': 1, 'name': 'mouse', 'supercategory': 'mice', 'keypoints': ['a'],
     'skeleton': []},
]  # fmt: skip


def export(folder, count, categories=CATEGORIES, prefix=''):
  """A split, of images with the same names as those of other splits."""
  for n in range(count):
    picture(folder / f'{n}.jpg')
  data = {
      'images': [
          {'id': n, 'file_name': f'{prefix}{n}.jpg', 'height': 20, 'width': 40}
          for n in range(count)
      ],
      'annotations': [
          {'id': n, 'image_id': n, 'category_id': 1, 'keypoints': [n, 1, 2]}
          for n in range(count)
      ],
      'categories': categories,
  }
  (folder / LABELS).write_text(json.dumps(data))


@pytest.fixture
def root(tmp_path):
  return tmp_path / 'root'


def names(folder, count):
  return [f'{folder}/{n}.jpg' for n in range(count)]


@pytest.mark.parametrize('folder', ['', 'sub/'])
@pytest.mark.parametrize('labels', ['', f'train/{LABELS}', 'test'])
def test_all_splits_are_read(root, folder, labels):
  for split, count in (('train', 4), ('valid', 2), ('test', 3)):
    export(root / folder / split, count)
  builder = build(root, labels=folder + labels or '.')
  assert planned(builder) == {
      'train': names(f'{folder}train', 4), 'test': names(f'{folder}test', 3)
  }
  first = builder._plan().splits['train'][3]
  assert first.points.tolist() == [[1.5, 3.5]]
  notes = description(builder).notes
  assert "train, valid, test of Roboflow's export are read" in notes[0]
  assert 'left out 2 labelled images whose split is neither' in notes[2]


def test_valid_is_the_test_where_there_is_none(root):
  export(root / 'train', 4)
  export(root / 'valid', 2)
  builder = build(root, labels=f'train/{LABELS}')
  assert planned(builder)['test'] == names('valid', 2)
  assert 'valid is the test split' in description(builder).notes[1]


@pytest.mark.parametrize('labels', ['.', LABELS])
def test_one_split_alone(root, labels):
  """As with the folder of a split as the root."""
  for split, count in (('train', 6), ('test', 3)):
    export(root / split, count)
  builder = build(root / 'train', labels=labels)
  assert planned(builder) == {
      'train': [f'{n}.jpg' for n in range(4)], 'test': ['4.jpg', '5.jpg']
  }  # fmt: skip


def test_a_split_that_is_left_out(root):
  for split in ('train', 'valid', 'test'):
    export(root / split, 2)
  builder = build(root, labels='.', exclude='valid/*')
  assert 'train, test of Rob' in description(builder).notes[1]
  (root / 'valid' / LABELS).write_text('no JSON')
  before = builder.data_dir
  with pytest.raises(UserError, match=r'valid/_annotations.* cannot be read'):
    build(root, labels='.', exclude='test/*,train/*')
  assert build(root, labels='.', exclude='valid/*').data_dir == before


def test_splits_with_other_keypoints(root):
  export(root / 'train', 2)
  export(root / 'test', 2, [CATEGORIES[1] | {'keypoints': ['b']}])
  with pytest.raises(UserError, match='found keypoints b, expected a as in'):
    build(root, labels='.')


def test_no_labels_in_the_folder(root):
  picture(root / '0.png')
  with pytest.raises(UserError, match=r"labels='.': found no .pts file"):
    build(root, labels='.')


def test_a_label_file_beside_its_images(root):
  for folder in ('day', 'other'):
    for n in range(3):
      picture(root / folder / f'{n}.png')
  table(root / 'day', [f'{n}.png,1,1,2,2' for n in range(3)])
  builder = build(root, labels='day/labels.csv')
  assert planned(builder)['test'] == ['day/2.png']
  assert description(builder).notes[0] == 'labels: their paths are below day/'


def test_images_in_the_only_folder_that_has_them(root):
  for n in range(3):
    picture(root / 'images' / f'{n}.png')
  picture(root / 'other' / '0.png')
  (root / 'annotations').mkdir()
  table(root / 'annotations', [f'{n}.png,1,1,2,2' for n in range(3)])
  builder = build(root, labels='annotations/labels.csv')
  assert planned(builder)['test'] == ['images/2.png']


def test_paths_that_begin_with_the_root(root):
  for n in range(3):
    picture(root / 'a' / f'{n}.png')
  table(root, [f'root/a/{n}.png,1,1,2,2' for n in range(3)])
  assert planned(build(root, labels='labels.csv'))['test'] == ['a/2.png']


def test_images_that_may_be_in_two_folders(root):
  for folder in ('a', 'b'):
    for n in range(3):
      picture(root / folder / f'{n}.png')
  table(root, [f'{n}.png,1,1,2,2' for n in range(3)])
  with pytest.raises(UserError, match='may be those in a or in b, expected'):
    build(root, labels='labels.csv')


def test_images_of_which_one_is_missing(root):
  for n in range(3):
    picture(root / 'images' / f'{n}.png')
  table(root, [f'{n}.png,1,1,2,2' for n in range(4)])
  with pytest.raises(UserError, match='4 of 4 rows name images that were not'):
    build(root, labels='labels.csv')


def test_a_split_alone_is_split_by_the_share(root):
  export(root / 'valid', 4)
  builder = build(root, labels='.', test_share=0.25)
  assert planned(builder) == {
      'train': names('valid', 3), 'test': ['valid/3.jpg']
  }
  assert not any('valid is the test' in n for n in description(builder).notes)


def test_no_labels_to_fit_on(root):
  for split in ('valid', 'test'):
    export(root / split, 2)
  with pytest.raises(UserError, match=r'folders valid, test, expected train'):
    build(root, labels='.')


def test_points_files_are_asked_for_by_name(root):
  export(root / 'train', 2)
  (root / 'train/0.pts').write_text('version: 1\nn_points: 1\n{\n7 8\n}\n')
  builder = build(root, labels='pts', test_share=0)
  assert planned(builder)['train'] == ['train/0.jpg']
