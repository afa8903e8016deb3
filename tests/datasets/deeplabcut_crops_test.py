"""Videos of DeepLabCut projects that crop them."""

import numpy as np
import pytest
from fixtures import assert_one_line
from fixtures import description
from fixtures import prepared
from PIL import Image

pytest.importorskip('av')

from video_fixtures import CELL
from video_fixtures import COLUMNS
from video_fixtures import SIZE
from video_fixtures import build
from video_fixtures import film
from video_fixtures import picture

# Rows 8 to 40 and columns 8 to 56 of 48 x 64: x1, x2, y1, y2.
CROP, TOP, LEFT, SHAPE = '8, 56, 8, 40', 8, 8, (32, 48)
WHOLE = (48, 64)
# Frames whose cell lies in the crop, over all of the video.
NUMBERS = (9, 11, 13, 17, 20, 25, 27, 29)
HEADER = 'scorer,me,me\nbodyparts,a,a\ncoords,x,y\n'


def labels(root, video='m', corner=(LEFT, TOP), numbers=NUMBERS):
  """Labels in pixels of what begins at a corner (x, y) of the frames."""
  rows = []
  for number in numbers:
    row, column = divmod(number, COLUMNS)
    x, y = (CELL * np.array([column, row]) + CELL / 2 - 0.5 - corner).tolist()
    rows.append(f'labeled-data/{video}/img{number:03d}.png,{x},{y}\n')
  folder = root / 'labeled-data' / video
  folder.mkdir(parents=True)
  (folder / 'CollectedData_me.csv').write_text(HEADER + ''.join(rows))


def pictures(root, top=TOP, left=LEFT, shape=SHAPE, video='m'):
  for number in NUMBERS:
    pixels = picture(number)[top : top + shape[0], left : left + shape[1]]
    path = root / f'labeled-data/{video}/img{number:03d}.png'
    Image.fromarray(pixels).save(path)


def config(root, crops=None, cropping='true'):
  lines = ['Task: t', 'scorer: me', 'bodyparts:', '- a', 'video_sets:']
  for name, crop in (crops or {'/elsewhere/m.mp4': CROP}).items():
    lines += [f'  {name}:', f'    crop: {crop}']
  lines += [f'cropping: {cropping}', 'x1: 0']
  (root / 'config.yaml').write_text('\n'.join(lines) + '\n')


@pytest.fixture
def root(tmp_path):
  film(tmp_path / 'root/videos/m.mp4')
  return tmp_path / 'root'


def make(root, **fields):
  fields = {'labels': 'deeplabcut', 'every': 10, 'test_share': 0} | fields
  return build(root, root.parent / 'prepared', **fields)


def notes(builder):
  return ' | '.join(description(builder).notes)


def stored(builder):
  """All examples by id, whose points have been found on their blobs."""
  found = {}
  for examples in prepared(builder).values():
    found |= examples
  labelled = 0
  for example in found.values():
    if np.isfinite(example['points']).all():
      labelled += 1
      bright = np.argwhere(example['image'][..., 0] > 128) + 0.5
      cell = CELL * SIZE / example['original_size']
      off = np.abs(example['points'][0] - bright.mean(0)) / cell
      assert off.max() < 0.25, example['id']
  assert labelled == len(NUMBERS)
  return found


def shapes(found):
  return {tuple(e['original_size'].tolist()) for e in found.values()}


@pytest.mark.parametrize('key', [
    '/elsewhere/m.mp4', r'C:\Users\me\videos\m.avi', 'm.mp4',
    r'? \\server\a very long path' + r'\on' * 50 + r'\m.avi',
])  # fmt: skip
def test_frames_are_shown_as_the_pictures_are(root, key):
  labels(root)
  pictures(root)
  if key.startswith('?'):  # as YAML writes long keys
    config(root)
    text = (root / 'config.yaml').read_text()
    text = text.replace('/elsewhere/m.mp4:\n ', f'{key}\n  :')
    (root / 'config.yaml').write_text(text)
  else:
    config(root, {key: CROP})
  builder = make(root)
  found = stored(builder)
  assert len(found) == len(NUMBERS) + 3  # frames 0, 10, 20, 30 without 20
  assert shapes(found) == {SHAPE}
  about = description(builder)
  assert about.protocol == {'crop': '8,8,32,48'}
  assert 'videos: 1 of 1 are cropped as ' in notes(builder)


@pytest.mark.parametrize('road', ['deeplabcut', 'file', 'file of the video'])
def test_labels_without_pictures_lie_on_the_blob(root, road):
  labels(root)
  config(root)
  file = str(root / 'labeled-data/m/CollectedData_me.csv')
  place = root / 'videos/m.mp4' if road == 'file of the video' else root
  builder = build(
      place, root.parent / 'prepared', every=10, test_share=0,
      labels=road if road == 'deeplabcut' else file,
  )  # fmt: skip
  assert shapes(stored(builder)) == {SHAPE}


def test_each_video_has_a_crop_of_its_own(root):
  film(root / 'videos/n.mp4')
  film(root / 'videos/o.mp4')
  labels(root, 'm', numbers=NUMBERS[:4])
  labels(root, 'n', corner=(0, 8), numbers=NUMBERS[4:])
  config(root, {'m.mp4': CROP, 'n.mp4': '0, 64, 8, 48'})
  found = stored(make(root, every=20))
  sizes = {id_: tuple(e['original_size'].tolist()) for id_, e in found.items()}
  assert sizes['videos/m.mp4/000000'] == SHAPE
  assert sizes['videos/n.mp4/000000'] == (40, 64)
  assert sizes['videos/o.mp4/000000'] == WHOLE
  assert '2 of 3 are cropped' in notes(make(root, every=20))


