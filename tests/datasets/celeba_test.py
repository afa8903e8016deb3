import hashlib
import pathlib
import re
import subprocess
import sys

import celeba_fixtures as made
import fixtures
import numpy as np
import pytest
import tensorflow_datasets as tfds

from eqlandmarks.datasets.celeba import CROPS
from eqlandmarks.datasets.celeba import rules

ROOT = pathlib.Path(__file__).parents[2]
# By hand from the lists in `celeba_fixtures`.
TRAIN = {*range(1, 13)} - {4}
STAGES = {
    'lmdis': TRAIN,
    # The last tenth of MAFL's training images is 21.
    'imm': TRAIN,
    'dve': {1, 6, 8, 10, 11, 12},
    'saic': {*range(1, 22)} - {4, 15, 19},
    'mafl': {2, 3, 5, 7, 9, 13, 14, 18, 20, 21},
    'all': {*range(1, 22)},
}
FITS = {
    'mafl': STAGES['mafl'],
    'imm': STAGES['mafl'] - {21},
    'saic': STAGES['mafl'],
}


@pytest.fixture(autouse=True)
def whole(monkeypatch):
  made.whole(monkeypatch)


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
  """Both forms of the data: the official files, and tfds's own dataset."""
  base = tmp_path_factory.mktemp('celeba')
  made.celeba(base / 'files')
  made.celeb_a(base / 'tfds')
  return base


def build(root, data_dir, **fields):
  fields = dict(image_size=192) | fields
  return fixtures.make('celeba', root=root, data_dir=data_dir, **fields)


def names(numbers):
  return {*made.names(numbers, '')}


def planned(builder):
  plan = builder._plan().splits
  found = {s: [item.id for item in items] for s, items in plan.items()}
  for listed in found.values():
    assert listed == sorted({*listed})
  return {split: {*listed} for split, listed in found.items()}


def assert_all_is_right(splits, whole=True):
  """Every image and point is the one of its name."""
  contents, points = made.images()
  for examples in splits.values():
    for name, example in examples.items():
      digest = hashlib.sha256(contents[name]).hexdigest()
      assert example['digest'].decode() == digest
      fixtures.assert_drawn_where_stored(example, range(5))
      if whole:  # scaled by 192 / 218 and 192 / 178; pixels' centres at half
        by_hand = (points[name] + 0.5) * (192 / 218, 192 / 178)
        np.testing.assert_allclose(example['points'], by_hand, rtol=1e-5)


@pytest.mark.parametrize('source', ['files', 'tfds'])
@pytest.mark.parametrize('crop', CROPS)
def test_every_point_is_where_it_is_drawn(sources, tmp_path, source, crop):
  builder = build(sources / source, tmp_path, crop=crop)
  splits = fixtures.prepared(builder)
  assert {split: {*examples} for split, examples in splits.items()} == {
      'train': names(TRAIN),
      'mafl_train': names(made.MAFL_TRAIN),
      'mafl_test': names(made.MAFL_TEST),
  }
  assert_all_is_right(splits, whole=crop == 'whole')
  sizes = {
      'imm': (0.8 * 218, 0.8 * 178),
      'dve': (178 * 96 / 136, 178 * 96 / 136),
      'whole': (218, 178),
  }
  example = splits['mafl_test']['000004']
  np.testing.assert_allclose(example['original_size'], sizes[crop], rtol=1e-6)


def test_crops_by_hand(sources, tmp_path):
  # In the file, the nose of 000001 is at row `y` and column `x`.
  y, x = made.faces()['000001'][2]
  for crop, size, expected in (
      # 160 x 160 and 16 pixels off; 136 x 136 from row 30 on, and 20 off.
      ('imm', 128, ((y + 0.5) * 160 / 218 - 16, (x + 0.5) * 160 / 178 - 16)),
      ('dve', 96, ((y - 29.5) * 136 / 178 - 20, (x + 0.5) * 136 / 178 - 20)),
      ('whole', 100, ((y + 0.5) * 100 / 218, (x + 0.5) * 100 / 178)),
  ):
    builder = build(sources / 'files', tmp_path, crop=crop, image_size=size)
    example = fixtures.prepared(builder)['train']['000001']
    np.testing.assert_allclose(example['points'][2], expected, rtol=1e-5)


