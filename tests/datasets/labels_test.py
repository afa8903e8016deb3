import numpy as np
import pytest
from fixtures import assert_one_line
from PIL import Image

from eqlandmarks.datasets.annotations import labels
from eqlandmarks.datasets.base import crops
from eqlandmarks.formats import conventions

HEADER = 'path,nose_x,nose_y,tail_x,tail_y'
DLC_HEADER = 'scorer{0},A,A,A,A\nbodyparts{0},nose,nose,tail,tail\n'
DLC_HEADER += 'coords{0},x,y,x,y\n'


def read(root, value='labels.csv', exclude=()):
  files = labels.label_files(value, root, exclude)
  return labels.read_labels(value, root, files).poses


def in_file(poses):
  """Points as a table has them: (x, y), the top-left pixel's centre at 0."""
  return conventions.to_file(poses.points, conventions.CENTRE['table'])


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(text.encode())
  return path


def stored_points(points, shape, size):
  box = crops.Box(0, 0, *shape)
  return box.to_stored(
      conventions.from_file(points, conventions.CENTRE['table']), size
  )


def test_convention_of_pixel_centres(tmp_path):
  points = np.array([[0, 0], [9, 19], [-0.5, 19.5], [np.nan, np.nan]])
  stored = stored_points(points, (20, 10), 40)
  expected = [[1, 2], [39, 38], [40, 0], [np.nan, np.nan]]
  np.testing.assert_allclose(stored, expected)
  assert stored.dtype == np.float32


@pytest.mark.parametrize('size', [16, 64, 128])
def test_a_bright_pixel_lands_at_its_point(size):
  height, width = 48, 80
  image = np.zeros((height, width), np.float32)
  image[10, 60] = 1
  small = np.asarray(Image.fromarray(image).resize((size, size), 2))
  rows, cols = np.indices(small.shape) + 0.5
  seen = [(rows * small).sum(), (cols * small).sum()] / small.sum()
  point = stored_points(np.array([[60, 10]]), (height, width), size)[0]
  np.testing.assert_allclose(seen, point, atol=0.11)


def test_table(tmp_path):
  write(
      tmp_path / 'labels.csv',
      'Path,tail_x,tail_y,SPLIT,nose_y,nose_x\n'
      'a/1.png,1.5,2,Train,4,3\n'
      '\n'
      'a\\2.png, , , test ,nan,NaN\n'
      './a//é 3.png,1,2,val,,\n'
      f'{tmp_path}/b/4.png,0,0,,1e1,-0.5\n',
  )
  marks = read(tmp_path)
  assert marks.names == ('tail', 'nose')
  assert marks.images == ('a/1.png', 'a/2.png', 'a/é 3.png', 'b/4.png')
  assert marks.splits == ('train', 'test', 'val', '')
  assert marks.labelled.tolist() == [True, False, True, True]
  points = in_file(marks)
  np.testing.assert_array_equal(points[0], [[1.5, 2], [3, 4]])
  np.testing.assert_array_equal(points[2], [[1, 2], [np.nan] * 2])
  np.testing.assert_array_equal(points[3], [[0, 0], [-0.5, 10]])
  assert marks.where[1] == f'{tmp_path}/labels.csv row 4'


def test_table_of_excel(tmp_path):
  text = f'{HEADER},,\na.png,1,2,3,4,,\n,,,,,,\n'
  write(tmp_path / 'labels.csv', '\ufeff' + text.replace('\n', '\r\n'))
  marks = read(tmp_path)
  assert marks.names == ('nose', 'tail') and marks.splits is None
  np.testing.assert_array_equal(in_file(marks), [[[1, 2], [3, 4]]])


def test_where_the_table_lies(tmp_path, monkeypatch):
  root, here = tmp_path / 'root', tmp_path / 'here'
  in_root = write(root / 'labels.csv', HEADER)
  assert labels.label_files('labels.csv', root, ()) == [in_root]
  assert labels.label_files(str(in_root), root, ()) == [in_root]
  write(here / 'labels.csv', HEADER)
  monkeypatch.chdir(here)
  assert not labels.label_files('labels.csv', root, ())[0].is_absolute()
  assert labels.label_files('', root, ()) == []


def test_deeplabcut(tmp_path):
  data = tmp_path / 'labeled-data'
  write(
      data / 'v1' / 'CollectedData_A.csv',
      DLC_HEADER.format('') + 'labeled-data\\v1\\1.png,1,2,,\n',
  )
  other = DLC_HEADER.replace('nose', 'NOSE').replace('tail', 'nose')
  write(
      data / 'v2' / 'CollectedData_A.csv',
      '\ufeff' + other.replace('NOSE', 'tail').format(',,')
      + 'labeled-data,v2,2.png,5,6,7,8\n',
  )
  marks = read(tmp_path, 'deeplabcut')
  assert marks.names == ('nose', 'tail') and marks.splits is None
  first, second = in_file(marks)
  assert marks.images == ('labeled-data/v1/1.png', 'labeled-data/v2/2.png')
  np.testing.assert_array_equal(first, [[1, 2], [np.nan] * 2])
  np.testing.assert_array_equal(second, [[7, 8], [5, 6]])
  left = read(tmp_path, 'deeplabcut', exclude=('*/v1/*',))
  assert left.names == ('tail', 'nose') and len(left.images) == 1


@pytest.mark.parametrize('folder', ['', 'labeled-data/'])
def test_layout_of_lightning_pose(tmp_path, folder):
  write(
      tmp_path / f'{folder}CollectedData.csv',
      DLC_HEADER.format('').replace('\n', '\r\n')
      + 'labeled-data/1.png,1,2,3,4\r\n',
  )
  assert read(tmp_path, 'deeplabcut').images == ('labeled-data/1.png',)


