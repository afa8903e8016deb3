"""The paper's losses, as pure functions of arrays.

"Pretrained equivariant features improve unsupervised landmark discovery" by
Rahaman, Ghosh and Thiery, 2021 (https://arxiv.org/abs/2104.02925). Equation
numbers are the paper's. Points are (row, column) in pixels (see
`eqlandmarks.geometry`), heatmaps `[..., H, W, K]`. Nothing here knows of nets,
configs or data; everything works under jit, vmap, grad, pmap and shard_map, and
computes in float32, or in float64 where the arguments are.
"""

import math
import numbers
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec

from eqlandmarks import _arguments
from eqlandmarks import _blockwise
from eqlandmarks import geometry

__all__ = ['contrastive', 'diversity', 'equivariance', 'variance']


def contrastive(
    features: jax.Array,
    warped_features: jax.Array,
    *,
    temperature: float = 0.1,
    valid: jax.Array | None = None,
    axis_name: str | None = None,
    block_size: int | None = None,
) -> jax.Array:
  """Contrastive loss of corresponding pixel features, equation (7).

  Row n of both arrays is the same place of an object, seen in an image and in
  its warped copy; all other rows, of all images, are negatives. The two terms
  log p and log p' are summed, as printed, not averaged.

  The `[2N, 2M]` similarities, of M pairs on all devices, are held whole where
  they are few, and otherwise a block of rows at a time (see
  `eqlandmarks._blockwise`); the loss then has a gradient, but no forward-mode
  or second derivative.

      loss = losses.contrastive(
          geometry.sample(f(x), points),
          geometry.sample(f(warps.warp_image(g, x)), g(points)),
          valid=geometry.inside(g(points), x.shape[:2]),
      )

  Args:
    features: `[N, D]`, f at the sampled locations.
    warped_features: `[N, D]`, f' at the images of these locations.
    temperature: tau.
    valid: `[N]` boolean; a pair that is not valid (its point left the image,
      say) is neither anchor nor negative, and its features may have any value,
      NaN included. All pairs are valid by default.
    axis_name: name of a mapped axis. The negatives are then gathered from all
      its devices, and the result is this device's share: the loss is the
      `psum` of the results, its gradient the `psum` of the gradients.
    block_size: rows of the similarities that are held at a time; 0 holds all of
      them. By default it follows from their number.

  Returns:
    Scalar: minus the mean over the valid pairs of log p + log p'; 0 where no
    pair is valid.

  Raises:
    ValueError: shapes or dtypes that do not match, a temperature
      that is not above 0, or a negative block size.
  """
  _arguments.check_floats(features=features, warped_features=warped_features)
  if (
      features.ndim != 2
      or features.shape != warped_features.shape
      or features.size == 0
  ):
    raise ValueError(
        'contrastive needs two arrays [N, D] of one shape, not empty, got '
        f'{features.shape} and {warped_features.shape}.'
    )
  count = features.shape[0]
  if valid is not None:
    _arguments.check_mask(valid, (count,))
  if isinstance(temperature, numbers.Real) and not temperature > 0:
    raise ValueError(f'temperature must be above 0, got {temperature}.')
  if block_size is not None and block_size < 0:
    raise ValueError(f'block_size must be 0 or more, got {block_size}.')
  shardings = [jax.typeof(x).sharding for x in (features, warped_features)]
  shardings = [each for each in shardings if any(each.spec)]
  if shardings and axis_name is None:
    return _contrastive_on_mesh(
        shardings[0],
        (features, warped_features, valid, temperature), block_size,
    )  # fmt: skip
  if valid is None:
    valid = jnp.ones(count, bool)
  else:
    # Masked first: zero times what is not finite is not zero.
    features, warped_features = (
        jnp.where(valid[:, None], x, 0) for x in (features, warped_features)
    )
  anchors = geometry.unit_vectors(jnp.stack([features, warped_features]))
  others, usable, first = anchors, valid, 0
  if axis_name is not None:
    others = jax.lax.all_gather(anchors, axis_name, axis=1, tiled=True)
    usable = jax.lax.all_gather(valid, axis_name, tiled=True)
    first = jax.lax.axis_index(axis_name) * count
  log_p = _log_probability(
      anchors, others, usable, first, temperature, block_size
  )
  total = jnp.sum(jnp.where(valid, log_p.sum(0), 0.0))
  return -total / jnp.maximum(jnp.sum(usable), 1)


def _contrastive_on_mesh(
    sharding: NamedSharding, arguments: tuple[Any, ...], block_size: int | None
) -> jax.Array:
  """`contrastive` of pairs that are spread over an explicit mesh.

  A block is rows of one device, so each takes its own pairs and gathers the
  negatives, as with `axis_name`.

  Args:
    sharding: of the features.
    arguments: both features, valid and temperature.
    block_size: as in `contrastive`.
  """
  axis, mesh = sharding.spec[0], sharding.mesh

  def share(
      features: jax.Array, warped: jax.Array, valid: Any, temperature: Any
  ) -> jax.Array:
    loss = contrastive(
        features, warped, temperature=temperature, valid=valid,
        axis_name=axis, block_size=block_size,
    )  # fmt: skip
    return loss if axis is None else jax.lax.psum(loss, axis)

  *rows, temperature = arguments
  of_rows = NamedSharding(mesh, PartitionSpec(axis))
  rows = jax.tree.map(lambda x: jax.sharding.reshard(x, of_rows), rows)
  if axis is None:  # the features' channels are
    return share(*rows, temperature)
  return jax.shard_map(
      share, mesh=mesh,
      in_specs=(*[PartitionSpec(axis)] * 3, PartitionSpec()),
      out_specs=PartitionSpec(),
  )(*rows, temperature)


