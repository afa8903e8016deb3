"""Label files of DeepLabCut and Lightning Pose projects, and their numbers."""

import numpy as np
import pytest
from fixtures import assert_one_line
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import picture

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.errors import UserError

HEADER = 'scorer,me,me\nbodyparts,a,a\ncoords,x,y\n'


def read(root):
  files = labels.label_files('deeplabcut', root, ())
  return labels.read_labels('deeplabcut', root, files)


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)


@pytest.mark.parametrize('name', ['mouse1', 'single', ''])
@pytest.mark.parametrize('start', ['', ',,'])
def test_one_individual(tmp_path, name, start):
  image = 'labeled-data,v,1.png' if start else 'labeled-data/v/1.png'
  write(
      tmp_path / 'l.csv',
      f'scorer{start},me,me,me,me\nindividuals{start},{",".join([name] * 4)}\n'
      f'bodyparts{start},a,a,b,b\ncoords{start},x,y,x,y\n{image},1,2,3,4\n',
  )
  poses = formats.read(tmp_path / 'l.csv')
  assert poses.names == ('a', 'b') and poses.scorer == 'me'
  assert poses.images == ('labeled-data/v/1.png',)
  np.testing.assert_array_equal(poses.points, [[[2.5, 1.5], [4.5, 3.5]]])


def test_predictions_of_one_individual(tmp_path):
  write(
      tmp_path / 'v.csv',
      'scorer,D,D,D\nindividuals,m,m,m\nbodyparts,a,a,a\n'
      'coords,x,y,likelihood\n7,1,2,0.5\n',
  )
  poses = formats.read(tmp_path / 'v.csv')
  assert poses.images == ('v/img00000007.png',)
  np.testing.assert_array_equal(poses.confidence, [[0.5]])


@pytest.mark.parametrize('names', ['m1,m1,m2,m2', 'm1,m1,single,single'])
def test_several_individuals(tmp_path, names):
  write(
      tmp_path / 'l.csv',
      f'scorer,A,A,A,A\nindividuals,{names}\nbodyparts,a,a,a,a\n'
      'coords,x,y,x,y\n1.png,1,2,3,4\n',
  )
  with pytest.raises(UserError, match=r"'individuals' with m1, \w+, expec"):
    formats.read(tmp_path / 'l.csv')


@pytest.mark.parametrize('place', ['', 'labeled-data/s_{}/'])
def test_several_views(tmp_path, place):
  for n, view in enumerate(('side', 'top')):
    write(
        tmp_path / f'{place.format(view)}CollectedData_{view}.csv',
        HEADER + f'labeled-data/s_{view}/img3.png,{n},2\n',
    )
  found = read(tmp_path).poses
  assert dict(zip(found.images, found.points.tolist(), strict=True)) == {
      'labeled-data/s_side/img3.png': [[2.5, 0.5]],
      'labeled-data/s_top/img3.png': [[2.5, 1.5]],
  }


def test_views_with_other_keypoints(tmp_path):
  write(tmp_path / 'CollectedData_side.csv', HEADER + '1.png,1,2\n')
  other = HEADER.replace('a,a', 'b,b')
  write(tmp_path / 'CollectedData_top.csv', other + '2.png,1,2\n')
  with pytest.raises(UserError, match=r'top.csv: their bodyparts differ \(a'):
    read(tmp_path)


def test_a_project_with_h5_only(tmp_path):
  write(tmp_path / 'labeled-data/v/CollectedData_me.h5', '')
  assert_one_line(
      lambda: read(tmp_path), 'no CollectedData csv found but ',
      'labeled-data/v/CollectedData_me.h5, and H5 files are not',
  )  # fmt: skip


def test_some_labels_in_h5_only(tmp_path):
  root = tmp_path / 'root'
  rows = ''
  for n in range(3):
    picture(root / f'labeled-data/v/{n}.png')
    rows += f'labeled-data/v/{n}.png,1,2\n'
  write(root / 'labeled-data/v/CollectedData_me.csv', HEADER + rows)
  write(root / 'labeled-data/v/CollectedData_me.h5', '')
  assert not read(root).notes
  write(root / 'labeled-data/w/CollectedData_me.h5', '')
  (line,) = read(root).notes
  assert line.startswith('labels: 1 CollectedData H5 files without a csv')
  assert line in description(build(root, labels='deeplabcut')).notes


@pytest.mark.parametrize(
    ('cell', 'value'),
    [('1', 1), ('-1.5', -1.5), ('+.5', 0.5), ('5.', 5), ('1e1', 10),
     ('1E+1', 10), ('0' * 5000 + '7', 7), ('1e-5000', 0)],
)  # fmt: skip
def test_numbers(tmp_path, cell, value):
  write(tmp_path / 'l.csv', HEADER + f'1.png,{cell},2\n')
  points = formats.read(tmp_path / 'l.csv').points
  np.testing.assert_array_equal(points, [[[2.5, value + 0.5]]])


@pytest.mark.parametrize('cell', ['', 'nan', 'NaN'])
def test_missing_numbers(tmp_path, cell):
  write(tmp_path / 'l.csv', HEADER + f'1.png,{cell},{cell}\n')
  assert np.isnan(formats.read(tmp_path / 'l.csv').points).all()


@pytest.mark.parametrize(
    'cell',
    ['1_0', '\uff11\uff12', '\u0663', '1' * 5000, '1e5000', 'inf',
     '-Infinity', '"1,5"', '1.2.3', '0x10', '1 2', '1e', '.', '-', 'NA',
     '1' * 100_000 + 'x'],
)  # fmt: skip
@pytest.mark.parametrize(
    ('name', 'head', 'where'),
    [('l.csv', HEADER, "l.csv row 4, column 'a_x'"),
     ('t.csv', 'path,a_x,a_y\n', "t.csv row 2, column 'a_x'")],
)  # fmt: skip
def test_cells_that_are_no_numbers(tmp_path, name, head, where, cell):
  write(tmp_path / name, head + f'1.png,{cell},2\n')
  message = assert_one_line(
      lambda: formats.read(tmp_path / name),
      f"{where}: found '" + cell.strip('"')[:100],
      'expected a number such as 1.5, or a blank',
  )
  assert len(message) < 500
