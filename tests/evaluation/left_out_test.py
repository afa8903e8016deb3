"""Scores by leaving blocks of images out."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from eqlandmarks.evaluation import left_out

CONFIG = ConfigDict({
    'image_size': 64,
    'regression': {
        'alpha': 0.0, 'fit_intercept': False, 'origin': 'corner', 'unit': 'px'
    },
    'evaluation': {'pck': 6.0},
})  # fmt: skip


def test_blocks_are_neighbours_and_hold_all():
  assert [b.tolist() for b in left_out.blocks(7)] == [
      [0, 1], [2, 3], [4], [5], [6]
  ]
  assert [b.tolist() for b in left_out.blocks(3)] == [[0], [1], [2]]
  assert left_out.blocks(1) == left_out.blocks(0) == []


def test_no_block_sees_its_own_points():
  rng = np.random.default_rng(0)
  landmarks = rng.uniform(0, 64, (10, 1, 2))
  points = landmarks + 0.0
  # Of the first block alone, the labels are wrong by 3 px: the others still
  # give the identity, so that just these two are missed.
  points[:2] += [0.0, 3.0]
  predicted, means = left_out.predict(landmarks, points, CONFIG)
  np.testing.assert_allclose(predicted[:2], landmarks[:2], atol=1e-9)
  np.testing.assert_allclose(means[:2], np.tile(points[2:].mean(0), (2, 1, 1)))
  (every, one) = left_out.score(('all',), landmarks, points, CONFIG)
  assert every.point == one.point == 'all' and every.images == 10
  # 3 px of 64 are 6 px of 128.
  errors = np.linalg.norm(predicted - points, axis=-1)[:, 0] * 2
  np.testing.assert_allclose(errors[:2], 6.0)
  assert every.error == pytest.approx(errors.mean())
  assert every.pck == np.mean(errors <= 6.0 + 1e-9)
  assert every.stderr == pytest.approx(errors.std(ddof=1) / np.sqrt(10))


def test_points_that_no_other_block_has_are_not_scored():
  landmarks = np.random.default_rng(0).uniform(0, 64, (4, 1, 2))
  points = np.full((4, 2, 2), np.nan)
  points[:, 0] = landmarks[:, 0]
  points[2, 1] = [5.0, 6.0]
  scores = left_out.score(('a', 'b'), landmarks, points, CONFIG)
  assert [s.images for s in scores] == [4, 4, 0]
  assert np.isnan(scores[2].error) and np.isnan(scores[2].mean_shape)
  alone = left_out.score(('a', 'b'), landmarks[:1], points[:1], CONFIG)
  assert np.isnan(alone[0].error)
