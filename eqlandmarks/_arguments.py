"""Checks of the losses' arguments, and their precision."""

import numbers

import jax
import jax.numpy as jnp


def at_least_float32(array: jax.Array) -> jax.Array:
  """The array in float32, or in its own dtype where that is wider."""
  return array.astype(jnp.result_type(array, jnp.float32))


def check_floats(**arrays: jax.Array) -> None:
  """Refuses integers, which have no gradient and round a temperature."""
  for name, array in arrays.items():
    dtype = getattr(array, 'dtype', type(array).__name__)
    if not (hasattr(array, 'dtype') and jnp.issubdtype(dtype, jnp.floating)):
      raise ValueError(f'{name} must be a floating-point array, got {dtype}.')


def check_mask(valid: jax.Array, shape: tuple[int, ...]) -> None:
  """Refuses a mask of another dtype or shape."""
  dtype = getattr(valid, 'dtype', type(valid).__name__)
  if dtype != 'bool':
    raise ValueError(f'valid must be a boolean array, got {dtype}.')
  if valid.shape != shape:
    raise ValueError(f'valid must have shape {shape}, got {valid.shape}.')


def check_patches(probabilities: jax.Array, patch: int) -> None:
  """Refuses what is no `[..., H, W, K]`, and patches of no whole pixels."""
  check_floats(probabilities=probabilities)
  if probabilities.ndim < 3:
    raise ValueError(
        f'probabilities must be [..., H, W, K], got {probabilities.shape}.'
    )
  if not isinstance(patch, numbers.Integral) or patch < 1:
    raise ValueError(
        f'patch must be a whole number of at least 1 pixel, got {patch}.'
    )
