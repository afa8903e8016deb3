"""In what precision the library computes."""

import jax
import jax.numpy as jnp

__all__ = ['at_least_float32']


def at_least_float32(array: jax.Array) -> jax.Array:
  """An array in float32, or as it is where it has more digits than that.

  Sums over thousands of pixels have no digits to spare in bfloat16. Under
  `jax_enable_x64` the same code computes in float64, where statements about
  algebra, such as that eight devices make the update of one, can be tested
  apart from rounding.
  """
  return array.astype(jnp.promote_types(array.dtype, jnp.float32))
