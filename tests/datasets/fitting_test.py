"""Points that no train image has leave the dataset before it is prepared."""

import folder_fixtures as fixtures
import numpy as np
import pytest

from eqlandmarks import errors

HEADER = 'path,split,a_x,a_y,b_x,b_y,c_x,c_y'
# b is there in test images alone, c nowhere.
ROWS = [
    *(f'{i}.png,train,1,2,,,,' for i in range(6)),
    *(f'{i}.png,test,3,4,5,6,,' for i in range(6, 9)),
]


def _build(tmp_path, rows=ROWS, **fields):
  root = fixtures.images(tmp_path / 'photos')
  fixtures.table(root, rows, HEADER)
  return fixtures.build(root, labels='labels.csv', **fields)


def test_they_are_left_out_and_named(tmp_path):
  builder = _build(tmp_path)
  description = fixtures.description(builder)
  assert description.point_names == ('a',)
  first, second = (n for n in description.notes if "point '" in n)
  assert first == (
      "labels: point 'b' is left out and not scored: none of the 6 images of "
      'split train has it, 3 of split test have'
  )
  assert second == (
      "labels: point 'c' is left out and not scored: none of the 6 images of "
      'split train has it'
  )
  found = fixtures.prepared(builder)
  # Pixel centres of 40 x 20 images, stored at 32 x 32.
  row, column = 4.5 * 32 / 20, 3.5 * 32 / 40
  for example in found['test'].values():
    np.testing.assert_allclose(example['points'], [[row, column]], rtol=1e-6)
  for example in found['unlabelled'].values():
    assert example['points'].shape == (1, 2)
    assert np.isnan(example['points']).all()


def test_a_point_of_one_train_image_stays(tmp_path):
  rows = ['0.png,train,,,1,1,,', *ROWS[1:]]
  assert fixtures.description(_build(tmp_path, rows)).point_names == ('a', 'b')


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'eyes': 'a,b'}, "config.dataset.eyes: point 'b' is annotated in "),
        ({'groups': 'g=a+c'}, "config.dataset.groups.g: point 'c' is "),
    ],
)
def test_eyes_and_groups_that_need_one_are_refused(tmp_path, fields, said):
  with pytest.raises(errors.UserError) as caught:
    _build(tmp_path, **fields)
  assert str(caught.value).startswith(said)
  assert 'none of the 6 images of split train' in str(caught.value)
  assert not (tmp_path / 'prepared').exists()


def test_test_images_without_any_other_point_are_refused(tmp_path):
  rows = [row.replace('test,3,4,', 'test,,,') for row in ROWS]
  with pytest.raises(errors.UserError, match='none of the 3 test images has'):
    _build(tmp_path, rows)
