import os
import subprocess
import sys

import pytest

from eqlandmarks.training import devices

COUNT = """
import jax
from eqlandmarks.training import devices
devices.use_all_cores({batch_size})
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


KEPT = """
import jax, jax.numpy as jnp
from eqlandmarks.training import devices
devices.keep_compiled()
hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event.endswith('cache_hits') else 0
)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
print(jax.config.jax_compilation_cache_dir)
jax.jit(lambda x: jnp.linalg.svd(x @ x)[1])(jnp.eye(40)).block_until_ready()
print(len(hits) > 0)
"""


def _kept(**changes):
  unset = ('JAX_COMPILATION_CACHE_DIR', 'XLA_FLAGS')
  environment = {k: v for k, v in os.environ.items() if k not in unset}
  done = subprocess.run(
      [sys.executable, '-W', 'error', '-c', KEPT], check=True, text=True,
      env={**environment, **changes}, capture_output=True,
  )  # fmt: skip
  return done.stdout.split()


def test_a_second_run_compiles_nothing_again(tmp_path):
  folder, first = _kept(XDG_CACHE_HOME=str(tmp_path))
  assert folder.startswith(f'{tmp_path}/eqlandmarks/jax/')
  assert (first, _kept(XDG_CACHE_HOME=str(tmp_path))) == (
      'False', [folder, 'True'],
  )  # fmt: skip


def test_a_cache_of_the_users_own_or_none_at_all(tmp_path):
  # /proc takes no folders, whoever asks.
  assert _kept(XDG_CACHE_HOME='/proc') == ['None', 'False']
  own = str(tmp_path / 'own')
  found = _kept(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=own)
  assert found == [own, 'False']
  assert not (tmp_path / 'eqlandmarks').exists()


def test_what_was_not_used_for_longest_is_removed(tmp_path, monkeypatch):
  monkeypatch.setattr(devices, '_CACHE_BYTES', 250)
  for age in range(4):
    path = tmp_path / 'processor' / f'{age}-cache'
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(100))
    os.utime(path, (1000.0 - age, 1000.0 - age))
  devices._prune(tmp_path)
  left = {path.name for path in tmp_path.rglob('*-cache')}
  assert left == {'0-cache', '1-cache'}
