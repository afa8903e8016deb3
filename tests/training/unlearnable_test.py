"""Signs of a run that cannot learn, and the healthy ones beside them."""

import numpy as np
import pytest

from configs import common
from configs import folder
from configs import signer
from eqlandmarks.training import unlearnable


def _images(count=6):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (count, 8, 8, 3), np.uint8)


IDS = [f'{i}.png' for i in range(6)]


def test_images_that_differ_tell_nothing():
  assert unlearnable.of_images(_images(), IDS) == []
  assert unlearnable.of_images(_images(1), IDS) == []


def test_images_that_are_all_the_same():
  (said,) = unlearnable.of_images(np.repeat(_images(1), 6, axis=0), IDS)
  assert said.startswith('all 6 training images that were looked at are the')


def test_images_of_one_colour():
  images = _images()
  images[2] = 0
  images[4] = (200, 10, 60)
  images[4, 3, 3] += 4  # what a JPEG may leave
  (said,) = unlearnable.of_images(images, IDS)
  assert said.startswith('2 of 6 training images that were looked at are of')
  assert 'the first is 2.png' in said
  images[4, 3, 3] += 1
  assert unlearnable.of_images(images, IDS)[0].startswith('1 of 6')
  both = unlearnable.of_images(np.zeros_like(images), IDS)
  assert [said[:8] for said in both] == ['all 6 tr', '6 of 6 t']


def test_which_images_are_looked_at():
  assert unlearnable.rows_to_look_at(3).tolist() == [0, 1, 2]
  rows = unlearnable.rows_to_look_at(10_000)
  assert (len(set(rows)), rows[0], rows[-1]) == (200, 0, 9999)


def test_a_learning_rate_that_is_larger_than_the_parameters():
  both = ('pretrain', 'discover')
  for config in (common, folder, signer):
    assert unlearnable.of_config(config.get_config(), both) == []
  config = common.get_config()
  config.discover.learning_rate = 1e3
  (said,) = unlearnable.of_config(config, both)
  assert said.startswith('config.discover.learning_rate is 1000: Adam moves')
  assert unlearnable.of_config(config, ['pretrain']) == []
  config.pretrain.learning_rate = 1.0
  assert len(unlearnable.of_config(config, both)) == 1


def test_warps_that_leave_no_points():
  assert unlearnable.of_row('pretrain', {'points_used': 0.1}) is None
  said = unlearnable.of_row('pretrain', {'points_used': 0.012})
  assert said.startswith('the warps leave only 1.2 % of the points')
  assert 'config.pretrain.warp' in said
  rows = [{'loss': 0.0, 'points_used': used} for used in (0.0, 0.04, 0.0, 0.0)]
  said = unlearnable.of_rows('discover', rows)
  assert '1 % of the points' in said
  assert said.endswith('(none at all in 75 % of the rows)')


@pytest.mark.parametrize(
    ('losses', 'told'),
    [
        ([3, 4, 5, 4, 3], True),
        ([3, 4, 5, 4, 2.9], False),
        ([3, 4, 5, 4], False),  # too short to tell
        ([], False),
    ],
)
def test_a_loss_that_never_falls(losses, told):
  rows = [{'loss': float(loss), 'points_used': 0.8} for loss in losses]
  assert bool(unlearnable.of_rows('pretrain', rows)) == told
