"""Which frames make pairs, and how they are drawn."""

import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets.base import clips
from eqlandmarks.datasets.base import loader
from eqlandmarks.datasets.base import storage


def _table(frames, sizes=None):
  """A table of (clip, time) pairs."""
  names, times = zip(*frames, strict=True)
  count = len(frames)
  return storage.Table(
      ids=np.array([f'{c}@{t}' for c, t in frames]),
      points=np.zeros((count, 1, 2), np.float32),
      original_sizes=np.array(sizes or [(10, 20)] * count, np.float32),
      digests=np.array([''] * count),
      pixels=np.zeros((count, 32), np.uint8),
      clips=np.array(names),
      times=np.array(times),
  )


def _find(table, tested=None, gap=(1.0, 2.0)):
  return clips.partners(table, tested, gap=gap, field='config.discover.pair')


def _drawn(partners, row, count=200):
  numbers = np.linspace(0, 1, count, endpoint=False)
  return {*partners.draw(np.full(count, row), numbers).tolist()}


# Rows in no order: clip a at 0, 1, 2, 3.5 s; b at 0 and 9 s; a still.
FRAMES = [('a', 2.0), ('b', 0.0), ('a', 0.0), ('', 0.0), ('a', 3.5), ('a', 1.0),
          ('b', 9.0)]  # fmt: skip


def test_partners_by_hand():
  partners = _find(_table(FRAMES))
  assert partners.rows.tolist() == [0, 2, 4, 5]
  assert _drawn(partners, 0) == {2, 5, 4}  # 2 s, 1 s and 1.5 s away
  assert _drawn(partners, 2) == {5, 0}
  assert _drawn(partners, 4) == {0}  # 2.5 s are too many
  assert _drawn(partners, 5) == {2, 0}


def test_each_partner_is_drawn_as_often():
  partners = _find(_table(FRAMES))
  numbers = np.linspace(0, 1, 300, endpoint=False)
  _, counts = np.unique(
      partners.draw(np.zeros(300, int), numbers), return_counts=True
  )
  assert counts.tolist() == [100, 100, 100]


def test_no_pair_has_a_test_frame_between():
  tested = _table([('a', 1.5), ('b', 1.0), ('', 0.0)])
  partners = _find(_table(FRAMES), tested)
  assert _drawn(partners, 0) == {4}
  assert _drawn(partners, 5) == {2}


def test_rounded_times_are_at_the_gap():
  frames = [('a', n / 30) for n in range(10)]
  partners = _find(_table(frames), gap=(0.1, 0.1))
  assert _drawn(partners, 5) == {2, 8}


@pytest.mark.parametrize(
    ('frames', 'text'),
    [
        ([('', 0.0), ('', 0.0)], 'the training images are stills'),
        ([('a', 0.0), ('b', 0.0)], 'the longest of 2 clips is a with 0 s'),
        ([('a', 0.0), ('a', 0.5)], 'with 0.5 s'),
        ([('a', 0.0), ('a', 9.0)], 'that are 1 to 2 s apart'),
    ],
)
def test_without_a_pair_one_line_says_why(frames, text):
  with pytest.raises(errors.UserError) as caught:
    _find(_table(frames))
  assert text in str(caught.value) and 'expected' in str(caught.value)


def test_frames_of_a_clip_have_one_size():
  table = _table([('a', 0.0), ('a', 1.0)], [(10, 20), (10, 21)])
  with pytest.raises(errors.UserError, match=r'a@1\.0 has 21 x 10 pixels'):
    _find(table)


def _images(count):
  return np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)


def test_batches_of_pairs_resume_and_shard():
  frames = [(clip, float(t)) for clip in 'abc' for t in range(5)]
  partners = _find(_table(frames), gap=(1.0, 3.0))
  pairs = loader.ClipImages(_images(15), partners)
  read = lambda start, shard=(0, 1): [
      batch for batch, _ in zip(
          loader.batches(
              pairs, batch_size=4, seed=5, start=start, shard=shard
          ),
          range(6),
          strict=False,
      )
  ]
  whole = read(0)
  for batch in whole:
    assert batch.shape == (4, 2, 1, 1, 1)
    first, second = batch[:, :, 0, 0, 0].astype(int).T
    assert (first // 5 == second // 5).all()
    apart = np.abs(first - second)
    assert ((apart >= 1) & (apart <= 3)).all()
  np.testing.assert_array_equal(read(3)[:3], whole[3:])
  parts = [read(0, (p, 2)) for p in range(2)]
  for one, *halves in zip(whole, *parts, strict=True):
    np.testing.assert_array_equal(one, np.concatenate(halves))
  # An image meets several others in time.
  again = {tuple(p) for b in whole for p in b[:, :, 0, 0, 0].tolist()}
  assert len(again) > 15
