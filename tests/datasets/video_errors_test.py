import os

import pytest
from fixtures import assert_one_line
from video_fixtures import FRAMES
from video_fixtures import HEADER
from video_fixtures import HEIGHT
from video_fixtures import WIDTH
from video_fixtures import build
from video_fixtures import film
from video_fixtures import picture
from video_fixtures import table

av = pytest.importorskip('av')

LABELLED = {'labels': 'labels.csv'}
ERRORS = {
    'not there': ({'root': 'no.mp4'}, ['dataset.root', 'there is no']),
    'no root': ({'root': ''}, ['dataset.root', 'found nothing']),
    'no video': ({'root': 'none'}, ['found no video below', '.mp4']),
    'all excluded': ({'exclude': '*'}, ['found 0 videos', 'exclude']),
    'unreadable': ({'root': 'text.mp4'}, ['text.mp4: does not open']),
    'empty': ({'root': 'empty.mp4'}, ['empty.mp4: does not open']),
    'one frame': ({'root': 'one.mp4'}, ['one.mp4: has one frame only']),
    'size changes': (
        {'root': 'vary.ts'}, ['vary.ts: frame 3', '64 x 32', '64 x 48'],
    ),
    'every': ({'every': 0}, ['dataset.every', ' is 0,']),
    'crop text': ({'crop_box': '1,2,x,4'}, ['crop_box', "'1,2,x,4'"]),
    'crop count': ({'crop_box': '1,2,3'}, ['crop_box', "'1,2,3'"]),
    'crop empty': ({'crop_box': (0, 0, 0, 5)}, ['crop_box', 'height']),
    'crop too low': (
        {'crop_box': '40,0,9,64'}, ['row 49', '64 x 48', 'v.mp4'],
    ),
    'crop too wide': ({'crop_box': '0,1,48,64'}, ['column 65', '64 x 48']),
    'beyond the end': (
        LABELLED | {'rows': ['v/39,1,1', 'v/40,1,1', 'v/99,1,1']},
        ['2 of 3 rows', 'frame 40', 'labels.csv row 3', '0 to 39'],
    ),
    'another video': (
        LABELLED | {'rows': ['v/1,1,1', 'w/1,1,1', 'x.png,1,1']},
        ['2 of 3 rows', "'w/1' (", 'row 3', 'VIDEO/NUMBER'],
    ),
    'no number': (LABELLED | {'rows': ['v/first,1,1']}, ["'v/first'"]),
    'one frame twice': (
        LABELLED | {'rows': ['v/1,1,1', 'v.mp4/001,1,1']},
        ["'v.mp4/000001' again", 'row 3', 'row 2'],
    ),
    'two videos of a name': (
        LABELLED | {'root': 'twins', 'rows': ['v/1,1,1']},
        ["'v/1'", 'a/v.mp4 or b/v.mp4', 'exclude'],
    ),
    'outside': (
        LABELLED | {'rows': ['v/1,64,5']}, ["'a'", 'x=64', 'v.mp4/000001'],
    ),
    'outside the crop': (
        LABELLED | {'rows': ['v/1,9,9'], 'crop_box': '10,0,20,20'},
        ["'a'", 'y=9', '9.5 <= y <= 29.5'],
    ),
    'shuffled split': (
        LABELLED | {
            'header': 'path,split,a_x,a_y',
            'rows': [f'v/{n},{"test" if n % 3 else "train"},1,1'
                     for n in range(0, FRAMES, 4)],
        },
        ['4 labelled frames of split train', '0.4 s', 'frame 0', 'row 2',
         'near copies'],
    ),
    'shuffled patterns': (
        LABELLED | {'test': '*[02468]',
                    'rows': [f'v/{n},1,1' for n in range(FRAMES)]},
        ['20 labelled frames left to train on', 'blocks of time'],
    ),
    'an eye without train labels': (
        LABELLED | {'header': 'path,a_x,a_y,b_x,b_y', 'eyes': 'a,b',
                    'rows': [f'v/{n},1,1,{"1,1" if n > 30 else ","}'
                             for n in (1, 9, 39)]},
        ["dataset.eyes: point 'b'", 'none of the 2 images of split train'],
    ),
    'a single label': (
        LABELLED | {'rows': ['v/1,1,1']}, ['found 1 labelled', 'least two'],
    ),
}  # fmt: skip


@pytest.fixture
def data_dir(tmp_path):
  return tmp_path / 'prepared'


@pytest.fixture
def root(tmp_path):
  """A folder with one video."""
  film(tmp_path / 'root' / 'v.mp4')
  return tmp_path / 'root'


@pytest.fixture(scope='module')
def broken(tmp_path_factory):
  """Videos in all states."""
  root = tmp_path_factory.mktemp('broken')
  film(root / 'v.mp4')
  (root / 'none').mkdir()
  film(root / 'single' / 'one.mp4', count=1).rename(root / 'one.mp4')
  (root / 'text.mp4').write_bytes(b'no video' * 99)
  (root / 'empty.mp4').touch()
  parts = [as_stream(root / 'part.ts', (rows, WIDTH)) for rows in (HEIGHT, 32)]
  (root / 'vary.ts').write_bytes(b''.join(parts))
  for name in 'ab':
    film(root / 'twins' / name / 'v.mp4', count=3)
  return root


def as_stream(path, size):
  """Three frames as MPEG-TS, of which two in a row are one video."""
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('mpeg4', rate=10)
    (stream.height, stream.width), stream.pix_fmt = size, 'yuv420p'
    for number in range(3):
      frame = av.VideoFrame.from_ndarray(picture(number, *size), format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return path.read_bytes()


@pytest.mark.parametrize('case', ERRORS)
def test_errors_come_before_anything_is_written(broken, data_dir, case):
  fields, parts = ERRORS[case]
  fields = {'root': 'v.mp4', 'rows': [], 'header': HEADER} | fields
  name, rows, header = (fields.pop(key) for key in ('root', 'rows', 'header'))
  root = broken / name if name else ''
  table(root if name == 'twins' else broken, rows, header)
  assert_one_line(lambda: build(root, data_dir, **fields), *parts)
  assert not data_dir.exists()


def test_nothing_stays_behind_after_a_failure(root, data_dir):
  content = bytearray((root / 'v.mp4').read_bytes())
  start = content.index(b'mdat') + 4
  middle = (start + len(content)) // 2
  content[middle : middle + 200] = b'\xff' * 200
  (root / 'v.mp4').write_bytes(content)
  builder = build(root, data_dir)  # it opens, and its header is whole
  assert_one_line(
      builder.download_and_prepare, 'v.mp4: frame', 'does not decode'
  )
  assert os.listdir(data_dir) == []


@pytest.mark.parametrize('number', ['9' * 5000, '\uff13', '3\u0663'])
def test_numbers_that_no_frame_has(root, data_dir, number):
  table(root, [f'v/{number},1,1'])
  message = assert_one_line(
      lambda: build(root, data_dir, labels='labels.csv'),
      '1 of 1 rows name neither a frame nor an image',
  )
  assert len(message) < 600
