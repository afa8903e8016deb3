"""A trained model as one file: what `--mode=export` writes, and how to use it.

    model = exporting.load('runs/mine/export/model.jaxexport')
    points = model(images)     # uint8 [B, S, S, 3]
    points['landmarks']        # [B, K, 2], (row, column) in their pixels

The file is what `jax.export` makes of the trained nets, and JAX alone reads it
too (docs/export.md). Here it is checked that it is one of ours, and that the
images are what it was made for. Needs nothing but jax and flatbuffers.
"""

import hashlib
import json
import os
import re
import struct
from typing import Any

import jax
from jax import export as jax_export

from eqlandmarks import errors

__all__ = ['FORMAT', 'Model', 'load']

# Raised when what a file describes, takes or gives back changes.
FORMAT = 1

# The checksum in a file; its own place holds zeros when it is made.
_SHA256 = b'"sha256": "%s"'
_NONE_YET = _SHA256 % (b'0' * 64)


class Model:
  """A model that has been read from a file.

  Attributes:
    description: how it was made and what it takes, see docs/export.md.
    image_size: S, the side of the images.
  """

  def __init__(
      self, exported: jax_export.Exported, description: dict[str, Any]
  ):
    self.description = description
    self.image_size: int = description['image_size']
    self._call = jax.jit(exported.call)

  def __call__(self, images: Any) -> dict[str, jax.Array]:
    """Finds the landmarks.

    Args:
      images: uint8 `[B, S, S, 3]`, RGB, of any B >= 1. Each B is compiled for
        once.

    Returns:
      Float32 `landmarks` `[B, K, 2]`, (row, column) in pixels of the images,
      and their `confidence` `[B, K]`; with a fitted regressor `annotations`
      `[B, J, 2]` and `annotation_confidence` `[B, J]` as well.

    Raises:
      ValueError: another shape or dtype.
    """
    size = self.image_size
    shape = getattr(images, 'shape', ())
    dtype = getattr(images, 'dtype', type(images).__name__)
    right = dtype == 'uint8' and shape[1:] == (size, size, 3)
    if not right or not shape[0]:
      raise ValueError(
          f'images must be uint8 [B, {size}, {size}, 3] with B >= 1, got '
          f'{dtype} of shape {shape}.'
      )
    return self._call(images)


def sealed(content: bytes) -> bytes:
  """The bytes of a file with their SHA-256 in the place of 64 zeros."""
  digest = hashlib.sha256(content).hexdigest().encode()
  return content.replace(_NONE_YET, _SHA256 % digest, 1)


def load(path: str | os.PathLike[str]) -> Model:
  """Reads a file that `--mode=export` has written.

  Raises:
    UserError: there is no such file, it is another one, or it was written by
      a version of eqlandmarks or JAX that this one does not understand, or
      its bytes are not those that were written.
  """
  try:
    with open(path, 'rb') as file:
      content = file.read()
  except OSError as error:
    raise errors.UserError(
        f'{path}: cannot be read ({error.strerror}), expected a file of '
        '--mode=export.'
    ) from error
  seal = re.search(_SHA256 % b'[0-9a-f]{64}', content)
  if seal:
    unsealed = content[: seal.start()] + _NONE_YET + content[seal.end() :]
  # Before it is taken apart by what is not made for damaged files.
  if seal and sealed(unsealed) != content:
    raise _damaged(path)
  try:
    exported = jax_export.deserialize(bytearray(content))
  # Whatever the bytes make flatbuffers and JAX do.
  except (
      struct.error, ValueError, TypeError, KeyError, IndexError,
      AssertionError, AttributeError, NotImplementedError, RuntimeError,
  ) as error:  # fmt: skip
    raise errors.UserError(
        f'{path}: is damaged, or written for another JAX than {jax.__version__}'
        f' ({type(error).__name__}); expected a file of --mode=export.'
    ) from error
  try:
    description = json.loads(exported.fun_name)
    format_, version = description['format'], description['version']
  except (ValueError, KeyError, TypeError, RecursionError) as error:
    raise errors.UserError(
        f'{path}: is the exported function {exported.fun_name!r}, expected a '
        'file of --mode=export.'
    ) from error
  if format_ != FORMAT:
    raise errors.UserError(
        f'{path}: format is {format_!r}, written by eqlandmarks {version}; '
        f'expected {FORMAT}.'
    )
  if not seal:
    raise _damaged(path)
  return Model(exported, description)


def _damaged(path: str | os.PathLike[str]) -> errors.UserError:
  return errors.UserError(
      f'{path}: is damaged (its SHA-256 differs), expected what --mode=export '
      'wrote, which writes it anew.'
  )
