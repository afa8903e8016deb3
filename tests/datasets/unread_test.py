"""Images of formats that are not read, and of endings that are less common."""

import pytest
from fixtures import assert_one_line
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import picture
from folder_fixtures import planned
from folder_fixtures import table
from PIL import Image

from eqlandmarks.formats import paths
from eqlandmarks.media import finding
from eqlandmarks.media import images
from eqlandmarks.predictor import inputs

KINDS = {
    'JPEG': ('.jfif', '.jpe', '.pjpeg', '.pjp', '.JFIF'), 'PNG': ('.apng',),
    'BMP': ('.dib',), 'PPM': ('.pnm', '.pbm'),
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
  for n in range(4):
    picture(tmp_path / 'root' / f'{n}.png')
  return tmp_path / 'root'


def add(root, *names):
  for name in names:
    (root / name).write_bytes(b'no matter')


def test_less_common_endings(tmp_path):
  names = set()
  for form, endings in KINDS.items():
    for ending in endings:
      names.add('a' + ending)
      Image.new('L', (40, 20)).save(tmp_path / f'a{ending}', format=form)
  assert set(finding.find_images(tmp_path)) == names
  for name in names:
    assert images.decode(tmp_path / name).size == (40, 20)


def test_no_ending_is_of_both_kinds():
  assert not {*paths.EXTENSIONS} & {*paths.UNREAD}


def test_files_that_are_left_out_are_counted(root):
  add(root, '7.HEIC', '8.heic', 'x.psd', 'out.heic', 'notes.txt')
  table(root, [f'{n}.png,1,1,2,2' for n in range(4)])
  builder = build(root, labels='labels.csv', exclude='out*')
  notes = description(builder).notes
  assert notes[1] == (
      'images: 2 files .heic, 1 files .psd are left out, the first is 7.HEIC: '
      'such files are not read; save them as .png or .jpg'
  )
  assert len(planned(builder)['train']) == 3


def test_nothing_is_said_of_none(root):
  add(root, 'notes.txt')
  assert description(build(root)).notes == ()


def test_no_image_is_left(tmp_path):
  add(tmp_path, '1.heic', '2.heic')
  assert_one_line(
      lambda: build(tmp_path), 'found 0 images', '2 files .heic are left out'
  )
  assert_one_line(
      lambda: inputs.open_source(tmp_path), 'holds no image', '2 files .heic'
  )


def test_labels_of_such_a_file(root):
  add(root, '7.HEIC')
  table(root, ['0.png,1,1,2,2', '7.HEIC,1,1,2,2'])
  assert_one_line(
      lambda: build(root, labels='labels.csv'),
      '1 of 2 rows', "'7.HEIC'", 'are not read: save them as .png',
  )  # fmt: skip


def test_points_files_of_such_a_file(root):
  add(root, '7.HEIC', '0.heic')
  for name in ('0', '7'):
    (root / f'{name}.pts').write_text('version: 1\nn_points: 1\n{\n1 1\n}\n')
  assert_one_line(lambda: build(root, labels='pts'), '1 of 2 rows', "'7.HEIC'")
