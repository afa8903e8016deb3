"""Parameters and configs for the tests marked x64, which compute in float64."""

import jax
import numpy as np


def of(tree):
  """The floating-point arrays of a tree in float64."""
  return jax.tree.map(
      lambda leaf: np.asarray(leaf, np.float64)
      if np.issubdtype(leaf.dtype, np.floating)
      else leaf,
      tree,
  )


def apart(first, second):
  """The largest difference of any two numbers of two trees."""
  each = jax.tree.map(
      lambda a, b: np.abs(np.subtract(a, b)).max(initial=0.0), first, second
  )
  return max(jax.tree.leaves(each), default=0.0)
