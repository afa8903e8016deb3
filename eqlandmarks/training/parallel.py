"""Devices: the one place that knows of `pmap`."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec

# The mapped axis over devices.
AXIS = 'devices'


def use_all_cores(batch_size: int) -> None:
  """Makes each CPU core a device of its own, where the CPU is what there is.

  XLA spreads a small net's operations badly over the cores of one CPU device;
  data parallelism keeps them busy. As many cores are used as divide the batch.
  Must be called before JAX looks for its devices; GPUs and TPUs are not
  touched.

  Args:
    batch_size: images per step, over all devices together.
  """
  cores = len(os.sched_getaffinity(0)) if hasattr(
      os, 'sched_getaffinity'
  ) else os.cpu_count() or 1
  count = max(n for n in range(1, cores + 1) if batch_size % n == 0)
  jax.config.update('jax_num_cpu_devices', count)


@contextlib.contextmanager
def compile_once() -> Iterator[None]:
  """Within it, a program that was compiled before is not compiled again.

  A comparison trains the same nets by the same steps many times over, and each
  time they would be compiled as if they were new. What is kept is thrown away
  at the end: it is of no use to another machine. A compilation cache that the
  user has set up is used instead.
  """
  if jax.config.jax_compilation_cache_dir:
    yield
    return
  least = jax.config.jax_persistent_cache_min_compile_time_secs
  with tempfile.TemporaryDirectory() as folder:
    jax.config.update('jax_compilation_cache_dir', folder)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    compilation_cache.reset_cache()  # JAX stays with the first folder else
    try:
      yield
    finally:
      compilation_cache.reset_cache()
      jax.config.update('jax_compilation_cache_dir', None)
      jax.config.update('jax_persistent_cache_min_compile_time_secs', least)


def parallelize(
    step: Callable[..., Any], devices: Sequence[jax.Device]
) -> Callable[..., Any]:
  """Maps a step over devices: the one place that knows of `pmap`.

  The state and the key are the same on all devices, never stacked; the images
  are `[devices, B / devices, ...]`. The state given is used up.
  """
  return jax.pmap(
      step,
      axis_name=AXIS,
      in_axes=(None, 0, None),
      out_axes=(None, None),
      devices=devices,
      donate_argnums=0,
  )


def gather(devices: Sequence[jax.Device]) -> Callable[..., jax.Array]:
  """Maps the choice of rows over devices that all hold the same array.

  Returns:
    From a replicated `[N, ...]` and rows `[devices, B / devices]` to
    `[devices, B / devices, ...]`, where the mapped step wants it.
  """
  return jax.pmap(
      lambda array, rows: array[rows],
      axis_name=AXIS,
      in_axes=(None, 0),
      devices=devices,
  )


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
  """Puts a tree on all devices as the mapped step returns it.

  Without it, the step would be compiled twice: for the first call's layout,
  and for that of its own result.
  """
  mesh = Mesh(np.asarray(devices), (AXIS,))
  sharding = NamedSharding(mesh, PartitionSpec())
  # No alias: the step uses its state up, and the caller may need the tree.
  return jax.device_put(tree, sharding, may_alias=False)


def share(batch: Any, devices: Sequence[jax.Device]) -> jax.Array:
  """Puts equal parts of a batch's rows on devices, for a jitted function."""
  mesh = Mesh(np.asarray(devices), (AXIS,))
  return jax.device_put(batch, NamedSharding(mesh, PartitionSpec(AXIS)))
