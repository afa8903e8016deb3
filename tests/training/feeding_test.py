"""Images reach the devices in one order, from wherever they are."""

import itertools

import jax
import numpy as np

from eqlandmarks.training import feeding

ORDER = dict(batch_size=8, seed=5, start=3)


def test_held_by_the_devices_or_sent_to_them():
  images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), np.uint8)
  devices = jax.devices()[:4]
  sent = itertools.islice(feeding.from_host(images, devices, **ORDER), 9)
  held = itertools.islice(feeding.from_devices(images, devices, **ORDER), 9)
  for one, other in zip(sent, held, strict=True):
    assert one.shape == other.shape == (4, 2, 4, 4, 3)
    assert one.dtype == other.dtype == np.uint8
    np.testing.assert_array_equal(one, other)
    # Each device has its own part only, where the mapped step looks for it.
    assert {s.device for s in other.addressable_shards} == set(devices)
    assert other.addressable_shards[0].data.size == 2 * 4 * 4 * 3