def _log_probability(
    anchors: jax.Array,
    others: jax.Array,
    usable: jax.Array,
    first: jax.Array | int,
    temperature: float,
    block_size: int | None,
) -> jax.Array:
  """Log p and log p' of (7), `[2, N]`.

  Args:
    anchors: `[2, N, D]`, unit features of the images and of their warps.
    others: `[2, M, D]`, the same of all devices; M >= N.
    usable: `[M]`, which of them may be compared with.
    first: position of the first anchor in `others`.
    temperature: tau.
    block_size: as in `contrastive`.
  """
  count, total = anchors.shape[1], others.shape[1]
  # A row leaves out its similarity to itself.
  itself = first + jnp.arange(count)
  sums = _blockwise.logsumexp_similarities(
      anchors.reshape(2 * count, -1),
      others.reshape(2 * total, -1),
      temperature=temperature,
      usable=jnp.concatenate([usable, usable]),
      skip=jnp.concatenate([itself, total + itself]),
      block_size=block_size,
  )
  positive = jnp.sum(anchors[0] * anchors[1], axis=-1) / temperature
  return positive[None] - sums.reshape(2, count)


def equivariance(
    points_of_warped: jax.Array,
    warped_points: jax.Array,
    *,
    valid: jax.Array | None = None,
) -> jax.Array:
  """Equivariance loss, equation (2).

  Args:
    points_of_warped: `[..., K, 2]`, y[g(x)], found in the warped image.
    warped_points: `[..., K, 2]`, g[y(x)], found in the image, then warped.
    valid: `[..., K]` boolean; landmarks that count, all by default.

  Returns:
    `[...]`: mean over the valid landmarks of the squared distance, in squared
    pixels; 0 where none is valid.

  Raises:
    ValueError: shapes or dtypes that do not match.
  """
  _arguments.check_floats(
      points_of_warped=points_of_warped, warped_points=warped_points
  )
  if (
      points_of_warped.shape != warped_points.shape
      or points_of_warped.shape[-1:] != (2,)
      or points_of_warped.ndim < 2
  ):
    raise ValueError(
        'equivariance needs two arrays [..., K, 2] of one shape, got '
        f'{points_of_warped.shape} and {warped_points.shape}.'
    )
  difference = _arguments.at_least_float32(points_of_warped - warped_points)
  if valid is None:
    return jnp.mean(jnp.sum(difference**2, axis=-1), axis=-1)
  _arguments.check_mask(valid, warped_points.shape[:-1])
  # Masked before squaring: an invalid point may be huge or not a number.
  difference = jnp.where(valid[..., None], difference, 0.0)
  total = jnp.sum(difference**2, axis=(-2, -1))
  return total / jnp.maximum(jnp.sum(valid, axis=-1), 1)


def diversity(probabilities: jax.Array, *, patch: int = 1) -> jax.Array:
  """Diversity loss, equation (3), on patches.

  The probabilities are summed over non-overlapping patches first, so that two
  landmarks repel each other over the patch's size, and the loss stays in
  [0, K - 1]: 0 for landmarks that share no patch, K - 1 for equal heatmaps.

  Args:
    probabilities: `[..., H, W, K]`, each channel summing to 1.
    patch: side of a patch, in pixels. An edge that does not fill a patch makes
      a smaller one.

  Returns:
    `[...]`.

  Raises:
    ValueError: fewer than three axes, another dtype, or a patch below one
      pixel.
  """
  _arguments.check_patches(probabilities, patch)
  pooled = _sum_patches(_arguments.at_least_float32(probabilities), patch)
  shared = jnp.sum(pooled, axis=-1) - jnp.max(pooled, axis=-1)
  return jnp.sum(shared, axis=(-2, -1))


def variance(spreads: jax.Array) -> jax.Array:
  """Variance loss: the mean spread of the heatmaps (Section 4 of the paper).

  Args:
    spreads: `[..., K]`, Tr(Cov) of each heatmap, from `heatmaps.spread`.

  Returns:
    `[...]`, in squared pixels.

  Raises:
    ValueError: no axis, or no floating-point array.
  """
  _arguments.check_floats(spreads=spreads)
  if not spreads.ndim:
    raise ValueError('spreads must be [..., K], got shape ().')
  return jnp.mean(_arguments.at_least_float32(spreads), axis=-1)


def _sum_patches(maps: jax.Array, patch: int) -> jax.Array:
  """`[..., ceil(H/patch), ceil(W/patch), K]`: sums over patches."""
  *batch, height, width, channels = maps.shape
  rows, columns = math.ceil(height / patch), math.ceil(width / patch)
  pad = [(0, 0)] * len(batch)
  pad += [(0, rows * patch - height), (0, columns * patch - width), (0, 0)]
  maps = jnp.pad(maps, pad)
  # One axis at a time, as arrays of an explicit mesh have it.
  maps = maps.reshape(*batch, rows, patch, columns * patch, channels)
  maps = maps.reshape(*batch, rows, patch, columns, patch, channels)
  return maps.sum(axis=(-4, -2))
