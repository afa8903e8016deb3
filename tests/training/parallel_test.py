import os
import subprocess
import sys

import pytest

COUNT = """
import jax
from eqlandmarks.training import parallel
parallel.use_all_cores({batch_size})
print(jax.local_device_count())
"""


@pytest.mark.parametrize(
    ('cores', 'batch_size', 'expected'),
    [(2, 8, 2), (2, 7, 1), (6, 8, 4), (8, 12, 6), (1, 8, 1)],
)
def test_as_many_cores_as_divide_the_batch(cores, batch_size, expected):
  # A process of its own: devices are made once.
  pretend = f'import os; os.sched_getaffinity = lambda _: range({cores})\n'
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  done = subprocess.run(
      [sys.executable, '-c', pretend + COUNT.format(batch_size=batch_size)],
      env=environment, capture_output=True, text=True, check=True,
  )
  assert int(done.stdout) == expected
