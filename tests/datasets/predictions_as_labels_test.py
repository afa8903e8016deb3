"""Labels that come with a likelihood: predictions, not annotations."""

import json

import numpy as np
import pytest
from fixtures import assert_one_line
from folder_fixtures import build
from folder_fixtures import description
from folder_fixtures import images
from folder_fixtures import prepared

from eqlandmarks import formats
from eqlandmarks.datasets.annotations import labels
from eqlandmarks.errors import UserError

NAMES = ('a', 'b')
LIKELIHOODS = np.array([[0.59, 0.61], [0.6, 0.1], [1, np.nan], [0.9, 0.2]])
LEFT_OUT = LIKELIHOODS < 0.6
FILES = {
    'table': 'l.csv', 'deeplabcut': 'l.csv', 'lightning-pose': 'l.csv',
    'coco': 'l.json', 'sleap': 'l.slp',
}  # fmt: skip
LINE = (
    'labels: they are predictions: 3 of {} points have a likelihood below '
    'min_likelihood=0.6 and are left out'
)


@pytest.fixture
def root(tmp_path):
  (tmp_path / 'root').mkdir()
  return images(tmp_path / 'root')


def poses(likelihoods=LIKELIHOODS):
  points = 1.5 + np.arange(16).reshape(4, 2, 2)
  names = tuple(f'{n}.png' for n in range(4))
  return formats.Poses(NAMES, names, points, likelihoods)


@pytest.mark.parametrize('form', FILES)
def test_unlikely_points_are_left_out_with_a_line(root, form):
  formats.write(poses(), root / FILES[form], form)
  # Formats of numbers have no place for an unknown one.
  count = 7 if form in ('table', 'deeplabcut', 'lightning-pose') else 8
  gone = LEFT_OUT if count == 7 else LEFT_OUT | np.isnan(LIKELIHOODS)
  builder = build(root, labels=FILES[form], test_share=0)
  line = LINE.format(count).replace('3 of', f'{gone.sum()} of')
  assert line in description(builder).notes
  found = prepared(builder)['train']
  for n, missing in enumerate(gone):
    if not missing.all():
      points = found[f'{n}.png']['points']
      np.testing.assert_array_equal(np.isnan(points).all(-1), missing)


@pytest.mark.parametrize('column', ['confidence', 'likelihood', 'score'])
def test_columns_of_tables(root, column):
  (root / 'l.csv').write_text(
      f'path,a_x,a_y,a_{column},b_x,b_y\n'
      '0.png,1,1,0.2,2,2\n1.png,1,1,,2,2\n2.png,1,1,0.7,2,2\n'
  )
  found = prepared(build(root, labels='l.csv', test_share=0))['train']
  missing = [np.isnan(found[f'{n}.png']['points']).all(-1) for n in range(3)]
  np.testing.assert_array_equal(
      missing, [[True, False], [False, False], [False, False]]
  )


def test_two_likelihoods_of_one_point(root):
  (root / 'l.csv').write_text('path,a_x,a_y,a_score,a_likelihood\n')
  with pytest.raises(UserError, match=r'a_likelihood. for what another'):
    formats.read(root / 'l.csv')


def test_zero_takes_all(root):
  formats.write(poses(), root / 'l.csv', 'deeplabcut')
  builder = build(root, labels='l.csv', test_share=0, min_likelihood=0.0)
  notes = ' '.join(description(builder).notes)
  assert 'they are predictions: 0 of 7 points have a likelihood below' in notes
  found = prepared(builder)['train']
  assert np.isfinite([found[f'{n}.png']['points'] for n in range(4)]).all()
  other = build(root, labels='l.csv', test_share=0)
  assert other.data_dir != builder.data_dir


def test_labels_are_no_predictions(root):
  formats.write(poses(None), root / 'l.csv', 'deeplabcut')
  notes = description(build(root, labels='l.csv')).notes
  assert not any('predictions' in note for note in notes)


def test_nothing_is_likely_enough(root):
  formats.write(poses(np.full((4, 2), 0.3)), root / 'l.json', 'coco')
  assert_one_line(
      lambda: build(root, labels='l.json'),
      'all 8 points have a likelihood below',
      'config.dataset.min_likelihood=0.6',
  )


def test_the_score_of_an_object_is_that_of_its_points(root):
  data = {
      'images': [{'id': n, 'file_name': f'{n}.png'} for n in range(3)],
      'annotations': [
          {'image_id': n, 'category_id': 1, 'keypoints': [1, 1, 2], 'score': s}
          for n, s in enumerate((0.2, 0.7, 0.9))
      ],
      'categories': [{'id': 1, 'keypoints': ['a']}],
  }
  (root / 'l.json').write_text(json.dumps(data))
  found = labels.read_labels('l.json', root, [root / 'l.json'], 0.6)
  assert found.poses.labelled.tolist() == [False, True, True]
  assert ': 1 of 3 points have a likelihood below' in found.notes[-1]


def test_points_that_are_missing_do_not_count(root):
  given = poses(np.full((4, 2), 0.1))
  given.points[:3] = np.nan
  given.confidence[3, 0] = 0.7
  formats.write(given, root / 'l.csv', 'table')
  found = labels.read_labels('l.csv', root, [root / 'l.csv'], 0.6)
  assert ': 1 of 2 points have a likelihood below' in found.notes[-1]


def test_a_point_that_is_never_likely_is_left_out(root):
  likelihoods = np.where([True, False], 0.9, np.full((4, 2), 0.1))
  formats.write(poses(likelihoods), root / 'l.csv', 'deeplabcut')
  about = description(build(root, labels='l.csv'))
  assert about.point_names == ('a',)
  assert "point 'b' is left out and not scored" in about.notes[-1]


def test_a_point_that_no_train_image_has(root):
  likelihoods = np.full((4, 2), 0.9)
  likelihoods[:3, 1] = 0.1
  formats.write(poses(likelihoods), root / 'l.csv', 'deeplabcut')
  about = description(build(root, labels='l.csv'))
  assert about.point_names == ('a',)
  assert "point 'b' is left out and not scored: none of the" in about.notes[-1]
