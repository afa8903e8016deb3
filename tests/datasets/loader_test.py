import itertools

import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets import loader


def _batches(start=0, seed=0, count=12, batch_size=5):
  images = np.arange(count)
  return loader.batches(images, batch_size=batch_size, seed=seed, start=start)


def _take(iterator, count):
  return np.stack(list(itertools.islice(iterator, count)))


def test_an_epoch_shows_no_image_twice_and_each_has_its_own_order():
  batches = _take(_batches(), 8)
  epochs = batches.reshape(4, 10)
  for epoch in epochs:
    assert len(set(epoch)) == 10
  assert len({tuple(epoch) for epoch in epochs}) == 4
  # What is left out differs, so all images are seen in the end.
  assert set(batches.ravel()) == set(range(12))


@pytest.mark.parametrize('start', [0, 1, 2, 5])
def test_any_batch_can_be_the_first(start):
  np.testing.assert_array_equal(
      _take(_batches(start), 4), _take(_batches(), start + 4)[start:]
  )


def test_the_seed_decides_the_order():
  np.testing.assert_array_equal(_take(_batches(), 4), _take(_batches(), 4))
  assert not np.array_equal(_take(_batches(), 4), _take(_batches(seed=1), 4))


def test_too_few_images_for_a_batch():
  assert loader.steps_per_epoch(17, 8) == 2
  with pytest.raises(errors.UserError, match='batch_size is 8'):
    loader.steps_per_epoch(7, 8)
