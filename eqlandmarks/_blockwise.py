"""Log-sum-exp over the rows of a similarity matrix that is never held.

The matrix is computed a block of rows at a time, and again for the gradient, as
in "FlashAttention" by Dao et al., 2022: memory grows with the number of
vectors, not with its square.
"""

import functools

import jax
import jax.numpy as jnp

__all__ = ['logsumexp_similarities']

# Stands for minus infinity; finite, since -inf - -inf is NaN in a gradient.
_NEVER = -1e9

# Up to this many similarities, 4 MiB, are held whole.
_WHOLE = 2**20

# Of more, a block holds at most this many: 64 MiB on an accelerator. On a CPU,
# smaller blocks of few rows are faster.
_BLOCK, _BLOCK_ON_CPU, _ROWS_ON_CPU = 2**24, 2**23, 512


def logsumexp_similarities(
    rows: jax.Array,
    columns: jax.Array,
    *,
    temperature: jax.typing.ArrayLike,
    usable: jax.Array,
    skip: jax.Array,
    block_size: int | None = None,
) -> jax.Array:
  """For each row r, log of the sum over columns c of exp(r . c / temperature).

  Args:
    rows: `[R, D]`, float32 or float64.
    columns: `[C, D]`, of the same dtype.
    temperature: scalar.
    usable: `[C]` boolean, the columns that are summed over; the others may have
      any value, NaN included.
    skip: `[R]` integer, one further column that each row leaves out; none where
      there is no column of that number.
    block_size: rows of the matrix that are held at a time, 0 for all of them;
      by default it follows from the matrix's size. Blocks have a gradient, but
      no forward-mode or second derivative.

  Returns:
    `[R]`; about -1e9 where no column is left.
  """
  columns = jnp.where(usable[:, None], columns, 0)
  if block_size is None:
    block_size = _choose(len(rows), len(columns))
  if block_size == 0 or block_size >= len(rows):
    logits = _left_out(_matmul(rows, columns.T) / temperature, skip, usable)
    return jax.nn.logsumexp(logits, axis=1)
  return _in_blocks(rows / temperature, columns, usable, skip, block_size)


def _choose(rows: int, columns: int) -> int:
  if rows * columns <= _WHOLE:
    return 0
  if jax.default_backend() == 'cpu':
    return max(1, min(_ROWS_ON_CPU, _BLOCK_ON_CPU // columns))
  return max(1, min(rows, _BLOCK // columns))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _in_blocks(
    rows: jax.Array,
    columns: jax.Array,
    usable: jax.Array,
    skip: jax.Array,
    block_size: int,
) -> jax.Array:
  return _forward(rows, columns, usable, skip, block_size)[0]


def _forward(
    rows: jax.Array,
    columns: jax.Array,
    usable: jax.Array,
    skip: jax.Array,
    block_size: int,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
  def block(part: tuple[jax.Array, jax.Array]) -> jax.Array:
    return jax.nn.logsumexp(_logits(*part, columns, usable), axis=1)

  parts = _split(rows, block_size), _split(skip, block_size)
  result = jax.lax.map(block, parts).reshape(-1)[: len(rows)]
  return result, (rows, columns, usable, skip, result)


def _backward(
    block_size: int, kept: tuple[jax.Array, ...], cotangent: jax.Array
) -> tuple[jax.Array | None, ...]:
  rows, columns, usable, skip, result = kept

  def block(
      total: jax.Array, part: tuple[jax.Array, ...]
  ) -> tuple[jax.Array, jax.Array]:
    of_rows, of_skip, of_result, of_cotangent = part
    logits = _logits(of_rows, of_skip, columns, usable)
    weights = jnp.exp(logits - of_result[:, None]) * of_cotangent[:, None]
    # Where no column is left, each would have a weight of about 1.
    weights = jnp.where(_kept(of_skip, usable), weights, 0.0)
    return total + _matmul(weights.T, of_rows), _matmul(weights, columns)

  # The added zero varies over the same mapped axes as what is summed up.
  zeros = jnp.zeros_like(columns) + 0.0 * jnp.sum(cotangent)
  parts = [_split(x, block_size) for x in (rows, skip, result, cotangent)]
  of_columns, of_rows = jax.lax.scan(block, zeros, tuple(parts))
  of_rows = of_rows.reshape(-1, rows.shape[1])[: len(rows)]
  return of_rows, of_columns, None, None


_in_blocks.defvjp(_forward, _backward)


def _logits(
    rows: jax.Array, skip: jax.Array, columns: jax.Array, usable: jax.Array
) -> jax.Array:
  """`[rows, columns]` similarities, those that do not count at `_NEVER`."""
  return _left_out(_matmul(rows, columns.T), skip, usable)


def _left_out(
    logits: jax.Array, skip: jax.Array, usable: jax.Array
) -> jax.Array:
  """`[rows, columns]` logits, with `_NEVER` where they do not count."""
  return jnp.where(_kept(skip, usable), logits, _NEVER)


def _kept(skip: jax.Array, usable: jax.Array) -> jax.Array:
  """`[rows, columns]`: whether a column counts for a row."""
  return usable[None] & (jnp.arange(len(usable))[None] != skip[:, None])


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
  # Not in TF32, as a GPU would: the logits are divided by the temperature.
  return jnp.matmul(a, b, precision='highest')


def _split(array: jax.Array, size: int) -> jax.Array:
  """`[N, ...]` to `[ceil(N / size), size, ...]`, filled up with zeros."""
  missing = -len(array) % size
  pad = [(0, missing)] + [(0, 0)] * (array.ndim - 1)
  return jnp.pad(array, pad).reshape(-1, size, *array.shape[1:])
