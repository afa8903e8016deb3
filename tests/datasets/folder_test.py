import os

import numpy as np
import pytest
from folder_fixtures import GOOD_ROWS
from folder_fixtures import SIZE
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import images
from folder_fixtures import picture
from folder_fixtures import planned
from folder_fixtures import prepared
from folder_fixtures import table
from ml_collections import ConfigDict
from PIL import Image

from eqlandmarks.datasets.base.examples import Description


@pytest.fixture
def root(tmp_path):
  return images(tmp_path / 'root')


def test_without_labels(root):
  builder = build(root)
  splits = prepared(builder)
  assert list(splits) == ['unlabelled'] and len(splits['unlabelled']) == 12
  assert description(builder) == Description(
      (), {}, (), 'unlabelled', '', '', ()
  )
  example = splits['unlabelled']['7.png']
  assert example['image'].shape == (SIZE, SIZE, 3)
  assert (example['image'] == 7).all()
  assert example['original_size'].tolist() == [20, 40]
  assert example['points'].shape == (1, 2) and np.isnan(example['points']).all()


def test_split_column(root):
  table(
      root,
      [
          '0.png,train,1,2,,',
          '1.png,TEST ,0,0,39,19',
          '2.png,test,,,,',
          '3.png,val,1,2,3,4',
          '4.png,train,,,,',
          '5.png,,,,,',
          '6.png,train,5,5,5,5',
      ],
      'path,split,a_x,a_y,b_x,b_y',
  )
  builder = build(root, labels='labels.csv', eyes='a, b', groups={'g': ['a']})
  splits = prepared(builder)
  assert {split: sorted(ids) for split, ids in splits.items()} == {
      'train': ['0.png', '6.png'],
      'unlabelled': sorted(f'{i}.png' for i in (4, 5, 7, 8, 9, 10, 11)),
      'test': ['1.png'],
  }
  about = description(builder)
  assert about.point_names == about.eyes == ('a', 'b')
  assert about.groups == {'g': ['a']}
  assert (about.stage_split, about.fit_split, about.test_split) == (
      'train+unlabelled', 'train', 'test',
  )  # fmt: skip
  assert [note.split(', the first')[0] for note in about.notes] == [
      'test: 1 of 4 labelled images, by the split column',
      'labels: left out 1 images of split test without coordinates',
      'labels: left out 1 labelled images whose split is neither train nor '
      'test',
  ]
  np.testing.assert_allclose(
      splits['test']['1.png']['points'], [[0.8, 0.4], [31.2, 31.6]], rtol=1e-6
  )
  np.testing.assert_allclose(
      splits['train']['0.png']['points'], [[4, 1.2], [np.nan] * 2], rtol=1e-6
  )
  # The source reads the stage split's expression as it stands.
  assert len(builder.as_data_source(about.stage_split)) == 9


def test_patterns_among_the_test_rows(root):
  rows = [f'{i}.png,{"test" if i < 4 else "train"},1,1' for i in range(12)]
  table(root, rows, 'path,split,a_x,a_y')
  builder = build(root, labels='labels.csv', test='0*, [13].png,9.png')
  assert planned(builder)['test'] == ['0.png', '1.png', '3.png']
  assert len(planned(builder)['train']) == 8
  assert 'left out 1 images of split test that' in description(builder).notes[1]


def test_patterns_without_split_column(root):
  table(root, [f'{i}.png,1,1,2,2' for i in range(10)])
  builder = build(root, labels='labels.csv', test='[89].png,11.png')
  assert planned(builder) == {
      'train': [f'{i}.png' for i in range(8)],
      'unlabelled': ['10.png'],
      'test': ['8.png', '9.png'],
  }
  assert description(builder).notes == (
      'test: 2 of 10 labelled images, by dataset.test',
      'labels: left out 1 images without labels in dataset.test, the first is '
      '11.png',
  )


def test_holds_out_the_last_images(root):
  table(root, [f'{i}.png,1,1,2,2' for i in range(11, 2, -1)])
  builder = build(root, labels='labels.csv')
  assert planned(builder) == {
      'train': [f'{i}.png' for i in range(3, 9)],
      'unlabelled': ['0.png', '1.png', '2.png'],
      'test': ['9.png', '10.png', '11.png'],
  }
  note = 'test: 3 of 9 labelled images, the last in natural order'
  assert description(builder).notes == (note,)