TABLE_ERRORS = [
    ('', ['labels.csv', '(none)', 'expected path']),
    ('path\na.png\n', ['labels.csv', 'found columns path', '<name>_x']),
    ('file,a_x,a_y\n', ["column 'file'", 'expected only path, split']),
    ('path,a_x,a_y,PATH\n', ["column 'PATH' for what another"]),
    ('path;a_x;a_y\n', ['columns path;a_x;a_y', 'parted by commas']),
    ('path,a_x,a_y,age\n', ["column 'age'", 'expected only path']),
    ('path,split\na.png,train\n', ['columns path, split', 'at least one']),
    ('path,_x,_y\n', ["column '_x'"]),
    ('a_x,a_y\n', ['found columns a_x, a_y', 'expected path']),
    ('path,a_x\n', ["point 'a'", "'a_x' and 'a_y'"]),
    ('path,a_x,a_y,a_x\n', ["column 'a_x' for what another"]),
    (f'{HEADER}\n,1,2,3,4\n', ["row 2: found path ''", 'inside']),
    (f'{HEADER}\n../x.png,1,2,3,4\n', ["'../x.png'", 'stays inside']),
    (f'{HEADER}\na\\..\\..\\x.png,,,,\n', ['row 2', 'stays inside']),
    (f'{HEADER}\n/etc/x.png,1,2,3,4\n', ["'/etc/x.png'", 'stays inside']),
    (f'{HEADER}\nC:\\x.png,1,2,3,4\n', ["'C:\\x.png'", 'stays inside']),
    (f'{HEADER}\na.png,1,2,3,4\na.png,,,,\n', ['row 3', 'again', 'row 2']),
    (f'{HEADER}\na.png,1,2,3,4\nb/../a.png,,,,\n', ['row 3', 'again']),
    (f'{HEADER}\na.png,1,,3,4\n', ['row 2', "'nose'", 'only one of x and y']),
    (f'{HEADER}\na.png,1,zwei,3,4\n', ['row 2', "'nose_y'", "'zwei'"]),
    (f'{HEADER}\na.png,1,2,3,inf\n', ['row 2', "'tail_y'", "'inf'"]),
    (f'{HEADER}\na.png,1,2\n', ['row 2', 'found 3 cells, expected 5']),
    (f'{HEADER}\na.png,1,2,3,4,5\n', ['row 2', 'found 6 cells, expected 5']),
]


@pytest.mark.parametrize(('text', 'parts'), TABLE_ERRORS)
def test_errors_of_tables(tmp_path, text, parts):
  write(tmp_path / 'labels.csv', text)
  assert_one_line(lambda: read(tmp_path), 'labels.csv', *parts)


def test_table_in_another_encoding(tmp_path):
  (tmp_path / 'labels.csv').write_bytes(f'{HEADER}\né.png,,,,'.encode('cp1252'))
  assert_one_line(lambda: read(tmp_path), 'labels.csv', 'UTF-8')


@pytest.mark.parametrize(
    ('value', 'parts'),
    [
        ('absent.csv', ["'absent.csv'", 'expected the path of a csv table']),
        ('/absent/table', ["'/absent/table'", 'expected the path']),
        ('deeplabcot', ["'deeplabcot'", "'deeplabcut' or the path"]),
        ('deeplabcut', ['no CollectedData csv', 'labeled-data/*/']),
    ],
)
def test_labels_that_are_not_there(tmp_path, value, parts):
  assert_one_line(lambda: read(tmp_path, value), 'dataset.labels', *parts)


ROW = 'labeled-data/v/1.png,1,2,3,4\n'
GOOD = DLC_HEADER.format('') + ROW
DLC_ERRORS = [
    (
        {'v/CollectedData_A.csv':
             'scorer,A,A\nindividuals,m,n\nbodyparts,a,a\ncoords,x,y\n'},
        ['v/CollectedData_A.csv', "'individuals' with m, n", 'not supported'],
    ),
    (
        {'v/CollectedData_A.csv': 'scorer,A\nbodyparts,a\n'},
        ['found header rows scorer, bodyparts', 'expected scorer, bodyparts'],
    ),
    (
        {'v/CollectedData_A.csv': GOOD.replace('x,y,x,y', 'x,y,likelihood,x')},
        ['x,y,likelihood', 'expected x,y once for each bodypart'],
    ),
    (
        {'v/CollectedData_A.csv': 'scorer,\nbodyparts\ncoords\n'},
        ['expected x,y once'],
    ),
    (
        {
            'v/CollectedData_A.csv': GOOD,
            'w/CollectedData_A.csv': DLC_HEADER.format('').replace('nose', 'n'),
        },
        ['v/CollectedData_A.csv and', 'w/CollectedData_A.csv', 'n, nose'],
    ),
    (
        {'v/CollectedData_A.csv': GOOD, 'v/CollectedData_B.csv': GOOD},
        ['v/CollectedData_B.csv row 4', 'again', 'v/CollectedData_A.csv row 4',
         'config.dataset.exclude can leave out'],
    ),
    (
        {'v/CollectedData_A.csv': GOOD, 'w/CollectedData_A.csv': GOOD},
        ['w/CollectedData_A.csv row 4', 'again', 'v/CollectedData_A.csv row 4'],
    ),
    (
        {'v/CollectedData_A.csv': GOOD.replace('3,4', '3,')},
        ['row 4', "'tail'", 'only one of x and y'],
    ),
]


@pytest.mark.parametrize(('files', 'parts'), DLC_ERRORS)
def test_errors_of_deeplabcut(tmp_path, files, parts):
  for name, text in files.items():
    write(tmp_path / 'labeled-data' / name, text)
  assert_one_line(lambda: read(tmp_path, 'deeplabcut'), *parts)
