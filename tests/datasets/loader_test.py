"""The order of images, sharing it out, and reading from memory or disk."""

import itertools
import multiprocessing

import fixtures
import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets import signer
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage


def _batches(start=0, seed=0, count=12, batch_size=5):
  images = np.arange(count)
  return loader.batches(images, batch_size=batch_size, seed=seed, start=start)


def _take(iterator, count):
  return np.stack(list(itertools.islice(iterator, count)))


def test_every_epoch_shows_each_image_once_in_its_own_order():
  # 12 batches of 5 are five epochs of 12: no epoch ends with a batch but the
  # last one.
  epochs = _take(_batches(), 12).reshape(5, 12)
  for epoch in epochs:
    assert sorted(epoch) == list(range(12))
  assert len({tuple(epoch) for epoch in epochs}) == 5


@pytest.mark.parametrize('start', [0, 1, 2, 5])
def test_any_batch_can_be_the_first(start):
  np.testing.assert_array_equal(
      _take(_batches(start), 4), _take(_batches(), start + 4)[start:]
  )


def test_the_seed_decides_the_order():
  np.testing.assert_array_equal(_take(_batches(), 4), _take(_batches(), 4))
  assert not np.array_equal(_take(_batches(), 4), _take(_batches(seed=1), 4))


@pytest.mark.parametrize('count', [12, 13, 31])
@pytest.mark.parametrize('processes', [2, 4])
def test_processes_share_every_epoch(count, processes):
  images = np.arange(count)
  order = dict(batch_size=4, seed=3, start=0)
  # `count` batches of 4 are four whole epochs.
  parts = [
      _take(loader.batches(images, shard=(p, processes), **order), count)
      for p in range(processes)
  ]
  assert parts[0].shape == (count, 4 // processes)
  alone = _take(loader.batches(images, **order), count)
  np.testing.assert_array_equal(np.concatenate(parts, axis=1), alone)
  for epoch in alone.reshape(4, count):
    assert sorted(epoch) == list(range(count))


def _make(folder):
  return fixtures.make(
      'signer', image_size=32, num_train=23, num_validation=5, num_test=4,
      data_dir=folder,
  )  # fmt: skip


def _read_a_part(folder, shard):
  """The images that a process sees in four epochs."""
  pixels = storage.open_pixels(_make(folder), 'train')
  batches = loader.batches(
      pixels, batch_size=4, seed=3, start=0, shard=shard
  )
  return _take(batches, len(pixels))


def test_two_processes_share_a_file(builder):
  spawn = multiprocessing.get_context('spawn')
  with spawn.Pool(2) as pool:
    parts = pool.starmap(
        _read_a_part, [(builder.data_dir_root, (p, 2)) for p in range(2)]
    )
  both = np.concatenate(parts, axis=1)  # 23 batches of 2 + 2
  numbers = {i.tobytes(): n for n, i in enumerate(_drawn('train', 23))}
  for epoch in both.reshape(4, 23, -1):
    assert sorted(numbers[i.tobytes()] for i in epoch) == list(range(23))


def test_a_batch_that_cannot_be_shared_equally():
  with pytest.raises(ValueError, match='expected a multiple of 3'):
    loader.rows_of_batches(range(12), batch_size=4, seed=0, shard=(0, 3))


def test_steps_of_epochs():
  assert loader.num_steps(16, 8, 3) == 6
  assert loader.num_steps(17, 8, 3) == 6  # 51 images are six whole batches
  assert loader.num_steps(17, 8, 8) == 17
  with pytest.raises(errors.UserError, match='batch_size is 8'):
    loader.num_steps(7, 8, 3)


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
  made = _make(tmp_path_factory.mktemp('data'))
  made.download_and_prepare()
  return made


def _drawn(split, count):
  return np.stack([signer.render(0, split, i, 32)[0] for i in range(count)])


def test_disk_and_memory_hold_the_same_images_in_the_order_of_ids(builder):
  files = loader.open_images(builder, 'train', memory_gib=0.0)
  memory = loader.open_images(builder, 'train', memory_gib=1.0)
  assert isinstance(files, storage.Pixels)
  assert isinstance(memory, np.ndarray)
  assert files.shape == memory.shape == (23, 32, 32, 3)
  np.testing.assert_array_equal(memory, _drawn('train', 23))
  rows = np.array([22, 0, 7, 7])
  np.testing.assert_array_equal(files[rows], memory[rows])
  order = dict(batch_size=8, seed=1, start=2)
  np.testing.assert_array_equal(
      _take(loader.batches(files, **order), 7),
      _take(loader.batches(memory, **order), 7),
  )


def test_the_limit_of_memory_counts_bytes(builder):
  exact = 23 * 32 * 32 * 3 / 2**30
  inside = loader.open_images(builder, 'train', memory_gib=exact)
  beyond = loader.open_images(builder, 'train', memory_gib=exact * 0.999)
  assert isinstance(inside, np.ndarray)
  assert isinstance(beyond, storage.Pixels)


def test_several_splits_are_read_as_one(builder):
  split = loader.load(builder, 'validation+test')
  # By id: 'test/...' comes before 'validation/...'.
  drawn = np.concatenate([_drawn('test', 4), _drawn('validation', 5)])
  np.testing.assert_array_equal(split.images, drawn)
  assert split.ids[0] == 'test/000000'
  assert split.ids[-1] == 'validation/000004'
  np.testing.assert_array_equal(
      split.points[4], signer.joints(0, 'validation', 0, size=32)
  )
  files = loader.open_images(builder, 'validation+test', memory_gib=0.0)
  np.testing.assert_array_equal(files[np.arange(9)], drawn)
