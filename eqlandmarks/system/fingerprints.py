"""SHA-256 of whatever must be told apart or recognised."""

import hashlib
import json
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from eqlandmarks.errors import UserError


def of_json(content: Any) -> str:
  """Of what JSON can hold, by its text."""
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def of_values(*parts: Any) -> str:
  """Of values that JSON can hold, and of bytes."""
  digest = hashlib.sha256()
  for part in parts:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    digest.update(hashlib.sha256(content).digest())
  return digest.hexdigest()


def of_file(path: pathlib.Path) -> str:
  """Of a file's bytes, which are not held in memory."""
  try:
    with path.open('rb') as file:
      return hashlib.file_digest(file, 'sha256').hexdigest()
  except OSError as error:
    raise UserError(
        f'{path}: cannot be read ({error.strerror}), expected a file'
    ) from error


def of_stats(root: pathlib.Path, names: Iterable[str]) -> str:
  """Of the names, sizes and times of files below `root`, which are not read.

  Missing files do not count: reading them reports them.
  """
  digest = hashlib.sha256()
  for name in names:
    try:
      stat = (root / name).stat()
    except OSError:
      continue
    # The change time tells of a file that was copied with its time.
    times = [t // 1_000_000 for t in (stat.st_mtime_ns, stat.st_ctime_ns)]
    digest.update(json.dumps([str(name), stat.st_size, *times]).encode())
  return digest.hexdigest()


def of_picture(pixels: np.ndarray) -> np.ndarray:
  """Of an image's shape and pixels, uint8 `[32]`."""
  digest = hashlib.sha256(str(pixels.shape).encode())
  digest.update(np.ascontiguousarray(pixels).tobytes())
  return np.frombuffer(digest.digest(), np.uint8)


def of_parameters(variables: Any) -> str:
  """Of the parameters of nets by name: all bytes, in sorted path order."""
  import jax  # slow, and not needed for the rest

  params = {net: each['params'] for net, each in variables.items()}
  leaves = jax.tree_util.tree_flatten_with_path(params)[0]
  named = sorted((jax.tree_util.keystr(path), leaf) for path, leaf in leaves)
  digest = hashlib.sha256()
  for _, leaf in named:
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()
