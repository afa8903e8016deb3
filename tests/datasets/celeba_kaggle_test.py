"""Kaggle's copy of CelebA, whose lists are csv files."""

import celeba_fixtures as made
import fixtures
import numpy as np
import pytest

LANDMARKS = 'list_landmarks_align_celeba.csv'
PARTITION = 'list_eval_partition.csv'


@pytest.fixture
def root(tmp_path, monkeypatch):
  made.whole(monkeypatch)
  root = tmp_path / 'root'
  made.celeba(root, 'img_align_celeba/img_align_celeba', ('', ''))
  for name in (LANDMARKS, PARTITION):
    text = (root / name).with_suffix('.txt')
    rows = [','.join(line.split()) for line in text.read_text().splitlines()]
    if name == LANDMARKS:
      rows = ['image_id,' + rows[1], *rows[2:]]
    else:
      rows = ['image_id,partition', *rows]
    (root / name).write_text('\n'.join(rows) + '\n')
    text.unlink()
  return root


def build(root):
  return fixtures.make('celeba', root, root.parent / 'data', image_size=16)


def test_the_same_points_and_splits(root):
  builder = build(root)
  points = {
      item.id: item.points
      for items in builder._plan().splits.values() for item in items
  }  # fmt: skip
  assert len(points) == 21 - 2  # neither 16 nor 17 is in a list
  for name, marks in made.faces().items():
    if name in points:
      np.testing.assert_array_equal(points[name], marks + 0.5)
  assert fixtures.description(builder).notes == ()


@pytest.mark.parametrize(
    ('name', 'number', 'row', 'parts'),
    [
        (LANDMARKS, 0, made.HEADER, ["'lefteye_x", 'image_id,lefteye_x']),
        (LANDMARKS, 2, '000002.jpg,1,2', ['line 3', '10 whole numbers']),
        (LANDMARKS, 2, '000001.jpg' + ',1' * 10, ["'000001.jpg' again"]),
        (LANDMARKS, 2, '000002.jpg' + ',1.5' * 10, ['line 3', 'whole numbers']),
        (LANDMARKS, 2, '', ['found 20, expected 21']),
        (PARTITION, 0, '000001.jpg,0', ["'000001.jpg,0'", 'image_id,partitio']),
        (PARTITION, 2, '000002.jpg,3', ['line 3', '0, 1 or 2']),
    ],
)
def test_wrong_lists(root, name, number, row, parts):
  lines = (root / name).read_text().splitlines()
  lines[number] = row
  (root / name).write_text('\n'.join(lines))
  data = root.parent / 'data'
  fixtures.assert_refused(lambda: build(root), data, root / name, *parts)