@pytest.mark.parametrize('rule', rules.STAGE_RULES)
def test_stage_rules(sources, tmp_path, rule):
  for source in ('files', 'tfds'):
    builder = build(sources / source, tmp_path, stage_rule=rule)
    about = fixtures.description(builder)
    assert planned(builder)['train'] == names(STAGES[rule])
    assert about.protocol['stage_rule'] == f'{rule}, {len(STAGES[rule])} images'
    assert about.partial == ''
    warned = [note for note in about.notes if "MAFL's test images" in note]
    assert len(warned) == (rule == 'all')


@pytest.mark.parametrize('rule', rules.FIT_RULES)
def test_fit_rules(sources, tmp_path, rule):
  for source in ('files', 'tfds'):
    builder = build(sources / source, tmp_path, fit_rule=rule)
    assert planned(builder)['mafl_train'] == names(FITS[rule])
    assert planned(builder)['mafl_test'] == names(made.MAFL_TEST)
    assert fixtures.description(builder).protocol['fit_rule'] == rule


def test_rules_where_the_last_tenth_is_in_partition_0():
  # Twenty of MAFL's training images, all of partition 0, in no order.
  train = tuple(f'{n:06d}' for n in (31524, 200000, 7, 139803, 179577, *range(
      100, 115)))  # fmt: skip
  partition = dict.fromkeys(train, 0) | {'000001': 0, '000002': 0, '000003': 1}
  lists = rules.Lists(partition, train, ('000002', '000003'))
  # The last two, in the order of names.
  last = {'179577', '200000'}
  stage = {rule: {*rules.stage_images(rule, lists)} for rule in STAGES}
  assert stage == {
      'lmdis': {*train, '000001'},
      'imm': {*train, '000001'} - last,
      'dve': {'000001'},
      'saic': {*train, '000001'},
      'mafl': {*train},
      'all': {*train, '000001', '000002', '000003'},
  }
  fit = {rule: {*rules.fit_images(rule, lists)} for rule in FITS}
  assert fit == {
      'mafl': {*train},
      'imm': {*train} - last,
      'saic': {*train} - {'031524', '139803', '179577'},
  }


def test_the_published_counts(monkeypatch):
  monkeypatch.undo()
  # CelebA has 202599 images, 162770 of them in partition 0; MAFL's 19000 and
  # 1000 have 15461 and 808 there. A tenth is 1900.
  assert rules.STAGE_RULES == {
      'lmdis': 162_770 - 808, 'imm': 162_770 - 808,
      'dve': 162_770 - 15_461 - 808, 'saic': 202_599 - 1_000, 'mafl': 19_000,
      'all': 202_599,
  }  # fmt: skip
  assert rules.FIT_RULES == {'mafl': 19_000, 'imm': 17_100, 'saic': 18_997}


def test_description(sources, tmp_path):
  about = fixtures.description(build(sources / 'files', tmp_path))
  points = ('left_eye', 'right_eye', 'nose', 'left_mouth', 'right_mouth')
  assert about.point_names == points and about.eyes == points[:2]
  assert about.groups == {
      'eyes': ['left_eye', 'right_eye'], 'nose': ['nose'],
      'mouth': ['left_mouth', 'right_mouth'],
  }  # fmt: skip
  assert (about.stage_split, about.fit_split, about.test_split) == (
      'train', 'mafl_train', 'mafl_test',
  )  # fmt: skip
  assert about.notes == () and about.partial == ''
  assert about.protocol['crop'] == 'imm'