@pytest.mark.parametrize(
    ('share', 'test'),
    [(0.1, ['v10/']), (0.34, ['v10/']), (0.5, ['v9/', 'v10/']),
     (0.9, ['v9/', 'v10/'])],
)  # fmt: skip
def test_holds_out_whole_folders(tmp_path, share, test):
  names = [f'v{v}/{i}.png' for v in (2, 9, 10) for i in range(2)]
  for name in names:
    picture(tmp_path / 'root' / name)
  table(tmp_path / 'root', [f'{name},1,1,2,2' for name in names])
  builder = build(tmp_path / 'root', labels='labels.csv', test_share=share)
  expected = [name for name in names if name.startswith(tuple(test))]
  assert planned(builder)['test'] == expected
  assert description(builder).notes == (
      f'test: {len(expected)} of 6 labelled images, the last {len(test)} of 3 '
      'folders',
  )


def test_no_test_split(root):
  table(root, [f'{i}.png,1,1,2,2' for i in range(12)])
  builder = build(root, labels='labels.csv', test_share=0)
  assert list(planned(builder)) == ['train']
  assert description(builder).stage_split == 'train'
  assert description(builder).test_split == ''


def test_deeplabcut_leaves_out_its_check_pictures(tmp_path):
  data = tmp_path / 'root' / 'labeled-data'
  for video in ('v', 'v_labeled', 'gone_labeled', 'w_labeled'):
    for index in range(4):
      picture(data / video / f'{index}.png')
  picture(tmp_path / 'root' / 'frames' / 'x.png')
  for video in ('v', 'w_labeled'):
    rows = [f'labeled-data\\{video}\\{index}.png,1,2' for index in range(2)]
    header = ['scorer,me,me', 'bodyparts,nose,nose', 'coords,x,y']
    (data / video / 'CollectedData_me.csv').write_text('\n'.join(header + rows))
  builder = build(tmp_path / 'root', labels='deeplabcut', test_share=0.5)
  below = 'labeled-data'
  assert planned(builder) == {
      'train': [f'{below}/v/0.png', f'{below}/v/1.png'],
      'unlabelled': ['frames/x.png', f'{below}/v/2.png', f'{below}/v/3.png',
                     f'{below}/w_labeled/2.png', f'{below}/w_labeled/3.png'],
      'test': [f'{below}/w_labeled/0.png', f'{below}/w_labeled/1.png'],
  }  # fmt: skip
  assert description(builder).notes[0] == (
      'images: 8 pictures that DeepLabCut has drawn are left out, the first in '
      'labeled-data/gone_labeled'
  )


def test_exclude_also_drops_rows(root):
  table(root, [f'{i}.png,1,1,2,2' for i in range(9)] + ['gone/1.png,1,1,2,2'])
  builder = build(root, labels='labels.csv', exclude='gone/*, [0-4].png')
  assert planned(builder)['train'] == ['5.png', '6.png', '7.png']
  assert 'exclude: 5 images are left out' in description(builder).notes


def test_decomposed_letters_match(tmp_path):
  picture(tmp_path / 'root' / 'e\u0301.png')
  picture(tmp_path / 'root' / 'f.png')
  table(tmp_path / 'root', ['\u00e9.png,1,1,1,1', 'f.png,1,1,1,1'])
  builder = build(tmp_path / 'root', labels='labels.csv')
  assert planned(builder)['train'] == ['e\u0301.png']
  assert 'e\u0301.png' in prepared(builder)['train']


def test_points_outside_count_as_missing(root):
  rows = ['0.png,-0.5,19.5,39.6,0', '1.png,1,1,1,1', '2.png,,,0,-1']
  table(root, [*rows, '3.png,1,1,1,1'])
  builder = build(root, labels='labels.csv', outside='missing')
  assert planned(builder)['train'] == ['0.png', '1.png']
  assert '2.png' in planned(builder)['unlabelled']
  item, _ = builder._plan().splits['train']
  # x = -0.5, y = 19.5 is the left edge, and the lower one of 20 rows.
  np.testing.assert_array_equal(item.points, [[20, 0], [np.nan] * 2])
  assert description(builder).notes[0].startswith('outside: 2 points')


