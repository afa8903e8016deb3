"""How images reach the devices.

The batches are the same either way: which images are in batch number i is
drawn by `loader.rows_of_batches`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from eqlandmarks.datasets.base import loader
from eqlandmarks.training import devices as devices_lib


def from_host(
    images: loader.Images, devices: Sequence[jax.Device], **order: Any
) -> Iterator[Any]:
  """Batches that are read on the host, and sent to the devices ahead of time.

  The next batch is on its way while the step works on this one.

  Args:
    images: uint8 `[N, H, W, 3]`, in memory or on disk, with or without labels.
    devices: this process's, of those that the step is mapped over.
    **order: `batch_size`, `seed`, `start` and `shard`, see `loader.batches`.

  Yields:
    `[devices, B / devices, H, W, 3]`, one part on each device; a dict with the
    labels, where there are.
  """
  sent = None
  for batch in loader.batches(images, **order):
    batch = jax.tree.map(
        lambda x: x.reshape(len(devices), -1, *x.shape[1:]), batch
    )
    ready, sent = sent, devices_lib.share(batch, devices)
    if ready is not None:
      yield ready


def from_devices(
    images: np.ndarray,
    devices: Sequence[jax.Device],
    *,
    batch_size: int,
    seed: int,
    start: int,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[jax.Array]:
  """The same of images that all devices hold: only row numbers are sent."""
  held = devices_lib.replicate(images, devices)
  gather = devices_lib.gather(devices)
  rows = loader.rows_of_batches(
      images, batch_size=batch_size, seed=seed, shard=shard
  )
  for number in range(start, len(rows)):
    part = rows[number].reshape(len(devices), -1)
    yield gather(held, devices_lib.share(part, devices))