@pytest.mark.parametrize(
    ('crop', 'cropping'),
    [('0, 64, 0, 48', 'true'), (CROP, 'false'), ('80, 90, 0, 9', 'false'),
     ('none', 'false')],
)  # fmt: skip
@pytest.mark.parametrize('with_pictures', [False, True])
def test_no_crop_in_force_changes_nothing(root, crop, cropping, with_pictures):
  labels(root, corner=(0, 0))
  if with_pictures:
    pictures(root, 0, 0, WHOLE)
  config(root, {'m.mp4': crop}, cropping)
  builder = make(root)
  assert shapes(stored(builder)) == {WHOLE}
  assert 'cropped' not in notes(builder)


def test_cropped_pictures_of_a_project_without_cropping(root):
  """As DeepLabCut's extract_frames(crop=True) leaves them."""
  labels(root)
  pictures(root)
  config(root, cropping='false')
  assert shapes(stored(make(root))) == {SHAPE}


def test_cropped_pictures_of_no_project_get_a_line(root):
  labels(root)
  pictures(root)
  line = 'labels: 8 of 8 pictures are of another size than their videos'
  assert line in notes(make(root))
  config(root)
  assert line not in notes(make(root))


def test_whole_pictures_of_a_project_with_cropping(root):
  labels(root, corner=(0, 0))
  pictures(root, 0, 0, WHOLE)
  config(root)
  assert shapes(stored(make(root))) == {SHAPE}


@pytest.mark.parametrize('with_pictures', [False, True])
def test_a_crop_box_within_the_crop(root, with_pictures):
  labels(root)
  if with_pictures:
    pictures(root)
  config(root)
  builder = make(root, crop_box='8,8,32,40', outside='missing')
  assert shapes(stored(builder)) == {(32, 40)}
  assert_one_line(
      lambda: make(root, crop_box='0,8,32,40'),
      'config.dataset.crop_box: reaches beyond the crop', CROP,
      root / 'config.yaml',
  )  # fmt: skip


def test_a_picture_of_another_size(root):
  labels(root)
  pictures(root, shape=(20, 20))
  config(root)
  assert_one_line(
      lambda: make(root),
      'is 20 x 20 pixels, expected 48 x 32 as the crop of its',
  )


def test_a_picture_whose_video_is_gone(root):
  labels(root)
  labels(root, 'gone', numbers=())
  pictures(root, video='gone')
  file = root / 'labeled-data/gone/CollectedData_me.csv'
  file.write_text(HEADER + 'labeled-data/gone/img009.png,3.5,3.5\n')
  config(root, {'m.mp4': CROP, 'gone.mp4': CROP})
  splits = prepared(make(root, crop_box='8,8,32,40', outside='missing'))
  for examples in splits.values():
    assert shapes(examples) == {(32, 40)}


def test_a_changed_crop_is_prepared_anew(root):
  labels(root)
  config(root)
  first = make(root).data_dir
  config(root, {'m.mp4': '0, 56, 8, 40'})
  assert make(root, outside='missing').data_dir != first


BAD = {
    'outside': (f'm.mp4: {{crop: "{CROP.replace("56", "70")}"}}',
                'found crop 8, 70, 8, 40 of videos/m.mp4, expected a part of'),
    'turned': ('m.mp4: {crop: "56, 8, 8, 40"}', "crop '56, 8, 8, 40' of m.mp4"),
    'three': ('m.mp4: {crop: "8, 56, 8"}', "crop '8, 56, 8' of m.mp4"),
    'text': ('m.mp4: {crop: wide}', "crop 'wide' of m.mp4"),
    'negative': ('m.mp4: {crop: "-8, 56, 8, 40"}', "crop '-8, 56, 8, 40'"),
    'digits': (f'm.mp4: {{crop: "{"8" * 5000}, 8, 8, 40"}}', "crop '888"),
    'underscore': ('m.mp4: {crop: "8, 5_6, 8, 40"}', "crop '8, 5_6, 8, 40'"),
    'nested': ('m.mp4: {crop: [[8], 56, 8, 40]}', "crop 'list'"),
    'no crop': ('m.mp4: 5', "crop '5' of m.mp4"),
    'twice': (f'm.mp4: {{crop: "{CROP}"}}, b/m.avi: {{crop: "0, 9, 0, 9"}}',
              'expected one crop for all videos of that name'),
}  # fmt: skip


@pytest.mark.parametrize('case', BAD)
def test_crops_that_cannot_be(root, case):
  labels(root)
  sets, expected = BAD[case]
  text = f'video_sets: {{{sets}}}\ncropping: true\n'
  (root / 'config.yaml').write_text(text)
  message = assert_one_line(lambda: make(root), expected)
  assert message.startswith(f'{root / "config.yaml"}: ') and len(message) < 500


@pytest.mark.parametrize(
    'text',
    ['', '- a\n', 'a: [\n', '"C:\\Users\\m.avi": 1\n', 'a: b: c\n', '[' * 9999,
     'cropping: 3\n', 'video_sets: [1]\n', b'\xff\xfe', '\x00',
     'a: !!python/object/apply:os.mkdir [MADE]\n'],
)  # fmt: skip
def test_files_that_are_no_config(root, text):
  labels(root)
  if isinstance(text, str):
    text = text.replace('MADE', str(root / 'made')).encode()
  (root / 'config.yaml').write_bytes(text)
  message = assert_one_line(lambda: make(root))
  assert message.startswith(f'{root / "config.yaml"}: ')
  assert not (root / 'made').exists()


def test_a_config_of_something_else(root):
  labels(root, corner=(0, 0))
  (root / 'config.yaml').write_text('data:\n  image_resize_dims: 256\n')
  assert shapes(stored(make(root))) == {WHOLE}
