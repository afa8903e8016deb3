"""Frames that are worth a label."""

import numpy as np

from eqlandmarks.predictor import choosing


def _chosen(columns, confidence, count):
  landmarks = np.zeros((len(columns), 1, 2))
  landmarks[:, 0, 1] = columns
  sizes = np.full((len(columns), 2), 100)
  return choosing.spread(landmarks, np.array(confidence)[:, None], sizes, count)


def test_the_middle_then_the_farthest():
  # The mean is 48: 50 is nearest, 0 farther than 90, and then 20 from both.
  columns = [0, 20, 50, 75, 90, 53]
  assert _chosen(columns, [0.5] * 6, 3)[0] == 2
  # Equal confidences are ranked by their order, so that later ones count more.
  assert {*_chosen(columns, [0.5] * 6, 3)[1:]} == {0, 4}


def test_unsure_ones_count_up_to_twice():
  # From the middle, 0 is 50 away and 80 is 30: twice 30 is more than 50.
  assert _chosen([0, 50, 80], [0.9, 0.8, 0.1], 2) == [1, 2]
  assert _chosen([0, 50, 80], [0.1, 0.8, 0.9], 2) == [1, 0]


def test_there_may_be_fewer_or_equal_ones():
  assert _chosen([5], [0.1], 3) == [0]
  assert sorted(_chosen([7, 7, 7], [0.1, 0.2, 0.3], 9)) == [0, 1, 2]
