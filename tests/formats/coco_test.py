"""What programs write into COCO files, and what no program should."""

import json

import numpy as np
import pytest

from eqlandmarks import formats
from eqlandmarks.errors import UserError


def coco(**changes):
  """A COCO file of one image with one point, but for some sections."""
  return {
      'images': [{'id': 1, 'file_name': '1.png'}],
      'annotations': [
          {'id': 1, 'image_id': 1, 'category_id': 1, 'keypoints': [1, 2, 2]}
      ],
      'categories': [{'id': 1, 'name': 'x', 'keypoints': ['a']}],
  } | changes


def with_field(section, field, value):
  data = coco()
  data[section][0][field] = value
  return data


@pytest.fixture
def read(tmp_path):
  """Reads what is given, as JSON or as the text itself."""
  def read(data):
    text = data if isinstance(data, str) else json.dumps(data)
    (tmp_path / 'l.json').write_text(text)
    return formats.read(tmp_path / 'l.json')
  return read


@pytest.fixture
def refused(read):
  def refused(data, *parts):
    with pytest.raises(UserError) as error:
      read(data)
    message = str(error.value)
    assert '\n' not in message and 'expected' in message
    for part in parts:
      assert part in message
  return refused


@pytest.mark.parametrize(
    ('section', 'field'),
    [('images', 'id'), ('annotations', 'image_id'),
     ('annotations', 'category_id'), ('categories', 'id')],
)  # fmt: skip
@pytest.mark.parametrize('value', ['1', 1.0])
def test_ids_may_be_text(read, section, field, value):
  poses = read(with_field(section, field, value))
  np.testing.assert_array_equal(poses.points, [[[2.5, 1.5]]])


def test_ids_of_other_text(read):
  data = coco(images=[{'id': 'a', 'file_name': '1.png'}])
  data['annotations'][0]['image_id'] = ' a'
  np.testing.assert_array_equal(read(data).points, [[[2.5, 1.5]]])


@pytest.mark.parametrize('field', ['image_id', 'category_id'])
@pytest.mark.parametrize('value', [2, '2', '01', 1.5, None, [1], True])
def test_ids_of_nothing_are_named(refused, field, value):
  refused(with_field('annotations', field, value), 'annotations[0]', field)


@pytest.mark.parametrize('section', ['images', 'categories'])
def test_the_same_id_as_number_and_text(refused, section):
  data = coco()
  data[section].append(data[section][0] | {'id': '1', 'file_name': '2.png'})
  refused(data, f'{section}[1]: found id 1 again')


def test_points_of_a_category_that_names_none(read, refused):
  data = coco()
  data['categories'].append({'id': 0, 'name': 'all'})
  other = data['annotations'][0] | {'category_id': 0}
  data['annotations'].append(other)
  refused(data, 'annotations[1]: found 3 numbers', 'expected 0')
  other['keypoints'] = [0, 0, 0]
  np.testing.assert_array_equal(read(data).points, [[[2.5, 1.5]]])


def test_crowds_as_text(read):
  data = coco()
  data['annotations'].append(data['annotations'][0] | {'iscrowd': '1'})
  assert len(read(data).images) == 1


@pytest.mark.parametrize(
    ('given', 'size'),
    [((48, 64), (48, 64)), (('48', '64'), (48, 64)), ((48.0, 64), (48, 64)),
     ((0, 0), None), ((None, 64), None), (('', ''), None)],
)  # fmt: skip
def test_sizes_as_they_are_written(read, given, size):
  data = coco(images=[
      {'id': 1, 'file_name': '1.png', 'height': given[0], 'width': given[1]},
      {'id': 2, 'file_name': '2.png', 'height': 5, 'width': 6},
  ])  # fmt: skip
  assert read(data).sizes.tolist() == [list(size or (0, 0)), [5, 6]]


@pytest.mark.parametrize('value', [-1, 1.5, 'x', [1], True, float('nan'),
                                   10**400])  # fmt: skip
def test_sizes_that_are_none(refused, value):
  data = with_field('images', 'width', value)
  refused(data, 'images[0]: found', "as 'width'", 'a whole number')


def test_sizes_that_are_not_said_are_not_written(read, tmp_path):
  poses = formats.Poses(
      ('a',), ('1.png', '2.png'), np.ones((2, 1, 2)), sizes=[[0, 0], [5, 6]]
  )
  formats.write(poses, tmp_path / 'l.json', 'coco')
  images = json.loads((tmp_path / 'l.json').read_text())['images']
  assert 'width' not in images[0] and images[1]['width'] == 6
  assert formats.read(tmp_path / 'l.json').sizes.tolist() == [[0, 0], [5, 6]]


DEEP = '[' * 900 + ']' * 900
TEXTS = {
    'digits': json.dumps(coco()).replace('"id": 1', '"id": ' + '9' * 5000),
    'nan': with_field('images', 'id', float('nan')),
    'nan point': with_field('annotations', 'keypoints', [1, float('nan'), 2]),
    'deep': '[' * 1000 + ']' * 1000,
    'deep id': json.dumps(coco()).replace('"id": 1', f'"id": {DEEP}'),
    'deep point': json.dumps(coco()).replace('[1, 2, 2]', f'[1, {DEEP}, 2]'),
    'deep size': json.dumps(coco()).replace('"id": 1', f'"width": {DEEP}'),
    'twice': '{"images": [], ' + json.dumps(coco())[1:],
}


@pytest.mark.parametrize('case', TEXTS)
def test_json_that_no_program_writes(refused, case):
  refused(TEXTS[case], 'l.json')


def test_what_is_wrong_is_named(refused):
  refused(TEXTS['twice'], "field 'images' twice")
  refused(TEXTS['digits'], 'a number of 5000 digits')
