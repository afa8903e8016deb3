"""The parts of a step, each a program of its own.

Nothing of training is written a second time here: the parts are training's own
functions, in which whatever is not to be measured is given as an argument. The
compiler leaves out what a part's result does not need.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import nets as nets_lib
from eqlandmarks.training import devices
from eqlandmarks.training import step as step_lib
from eqlandmarks.training.objectives import base as objectives
from eqlandmarks.training.pairs import warped
from parts import timing
from parts import workload

FEATURES, LANDMARKS = nets_lib.FEATURES, nets_lib.LANDMARKS


@dataclasses.dataclass(frozen=True)
class Piece:
  """A compiled part.

  Attributes:
    call: runs it on arguments that it holds.
    flops: of one call, on all devices together.
    compiled: the program.
  """

  call: Callable[[], Any]
  flops: float
  compiled: Any


def whole(stage: workload.Stage, batch: np.ndarray) -> Piece:
  """The step as training runs it, from uint8 images in the host's memory."""
  return _stepping(stage, stage.mapped, batch)


def parts(stage: workload.Stage, batch: np.ndarray) -> dict[str, Piece]:
  """Augment, forward, gradient (forward and backward), loss and update."""
  state, key = stage.fresh_state(), workload.key()
  augment = _piece(_augment(stage), (0, None), batch, key)
  views = augment.call()
  variables = state.variables()
  forward = _piece(_forward(stage), (None, 0), variables, views)
  outputs = forward.call()
  return {
      'augment': augment,
      'forward': forward,
      'gradient': _piece(
          _gradient(stage), (None, 0, 0), variables, views, outputs
      ),
      'loss': _piece(
          _loss(stage), (0, None, 0, None), outputs, variables, batch, key
      ),
      'update': _update(stage, batch),
  }


def features_gradient(config: Any, batch: np.ndarray) -> Callable[[], Any]:
  """A call that differentiates a function of F's output at both views."""
  nets = nets_lib.make_nets(config, axis_name=devices.AXIS)
  variables = devices.replicate(
      nets.init(jax.random.key(0))[FEATURES], jax.local_devices()
  )

  def gradient(variables: Any, views: jax.Array) -> Any:
    def loss(params: Any) -> jax.Array:
      f, _ = nets_lib.apply_trained(
          nets.features, {**variables, 'params': params}, views
      )
      return jnp.mean(f.astype(jnp.float32) ** 2)

    return jax.lax.psum(jax.grad(loss)(variables['params']), devices.AXIS)

  to_float = jax.pmap(lambda x: jnp.concatenate([x, x]) / 255.0)
  views = to_float(batch)
  mapped = timing.mapped(gradient, (None, 0))
  compiled = mapped.lower(variables, views).compile()
  return lambda: compiled(variables, views)


def _piece(
    function: Callable[..., Any], in_axes: Any, *arguments: Any
) -> Piece:
  mapped = timing.mapped(function, in_axes)
  compiled = mapped.lower(*arguments).compile()
  flops = timing.flops(mapped, arguments, compiled)
  return Piece(lambda: compiled(*arguments), flops, compiled)


def _stepping(
    stage: workload.Stage, mapped: Callable[..., Any], batch: np.ndarray
) -> Piece:
  """A step that goes on from its own state, which it uses up."""
  key, held = workload.key(), [stage.fresh_state()]
  arguments = held[0], batch, key
  compiled = mapped.lower(*arguments).compile()
  flops = timing.flops(mapped, arguments, compiled)

  def call() -> Any:
    held[0], metrics = compiled(held[0], batch, key)
    return held[0], metrics

  return Piece(call, flops, compiled)


def _augment(stage: workload.Stage) -> Callable[..., Any]:
  def augment(images: jax.Array, key: jax.Array) -> jax.Array:
    views = warped.make_views(
        images, jax.random.split(key, len(images)), stage.settings
    )
    return jnp.concatenate([views.x, views.other])

  return augment


def _forward(stage: workload.Stage) -> Callable[..., Any]:
  """The nets on given views: F's trunk in stage 1, else F and T."""
  nets = stage.nets

  def forward(variables: Any, views: jax.Array) -> jax.Array:
    if LANDMARKS not in variables:
      return nets_lib.apply_trained(
          nets.features, variables[FEATURES], views, method='trunk'
      )[0]
    if FEATURES in stage.trained:
      f, _ = nets_lib.apply_trained(nets.features, variables[FEATURES], views)
    else:
      f = nets.features.apply(variables[FEATURES], views)
    outputs, _ = nets_lib.apply_trained(
        nets.landmarks, variables[LANDMARKS], f
    )
    return outputs['heatmaps']

  return forward


def _gradient(stage: workload.Stage) -> Callable[..., Any]:
  """Forward and backward, from a given gradient of the nets' output."""
  forward = _forward(stage)

  def gradient(variables: Any, views: jax.Array, upper: jax.Array) -> Any:
    trained = {net: variables[net] for net in stage.trained}
    output, backward = jax.vjp(
        lambda nets: forward({**variables, **nets}, views), trained
    )
    return backward(upper.astype(output.dtype))

  return gradient


@dataclasses.dataclass(frozen=True)
class _Given:
  """Stands for a net: its output is one of its variables."""

  net: Any
  name: str

  def apply(
      self, variables: Any, inputs: jax.Array, *, method: str | None = None,
      mutable: Any = None, **_: Any,
  ) -> Any:  # fmt: skip
    if method == 'project':
      return self.net.apply(variables['real'], inputs, method=method)
    if self.name == FEATURES and 'output' not in variables:
      return (inputs, {}) if mutable else inputs
    output = variables['output']
    output = {'heatmaps': output} if self.name == LANDMARKS else output
    return (output, {}) if mutable else output


def _loss(stage: workload.Stage) -> Callable[..., Any]:
  """Value and gradient of the objective, down to the nets' given output."""
  objective = workload.make_loss(stage.settings, stage.trained, {
      FEATURES: _Given(stage.nets.features, FEATURES),
      LANDMARKS: _Given(stage.nets.landmarks, LANDMARKS),
  })  # fmt: skip
  last = LANDMARKS if LANDMARKS in stage.trained else FEATURES

  def loss(
      output: jax.Array, variables: Any, images: jax.Array, key: jax.Array
  ) -> Any:
    keys = jax.random.split(key, len(images))

    def share(output: jax.Array) -> objectives.Output:
      given = {
          net: {'real': held, 'params': held['params']}
          for net, held in variables.items()
      }
      given[last]['output'] = output
      return objective(given, images, keys)

    return jax.value_and_grad(share, has_aux=True)(output)

  return loss


def _update(stage: workload.Stage, batch: np.ndarray) -> Piece:
  """Training's step with a sum in the place of the loss: gradients are 1."""

  def total(
      variables: Any, images: jax.Array, keys: jax.Array
  ) -> objectives.Output:
    leaves = jax.tree.leaves({n: variables[n]['params'] for n in stage.trained})
    stats = {n: variables[n].get('batch_stats', {}) for n in stage.trained}
    return sum(jnp.sum(leaf) for leaf in leaves), ({}, stats)

  step = devices.parallelize(
      step_lib.make_step(total, stage.optimizer), jax.local_devices()
  )
  return _stepping(stage, step, batch)
