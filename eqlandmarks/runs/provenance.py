"""What a result depends on beside the config: versions, devices and commit."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

import jax

import eqlandmarks

# Of the workdir, as run.json tells it: raised when what it holds changes.
FORMAT = 1
_PACKAGES = ('eqlandmarks', 'jax', 'jaxlib', 'flax', 'optax',
             'orbax-checkpoint', 'tensorstore', 'grain', 'tensorflow-datasets',
             'numpy', 'scipy', 'scikit-learn', 'pillow', 'ml-collections')


def of(config: Any) -> dict[str, Any]:
  """Versions, devices, seeds and commit: what a result depends on."""
  versions = {name: _version(name) for name in _PACKAGES}
  return {
      'versions': {'python': platform.python_version(), **versions},
      'devices': [str(device) for device in jax.devices()],
      'platform': platform.platform(),
      'seed': config.seed,
      'seeds': {'run': config.seed, 'dataset': config.dataset.get('seed')},
      'git_commit': _git_commit(),
  }


def line() -> str:
  """The same in short, for the log."""
  devices = jax.local_devices()
  return (
      f'eqlandmarks {_version("eqlandmarks")}, commit {_git_commit()}, jax '
      f'{_version("jax")}, {len(devices)} x {devices[0].device_kind}, process '
      f'{os.getpid()} on {platform.node()}'
  )


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


def _git_commit() -> str | None:
  """The commit of the checkout that this file belongs to, if any."""
  # The folder of the package lies at the top of it.
  checkout = pathlib.Path(eqlandmarks.__file__).resolve().parents[1]
  try:
    answer = subprocess.run(
        ['git', 'rev-parse', '--show-toplevel', 'HEAD'],
        cwd=checkout, capture_output=True, text=True, timeout=10, check=True,
    )  # fmt: skip
  except (OSError, subprocess.SubprocessError):
    return None
  root, commit = answer.stdout.split('\n')[:2]
  # An installed copy may lie below another project's checkout.
  return commit if pathlib.Path(root).resolve() == checkout else None
