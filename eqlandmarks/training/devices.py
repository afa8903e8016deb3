"""Devices: the one place that knows of `pmap`."""

import contextlib
import hashlib
import os
import pathlib
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec

# The mapped axis over devices.
AXIS = 'devices'

# Of compiled programs that are kept; those of a run take a few MiB.
_CACHE_BYTES = 2**30


def use_all_cores(batch_size: int, num_parts: int = 1) -> None:
  """Makes each CPU core a device of its own, where the CPU is what there is.

  XLA spreads a small net's operations badly over the cores of one CPU device;
  data parallelism keeps them busy. As many cores are used as divide the batch.
  To be called before JAX looks for its devices.

  Args:
    batch_size: images per step, over all devices together.
    num_parts: equal parts that processes and `accumulate` cut it into anyhow.
  """
  cores = len(os.sched_getaffinity(0)) if hasattr(
      os, 'sched_getaffinity'
  ) else os.cpu_count() or 1
  count = max(
      n
      for n in range(1, cores + 1)
      # Where no number does, the check of the batch says so.
      if n == 1 or batch_size % (n * num_parts) == 0
  )
  jax.config.update('jax_num_cpu_devices', count)


def keep_compiled() -> None:
  """Keeps compiled programs in the user's cache folder, from run to run.

  The folder is that of this kind of processor: a home may be shared by several,
  and what XLA compiles for one can be too new for another. Where no file can be
  written, or a folder is set already (JAX_COMPILATION_CACHE_DIR), nothing is
  changed. To be called before JAX compiles anything.
  """
  if jax.config.jax_compilation_cache_dir:
    return
  base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  folder = pathlib.Path(base) / 'eqlandmarks' / 'jax' / _processor()
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
    _prune(folder.parent)
  except OSError:  # a home that is read-only, full, or not there
    return
  jax.config.update('jax_compilation_cache_dir', str(folder))


def _processor() -> str:
  """A name for what a processor can do."""
  about = [platform.machine(), platform.processor()]
  with contextlib.suppress(OSError):
    text = pathlib.Path('/proc/cpuinfo').read_text('utf-8', 'replace')
    lines = text.splitlines()
    about += [line for line in lines if line.startswith(('flags', 'Features'))]
  return hashlib.sha256('\n'.join(sorted(set(about))).encode()).hexdigest()[:16]


def _prune(folder: pathlib.Path) -> None:
  """Removes the programs that were not used for longest, beyond a size.

  JAX's own bound needs a lock at every read, which a home on a network may not
  have. A file that another process has removed already is no error.
  """
  programs = []
  for path in folder.rglob('*'):
    with contextlib.suppress(FileNotFoundError):
      if path.is_file():
        about = path.stat()
        used = max(about.st_atime, about.st_mtime)
        programs.append((used, about.st_size, path))
  size = 0
  for _, bytes_, path in sorted(programs, reverse=True):
    size += bytes_
    if size > _CACHE_BYTES:
      path.unlink(missing_ok=True)


# Those that `using` has chosen.
_chosen: Sequence[jax.Device] | None = None


@contextlib.contextmanager
def using(devices: Sequence[jax.Device]) -> Iterator[None]:
  """Within it, training takes these devices of a single process alone."""
  global _chosen
  before, _chosen = _chosen, devices
  try:
    yield
  finally:
    _chosen = before


def local_devices() -> list[jax.Device]:
  """This process's devices, in the order of its rows of a batch."""
  devices = jax.local_devices() if _chosen is None else _chosen
  return sorted(devices, key=lambda device: device.id)


def all_devices() -> list[jax.Device]:
  """The devices of all processes, in the order of the rows of a batch."""
  if jax.process_count() == 1:
    return local_devices()
  return sorted(jax.devices(), key=lambda d: (d.process_index, d.id))


def parallelize(
    step: Callable[..., Any],
    devices: Sequence[jax.Device],
    *,
    donate: bool = True,
) -> Callable[..., Any]:
  """Maps a step over the devices of all processes, as `all_devices` has them.

  The state and the key are the same on all devices, never stacked; the images
  are `[devices, B / devices, ...]`. With several processes, each calls it with
  what its own devices hold, and gets that.

  Args:
    step: a pure function of state, images and key that reduces over `AXIS`.
    devices: of all processes.
    donate: whether the state that is given is used up.
  """
  return jax.pmap(
      step,
      axis_name=AXIS,
      in_axes=(None, 0, None),
      out_axes=(None, None),
      devices=devices,
      donate_argnums=(0,) if donate else (),
  )


def map_parts(
    function: Callable[[Any, Any], Any], devices: Sequence[jax.Device]
) -> Callable[[Any, Any], Any]:
  """Maps a function over parts of many images, one on each of these devices.

  Args:
    function: of what is the same for all, and of a tree of arrays.
    devices: of this process.

  Returns:
    The function, of arrays `[B, ...]` whose B the devices divide.
  """
  mesh = Mesh(np.asarray(devices), (AXIS,))
  return jax.jit(jax.shard_map(
      function,
      mesh=mesh,
      in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
      out_specs=PartitionSpec(AXIS),
      check_vma=False,
  ))


def largest(devices: Sequence[jax.Device]) -> Callable[[Any], jax.Array]:
  """From a number per device to the largest of all, on all devices."""
  return jax.pmap(
      lambda x: jax.lax.pmax(x, AXIS),
      axis_name=AXIS,
      out_axes=None,
      devices=devices,
  )


def gather(devices: Sequence[jax.Device]) -> Callable[..., jax.Array]:
  """The choice of rows on devices of this process that all hold an array.

  Returns:
    From a replicated `[N, ...]` and rows `[devices, B / devices]` to
    `[devices, B / devices, ...]`, where the mapped step wants it.
  """
  return jax.jit(
      lambda array, rows: array[rows], out_shardings=_sharding(devices, AXIS)
  )


def replicate(tree: Any, devices: Sequence[jax.Device]) -> Any:
  """Puts a tree on all devices as the mapped step returns it.

  Without it, the step would be compiled twice: for the first call's layout,
  and for that of its own result.
  """
  # No alias: the step uses its state up, and the caller may need the tree.
  return jax.device_put(tree, _sharding(devices), may_alias=False)


def share(batch: Any, devices: Sequence[jax.Device]) -> jax.Array:
  """Puts equal parts of a batch's rows on devices, for a jitted function."""
  return jax.device_put(batch, _sharding(devices, AXIS))


def _sharding(devices: Sequence[jax.Device], *axes: str) -> NamedSharding:
  return NamedSharding(Mesh(np.asarray(devices), (AXIS,)), PartitionSpec(*axes))
