"""Videos as a dataset."""

import os

import jax
import numpy as np
import pytest
from fixtures import assert_one_line
from fixtures import description
from fixtures import prepared
from PIL import Image
from video_fixtures import CELL
from video_fixtures import COLUMNS
from video_fixtures import FRAMES
from video_fixtures import HEIGHT
from video_fixtures import WIDTH
from video_fixtures import build
from video_fixtures import film
from video_fixtures import picture
from video_fixtures import table

from configs import signer
from configs import video as video_config
from eqlandmarks.datasets.base.examples import Description
from eqlandmarks.media import videos
from eqlandmarks.program import modes

av = pytest.importorskip('av')

# A tenth of a video of 40 frames is shorter than a second of ten frames.
GAP = 4


def blob(number):
  """'x,y' of the blob's centre as labels have it: a pixel's centre is at 0."""
  row, column = divmod(number, COLUMNS)
  return f'{column * CELL + 3.5},{row * CELL + 3.5}'


def labelled(numbers, video='v'):
  return [f'{video}/{number:04d},{blob(number)}' for number in numbers]


def planned(builder):
  """Split -> video -> numbers of the frames."""
  found = {}
  for split, items in builder._plan().splits.items():
    found[split] = {}
    for item in items:
      name, _, last = item.id.rpartition('/')
      number = int(last) if last.isdecimal() else last
      found[split].setdefault(name, []).append(number)
  return found


