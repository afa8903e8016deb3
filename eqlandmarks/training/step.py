"""The state of a stage, its optimiser, and its data-parallel step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from eqlandmarks.training.devices import AXIS
from eqlandmarks.training.objectives import base as objectives


@flax.struct.dataclass
class TrainState:
  """All that changes from step to step, and what is held fixed.

  Attributes:
    step: number of updates done.
    params: parameters that are trained, by net.
    batch_stats: their batch statistics, by net ({} without batch norm).
    frozen: variables of the nets that are not trained, by net.
    opt_state: state of the optimiser.
  """

  step: jax.Array
  params: dict[str, Any]
  batch_stats: dict[str, Any]
  frozen: dict[str, Any]
  opt_state: Any

  def variables(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The variables of all nets, with other trained parameters if given."""
    params = self.params if params is None else params
    return {
        **self.frozen,
        **{net: join(params[net], self.batch_stats[net]) for net in params},
    }


def join(params: Any, batch_stats: Any) -> dict[str, Any]:
  """A net's variables from its parameters and its batch statistics."""
  stats = {'batch_stats': batch_stats} if batch_stats else {}
  return {'params': params, **stats}


def epoch_of(
    step: jax.typing.ArrayLike, num_images: int, batch_size: int
) -> jax.Array:
  """The epoch, from 0, to which the first image of a batch belongs.

  Epochs need not be whole numbers of batches. The product of step and batch
  size itself would overflow in a long training.
  """
  whole, left = jnp.divmod(step, num_images)
  return whole * batch_size + left * batch_size // num_images


def make_optimizer(
    stage: Any,
    *,
    num_images: int,
    batch_size: int,
    rates: Mapping[str, float],
) -> optax.GradientTransformation:
  """Adam with per-epoch decay and L2 regularisation in the gradient.

  Args:
    stage: fields `learning_rate`, `decay` (factor after each epoch), `l2`, and
      `clip_norm`, above which the norm of all nets' gradient is scaled down to
      it (before the regularisation is added); 0 does not.
    num_images: in an epoch.
    batch_size: images per update.
    rates: the trained nets, and for each the factor on its learning rate.
  """

  def adam(rate: float) -> optax.GradientTransformation:
    per_epoch = optax.exponential_decay(
        rate * stage.learning_rate, 1, stage.decay
    )
    # Coupled: before Adam, as "L2 regularisation" says, not decoupled (AdamW).
    return optax.chain(
        optax.add_decayed_weights(stage.l2),
        optax.adam(
            lambda step: per_epoch(epoch_of(step, num_images, batch_size))
        ),
    )

  optimizer = optax.partition(
      {net: adam(rate) for net, rate in rates.items()},
      lambda params: {net: net for net in params},
  )
  if not stage.clip_norm:
    return optimizer
  return optax.chain(optax.clip_by_global_norm(stage.clip_norm), optimizer)


def create_state(
    variables: dict[str, Any],
    trained: Sequence[str],
    optimizer: optax.GradientTransformation,
) -> TrainState:
  """A state at step 0 that trains some of the nets and holds the others."""
  params = {net: variables[net]['params'] for net in trained}
  return TrainState(
      step=jnp.zeros((), jnp.int32),
      params=params,
      batch_stats={n: variables[n].get('batch_stats', {}) for n in trained},
      frozen={n: v for n, v in variables.items() if n not in trained},
      opt_state=optimizer.init(params),
  )


def make_step(
    loss: Callable[..., objectives.Output],
    optimizer: optax.GradientTransformation,
    *,
    accumulate: int = 1,
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
  """The pure `step(state, images, key)` of a stage, to run under `AXIS`.

  Every image draws from its own key, folded from the step's number and the
  image's place in the global batch: the devices' number changes nothing. The
  shares of gradients and metrics are reduced here and nowhere else.

  Args:
    loss: from `objectives.base.make_loss`, of variables, images and keys. The
      images are `[B, H, W, 3]`, or a dict of them with their labels (see
      `loader.LabelledImages`).
    optimizer: as from `make_optimizer`.
    accumulate: parts that a device takes its images in, one after the other,
      so that the activations of one part only are held. The loss is the mean
      over the parts: what it compares with each other, such as the negatives of
      a batch, is within a part.
  """

  def step(
      state: TrainState, images: Any, key: jax.Array
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    keys = image_keys(state, images, key)
    each, stats = shares(loss, state, images, keys, accumulate)
    grads, metrics = jax.lax.psum(each, AXIS)
    updates, opt_state = optimizer.update(
        grads, state.opt_state, state.params
    )
    metrics['gradient_norm'] = optax.tree.norm(grads)
    metrics['update_norm'] = optax.tree.norm(updates)
    return state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats={net: stats[net] for net in state.params},
        opt_state=opt_state,
    ), metrics

  return step


def image_keys(state: TrainState, images: Any, key: jax.Array) -> jax.Array:
  """The keys of a device's images in the step from a state, under `AXIS`."""
  count = len(jax.tree.leaves(images)[0])
  place = jax.lax.axis_index(AXIS) * count + jnp.arange(count)
  key = jax.random.fold_in(key, state.step)
  return jax.vmap(jax.random.fold_in, (None, 0))(key, place)


def parts(images: Any, keys: jax.Array, count: int) -> list[Any]:
  """A device's images and keys in equal parts, `[count, B / count, ...]`."""
  return jax.tree.map(
      lambda x: x.reshape(count, -1, *x.shape[1:]), [images, keys]
  )


def shares(
    loss: Callable[..., objectives.Output],
    state: TrainState,
    images: Any,
    keys: jax.Array,
    accumulate: int,
) -> tuple[tuple[Any, dict[str, jax.Array]], dict[str, Any]]:
  """A device's shares of (gradients, metrics), and its batch statistics."""

  def part(stats: dict[str, Any], inputs: Any) -> tuple[dict[str, Any], Any]:
    now = state.replace(batch_stats=stats)

    def of_params(params: Any) -> objectives.Output:
      return loss(now.variables(params), *inputs)

    grads, (metrics, new) = jax.grad(of_params, has_aux=True)(state.params)
    return {net: new[net] for net in state.params}, (grads, metrics)

  if accumulate == 1:
    stats, share = part(state.batch_stats, (images, keys))
    return share, stats
  inputs = parts(images, keys, accumulate)

  def add(carry: Any, inputs: Any) -> tuple[Any, None]:
    stats, total = carry
    stats, share = part(stats, tuple(inputs))
    return (stats, jax.tree.map(jnp.add, total, share)), None

  first = jax.tree.map(lambda x: x[0], tuple(inputs))
  shapes = jax.eval_shape(part, state.batch_stats, first)
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes[1])
  (stats, total), _ = jax.lax.scan(add, (state.batch_stats, zeros), inputs)
  return jax.tree.map(lambda x: x / accumulate, total), stats