def test_labels_refer_to_the_displayed_image(root):
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.new('L', (40, 20)).save(root / '0.png', exif=exif)
  table(root, ['0.png,19,39,0,0', '1.png,1,1,1,1'])
  example = prepared(build(root, labels='labels.csv'))['train']['0.png']
  assert example['original_size'].tolist() == [40, 20]
  np.testing.assert_allclose(
      example['points'], [[31.6, 31.2], [0.4, 0.8]], rtol=1e-6
  )


@pytest.mark.parametrize(
    ('text', 'groups'),
    [
        ('', {}),
        (None, {}),
        ('g=a', {'g': ['a']}),
        (' g = a + b , h=b,', {'g': ['a', 'b'], 'h': ['b']}),
    ],
)
def test_groups_in_a_string(root, text, groups):
  table(root, GOOD_ROWS)
  builder = build(root, labels='labels.csv', groups=text)
  same = build(root, labels='labels.csv', groups=groups)
  assert description(builder).groups == groups
  assert builder.data_dir == same.data_dir
  locked = ConfigDict({name: tuple(points) for name, points in groups.items()})
  again = build(root, labels='labels.csv', groups=locked)
  assert description(again).groups == groups


def test_skip_bad(root):
  table(root, GOOD_ROWS)
  (root / '3.png').write_bytes(b'')
  (root / '11.png').write_bytes(b'no image')
  builder = build(root, labels='labels.csv', skip_bad=True)
  splits = prepared(builder)
  assert {split: len(ids) for split, ids in splits.items()} == {
      'train': 5, 'unlabelled': 2, 'test': 3,
  }  # fmt: skip
  note = 'skip_bad: 2 images that do not decode are left out, the first is '
  assert description(builder).notes[0] == note + '3.png'
  again = build(root, labels='labels.csv', skip_bad=True)
  assert description(again) == description(builder)


def touch(root):
  stat = (root / '1.png').stat()
  os.utime(root / '1.png', ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))


CHANGES = {
    'image': lambda root: picture(root / '1.png', 30, 30),
    'time of an image': touch,
    'new image': lambda root: picture(root / 'new.png'),
    'image removed': lambda root: (root / '11.png').unlink(),
    'labels': lambda root: table(root, GOOD_ROWS[1:]),
}


@pytest.mark.parametrize('change', CHANGES)
def test_changed_data_are_another_copy(root, change):
  table(root, GOOD_ROWS)
  before = build(root, labels='labels.csv').data_dir
  CHANGES[change](root)
  assert build(root, labels='labels.csv').data_dir != before


def test_changed_fields_are_another_copy(root):
  table(root, GOOD_ROWS)
  fields = [{}, {'labels': 'labels.csv'}]
  fields += [
      {'labels': 'labels.csv'} | more
      for more in (
          {'eyes': 'a,b'}, {'groups': {'g': ['a']}}, {'test': '1*'},
          {'test_share': 0.2}, {'exclude': '1*'}, {'skip_bad': True},
          {'outside': 'missing'},
      )
  ]  # fmt: skip
  places = {str(build(root, **more).data_dir) for more in fields}
  assert len(places) == len(fields)


def test_unchanged_data_are_reused(root, monkeypatch):
  table(root, GOOD_ROWS)
  first = build(root, labels='labels.csv')
  before = prepared(first)

  def fail(*_):
    raise AssertionError('decoded again')

  monkeypatch.setattr('eqlandmarks.media.images.decode', fail)
  monkeypatch.setattr('eqlandmarks.datasets.annotations.splits.plan', fail)
  again = build(root, labels='labels.csv')
  assert description(again) == description(first)
  after = prepared(again)
  for split, examples in before.items():
    assert list(examples) == list(after[split])


def test_one_bar_for_each_split(root, capfd):
  table(root, GOOD_ROWS)
  build(root, labels='labels.csv').download_and_prepare()
  out, err = capfd.readouterr()
  for split, count in (('train', 6), ('unlabelled', 3), ('test', 3)):
    assert f'prepare {split}: 100%' in err
    assert f'{count}/{count}' in err
  assert 'prepare train' not in out