@pytest.mark.parametrize(('folder', 'below'), [
    ('Img/img_align_celeba_hq', ('Anno/', 'Eval/')),
    ('Img/img_align_celeba_png', ('Anno/', 'Eval/')),
    ('img_align_celeba/img_align_celeba', ('', '')),
    ('img_align_celeba', ('', '')),
])  # fmt: skip
def test_other_layouts(tmp_path, folder, below):
  made.celeba(tmp_path / 'root', folder, below)
  splits = fixtures.prepared(
      build(tmp_path / 'root', tmp_path / 'data', crop='whole')
  )
  assert {*splits['train']} == names(TRAIN)
  assert_all_is_right(splits)


def test_shards_of_tfds(tmp_path):
  made.celeb_a(tmp_path / 'root', num_shards=3)
  found = [path.name for path in tmp_path.rglob('*.array_record*')]
  assert len(found) == 9  # three of each split
  builder = build(tmp_path / 'root', tmp_path / 'data', crop='whole',
                  stage_rule='all')  # fmt: skip
  splits = fixtures.prepared(builder)
  assert {*splits['train']} == names(STAGES['all'])
  assert_all_is_right(splits)


def test_the_first_images_of_tfds_need_partial(tmp_path):
  root, data_dir = tmp_path / 'root', tmp_path / 'data'
  # The first four of each partition.
  made.celeb_a(root, max_examples_per_split=4)
  fixtures.assert_refused(
      lambda: build(root, data_dir), data_dir, root / 'celeb_a',
      'split train', 'found 4', 'expected 12', 'likely', 'partial=True',
  )  # fmt: skip
  builder = build(root, data_dir, partial=True, crop='whole')
  splits = fixtures.prepared(builder)
  assert {split: {*examples} for split, examples in splits.items()} == {
      'train': names({1, 2, 3}),
      'mafl_train': names({2, 3, 13, 14, 18, 20, 21}),
      'mafl_test': names({4, 15, 19}),
  }
  assert_all_is_right(splits)
  assert fixtures.description(builder).partial == '11 images'


def test_tfds_of_another_format(tmp_path):
  made.celeb_a(tmp_path)
  (info,) = tmp_path.glob('celeb_a/*/dataset_info.json')
  text = info.read_text()
  info.write_text(re.sub('"array_record"', '"tfrecord"', text))
  fixtures.assert_one_line(
      lambda: build(tmp_path, tmp_path / 'data'), info.parent, 'tfrecord',
      '--file_format=array_record',
  )  # fmt: skip


@pytest.mark.parametrize(
    'damage', ['info', 'split', 'records', 'half the records', 'features']
)
def test_tfds_damaged(tmp_path, damage):
  made.celeb_a(tmp_path / 'root')
  (info,) = tmp_path.glob('root/celeb_a/*/dataset_info.json')
  if damage == 'info':
    info.write_text(info.read_text()[:-30])
  elif damage == 'split':
    info.write_text(info.read_text().replace('"validation"', '"other"'))
  elif damage == 'features':
    (info.parent / 'features.json').unlink()
  else:
    for path in info.parent.glob('*train.array_record*'):
      content = path.read_bytes()
      length = 50_000 if damage == 'records' else len(content) // 2
      path.write_bytes(content[:length])
  fixtures.assert_refused(
      lambda: build(tmp_path / 'root', tmp_path / 'data', partial=True),
      tmp_path / 'data', info.parent,
  )  # fmt: skip


def test_the_order_of_tfds_is_by_a_hash(sources):
  # Else the tests above would not tell a matching by names from one by rows.
  (folder,) = sources.glob('tfds/celeb_a/*')
  source = tfds.builder_from_directory(folder).as_data_source('train')
  eyes = [example['landmarks']['lefteye_y'] for example in source]
  in_order = [made.faces()[name][0, 0] for name in made.names(range(1, 13), '')]
  assert sorted(eyes) == sorted(in_order) and eyes != in_order


def test_the_names_of_tfds_need_no_other_import():
  code = (
      'from eqlandmarks.datasets.celeba import sources\n'
      "assert len({*sources._hashed_order('train', 1, 9)}) == 9"
  )
  subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT)