def shown(image, rows=HEIGHT // CELL, columns=COLUMNS):
  """The number of the brightest cell of a stored image."""
  cells = np.add.reduceat(image[..., 0].astype(float),
                          np.arange(rows) * len(image) // rows, 0)
  cells = np.add.reduceat(cells, np.arange(columns) * len(image) // columns, 1)
  return int(cells.argmax())


@pytest.fixture
def data_dir(tmp_path):
  return tmp_path / 'prepared'


@pytest.fixture
def root(tmp_path):
  """A folder with one video."""
  film(tmp_path / 'root' / 'v.mp4')
  return tmp_path / 'root'


def test_every_frame_is_the_one_it_says(root, data_dir):
  builder = build(root / 'v.mp4', data_dir)
  splits = prepared(builder)
  assert list(splits) == ['unlabelled']
  assert {id: shown(e['image']) for id, e in splits['unlabelled'].items()} == {
      f'v.mp4/{n:06d}': n for n in range(FRAMES)
  }
  example = splits['unlabelled']['v.mp4/000003']
  assert example['original_size'].tolist() == [HEIGHT, WIDTH]
  assert len({e['digest'] for e in splits['unlabelled'].values()}) == FRAMES
  assert description(builder) == Description(
      (), {}, (), 'unlabelled', '', '',
      ('videos: 1 with 40 frames, of which 40 are read (every=1)',),
  )  # fmt: skip


def test_every_third_frame_of_several_videos(root, data_dir):
  film(root / 'sub' / 'w.mov', count=7)
  (root / 'notes.txt').write_text('no video')
  splits = prepared(build(root, data_dir, every=3))
  expected = {f'v.mp4/{n:06d}': n for n in range(0, FRAMES, 3)}
  expected |= {f'sub/w.mov/{n:06d}': n for n in (0, 3, 6)}
  found = {id: shown(e['image']) for id, e in splits['unlabelled'].items()}
  assert found == expected


def test_crop(root, data_dir):
  table(root, labelled([9, 10, 18]))
  builder = build(root, data_dir, crop_box='8, 16,24,32', labels='labels.csv',
                  outside='missing', test_share=0)  # fmt: skip
  splits = prepared(builder)
  examples = {id: e for part in splits.values() for id, e in part.items()}
  # Rows 1 to 3 and columns 2 to 5 of the cells.
  for number in (10, 13, 18, 21):
    example = examples[f'v.mp4/{number:06d}']
    row, column = divmod(number, COLUMNS)
    assert shown(example['image'], 3, 4) == 4 * (row - 1) + column - 2
    assert example['original_size'].tolist() == [24, 32]
  # 15 lies right of the crop, as 9 does left of it.
  assert examples['v.mp4/000015']['image'].max() < 20
  # 96 / 24 = 4 pixels for one row, 96 / 32 = 3 for a column.
  points = examples['v.mp4/000010']['points']
  np.testing.assert_allclose(points, [[16, 12]], rtol=1e-6)
  assert np.isnan(examples['v.mp4/000009']['points']).all()
  assert description(builder).protocol == {'crop': '8,16,24,32'}
  assert description(builder).notes[0].startswith('outside: 1 points')


@pytest.mark.parametrize(
    'form',
    ['v/{}', 'v.mp4/{:06d}', 'sub/v/{:03d}', 'v/img{:08d}.png',
     'labeled-data/v/img{:04d}.png'],
)  # fmt: skip
def test_labels_land_on_the_blob(tmp_path, data_dir, form):
  root = tmp_path / 'root'
  film(root / 'sub' / 'v.mp4')
  numbers = [1, 7, 12, 33]
  table(root, [f'{form.format(n)},{blob(n)}' for n in numbers])
  builder = build(root, data_dir, labels='labels.csv', every=10, test_share=0)
  splits = prepared(builder)
  assert sorted(splits['train']) == [f'sub/v.mp4/{n:06d}' for n in numbers]
  assert sorted(splits['unlabelled']) == [
      f'sub/v.mp4/{n:06d}' for n in (0, 10, 20, 30)
  ]
  for number, example in zip(numbers, splits['train'].values(), strict=True):
    number = int(example['id'].decode()[-6:])
    row, column = divmod(number, COLUMNS)
    expected = [[(row * CELL + 4) * 2, (column * CELL + 4) * 1.5]]
    np.testing.assert_allclose(example['points'], expected, rtol=1e-6)
    top, left = example['points'][0].astype(int)
    assert example['image'][top, left].min() > 200


def test_labels_refer_to_the_displayed_frame(tmp_path, data_dir):
  root = tmp_path / 'root'
  root.mkdir()
  with av.open(str(root / 'phone.mp4'), 'w') as container:
    stream = container.add_stream('mpeg4', rate=10)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
    stream.set_display_rotation(90)
    for number in range(3):
      frame = av.VideoFrame.from_ndarray(picture(number), format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  # Counter-clockwise: the left column is below, and the first row on the left.
  table(root, [f'phone/{n},3.5,{WIDTH - 8 * n - 4.5}' for n in range(3)])
  splits = prepared(build(root, data_dir, labels='labels.csv', test_share=0))
  assert len(splits['train']) == 3
  for example in splits['train'].values():
    assert example['original_size'].tolist() == [WIDTH, HEIGHT]
    top, left = example['points'][0].astype(int)
    assert example['image'][top, left].min() > 200


def test_the_last_block_of_time_is_test(root, data_dir):
  table(root, labelled(range(0, FRAMES, 2)))
  builder = build(root, data_dir, labels='labels.csv')
  splits = planned(builder)
  # 7 of 20 labels are a third; frames from 26 - 4 on do not train.
  assert splits == {
      'train': {'v.mp4': list(range(0, 26 - GAP, 2))},
      'unlabelled': {'v.mp4': list(range(1, 26 - GAP, 2))},
      'test': {'v.mp4': list(range(26, FRAMES, 2))},
  }
  assert description(builder).notes[1:] == (
      'test: 7 of 20 labelled images, the last in natural order',
      'test: 2 labelled and 9 other frames in its blocks of time, or within 1 '
      's (a tenth of a short video), are left out',
  )


def test_whole_videos_are_test(tmp_path, data_dir):
  root = tmp_path / 'root'
  for name in ('v2', 'v10', 'v9'):
    film(root / f'{name}.mp4', count=20)
  rows = [row for name in ('v2', 'v9', 'v10')
          for row in labelled([3, 4, 11], name)]  # fmt: skip
  table(root, rows)
  builder = build(root, data_dir, labels='labels.csv')
  splits = planned(builder)
  # Nothing of v10 trains, not even its frames without labels.
  assert splits['test'] == {'v10.mp4': [3, 4, 11]}
  assert splits['train'] == {'v2.mp4': [3, 4, 11], 'v9.mp4': [3, 4, 11]}
  assert list(splits['unlabelled']) == ['v2.mp4', 'v9.mp4']
  assert 'the last 1 of 3 videos and folders' in description(builder).notes[1]


def test_two_videos_are_cut_in_the_last(tmp_path, data_dir):
  root = tmp_path / 'root'
  for name in 'ab':
    film(root / f'{name}.mp4')
  table(root, labelled([5, 35], 'a') + labelled([2, 20, 30], 'b'))
  splits = planned(build(root, data_dir, labels='labels.csv'))
  assert splits['test'] == {'b.mp4': [20, 30]}
  assert splits['train'] == {'a.mp4': [5, 35], 'b.mp4': [2]}
  assert len(splits['unlabelled']['a.mp4']) == FRAMES - 2
  assert splits['unlabelled']['b.mp4'][-1] == 20 - GAP - 1


def test_patterns_choose_a_block(root, data_dir):
  table(root, labelled(range(0, FRAMES, 2)))
  builder = build(root, data_dir, labels='labels.csv', test='v.mp4/00001*')
  splits = planned(builder)
  assert splits['test'] == {'v.mp4': [10, 12, 14, 16, 18]}
  assert splits['train'] == {'v.mp4': [0, 2, 4, *range(24, FRAMES, 2)]}
  assert splits['unlabelled'] == {'v.mp4': [1, 3, 5, *range(23, FRAMES, 2)]}


def test_the_split_column_may_name_blocks(root, data_dir):
  split = lambda n: 'train' if n < 10 else 'test' if n > 20 else 'border'
  rows = [f'v/{n},{split(n)},{blob(n)}' for n in range(0, FRAMES, 3)]
  table(root, rows, 'path,split,a_x,a_y')
  splits = planned(build(root, data_dir, labels='labels.csv'))
  assert splits['train'] == {'v.mp4': [0, 3, 6, 9]}
  assert splits['test'] == {'v.mp4': list(range(21, FRAMES, 3))}
  free = [n for n in range(21 - GAP) if n % 3]
  assert splits['unlabelled'] == {'v.mp4': free}


def test_image_files_with_labels_join(tmp_path, data_dir):
  """A project: images of another video, and copies of this one's frames."""
  root = tmp_path / 'root'
  film(root / 'videos' / 'v.mp4')
  film(root / 'videos' / 'vDLC_resnet50_labeled.mp4')
  for video, numbers in {'v': [2, 30], 'gone': [1, 2, 3, 4]}.items():
    folder = root / 'labeled-data' / video
    folder.mkdir(parents=True)
    header = ['scorer,me,me', 'bodyparts,nose,nose', 'coords,x,y']
    rows = []
    for number in numbers:
      Image.fromarray(picture(number)).save(folder / f'img{number:03d}.png')
      rows.append(f'labeled-data\\{video}\\img{number:03d}.png,{blob(number)}')
    (folder / 'CollectedData_me.csv').write_text('\n'.join(header + rows))
  Image.fromarray(picture(7)).save(root / 'labeled-data' / 'v' / 'img007.png')
  builder = build(
      root, data_dir, labels='deeplabcut',
      test='*gone/img00[34]*, */v/img030.png',
  )  # fmt: skip
  gone, copies, video = 'labeled-data/gone', 'labeled-data/v', 'videos/v.mp4'
  assert planned(builder) == {
      'train': {gone: ['img001.png', 'img002.png'], copies: ['img002.png']},
      # Neither frame 2, which is in train already, nor what is near frame 30.
      'unlabelled': {video: [n for n in range(30 - GAP) if n != 2]},
      'test': {gone: ['img003.png', 'img004.png'], copies: ['img030.png']},
  }
  assert '1 videos with predictions' in description(builder).notes[0]
  example = prepared(builder)['test']['labeled-data/v/img030.png']
  assert shown(example['image']) == 30


def test_points_that_are_nowhere_in_the_crop_are_left_out(root, data_dir):
  rows = [f'{row},{60 + n},3' for n, row in enumerate(labelled([10, 12, 20]))]
  table(root, rows, 'path,a_x,a_y,b_x,b_y')
  builder = build(root, data_dir, labels='labels.csv', outside='missing',
                  crop_box='0,0,48,60', test_share=0)  # fmt: skip
  assert description(builder).point_names == ('a',)
  assert "point 'b' is left out and not scored" in ' '.join(
      description(builder).notes
  )
  assert prepared(builder)['train']['v.mp4/000010']['points'].shape == (1, 2)


def test_exclude(root, data_dir):
  film(root / 'sub' / 'w.mp4')
  (root / 'bad.mp4').write_bytes(b'')
  table(root, [*labelled([1, 9, 20]), *labelled([2], 'w'), 'bad/1,0,0'])
  builder = build(root, data_dir, labels='labels.csv', test_share=0,
                  exclude='sub/*,bad.mp4, v.mp4/00000*')  # fmt: skip
  assert planned(builder) == {
      'train': {'v.mp4': [20]},
      'unlabelled': {'v.mp4': [n for n in range(10, FRAMES) if n != 20]},
  }


def test_skip_bad(root, data_dir):
  film(root / 'one.mp4', count=1)
  (root / 'bad.mp4').write_bytes(b'no video')
  (root / 'x.png').write_bytes(b'no image')
  table(root, [*labelled([1, 9]), 'bad/1,0,0', 'one/0,0,0', 'x.png,0,0'])
  fields = {'labels': 'labels.csv', 'test_share': 0}
  builder = build(root, data_dir, skip_bad=True, **fields)
  assert planned(builder)['train'] == {'v.mp4': [1, 9]}
  notes = description(builder).notes
  assert 'skip_bad: 2 videos' in notes[0] and 'bad.mp4' in notes[0]
  assert 'skip_bad: 1 images' in notes[1]
  assert_one_line(
      lambda: build(root, data_dir, **fields), 'bad.mp4: does not open'
  )


def test_only_the_prepared_copy_stays(root, data_dir, capfd):
  build(root, data_dir).download_and_prepare()
  assert os.listdir(data_dir) == ['video']
  names = {path.name for path in data_dir.rglob('*') if path.is_file()}
  assert {name.partition('.')[0] for name in names} == {
      'dataset_info', 'features', 'metadata', 'video-unlabelled',
      'unlabelled',
  }  # fmt: skip
  assert 'decode v.mp4: 100%' in capfd.readouterr().err


def test_a_prepared_copy_is_found_again(root, data_dir, monkeypatch):
  table(root, labelled([1, 9, 30]))
  first = build(root, data_dir, labels='labels.csv')
  before = prepared(first)
  with monkeypatch.context() as patch:
    patch.setattr(videos, 'count', None)  # any decoding would fail
    patch.setattr(videos, 'pick', None)
    again = build(root, data_dir, labels='labels.csv')
    assert description(again) == description(first)
    assert {s: list(e) for s, e in prepared(again).items()} == {
        s: list(e) for s, e in before.items()
    }
  places = {str(first.data_dir)}
  for more in ({'every': 2}, {'crop_box': '0,0,48,60'}, {'test_share': 0.1}):
    places.add(
        str(build(root, data_dir, labels='labels.csv', **more).data_dir)
    )
  table(root, labelled([1, 9, 31]))
  places.add(str(build(root, data_dir, labels='labels.csv').data_dir))
  film(root / 'v.mp4', count=FRAMES - 1)
  places.add(str(build(root, data_dir, labels='labels.csv').data_dir))
  assert len(places) == 6


@pytest.mark.slow
def test_a_whole_run(root, tmp_path, monkeypatch):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
  table(root, labelled(range(0, FRAMES, 2)))
  config, tiny = video_config.get_config(), signer.get_config('tiny')
  for name in ('image_size', 'num_landmarks', 'model', 'pretrain', 'discover'):
    config[name] = tiny[name]
  config.pretrain.num_epochs = config.discover.num_epochs = 1
  config.dataset.root, config.dataset.every = str(root / 'v.mp4'), 3
  config.dataset.labels = 'labels.csv'
  modes.run(config, str(tmp_path / 'w'), 'train')
  for name in ('report.html', 'results.json'):
    assert (tmp_path / 'w' / name).stat().st_size > 0
  figures = tmp_path / 'w' / 'figures' / 'two_stage'
  assert (figures / 'predictions.png').exists()
