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


CACHE = """
import os, warnings
import jax, jax.numpy as jnp
from eqlandmarks.training import parallel
warnings.simplefilter('error')
for _ in range(2):
  with parallel.compile_once():
    folder = jax.config.jax_compilation_cache_dir
    for _ in range(2):
      jax.clear_caches()  # as if the function were a new one
      jax.jit(lambda x: jnp.linalg.svd(x @ x)[1])(jnp.eye(40))
    print(len([f for f in os.listdir(folder) if 'lambda' in f]) > 0)
  assert not os.path.exists(folder)
  assert jax.config.jax_compilation_cache_dir is None
"""


def test_compiled_programs_are_kept_and_thrown_away_each_time():
  unset = ('JAX_COMPILATION_CACHE_DIR', 'XLA_FLAGS')
  environment = {k: v for k, v in os.environ.items() if k not in unset}
  done = subprocess.run(
      [sys.executable, '-c', CACHE], env=environment, capture_output=True,
      text=True, check=False,
  )
  assert done.stdout.split() == ['True', 'True'], done.stderr


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
