"""The parts of a step, each a program of its own.

Nothing of training is written a second time here: the parts are training's own
functions, in which whatever is not to be measured is given as an argument.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import nets as nets_lib
from eqlandmarks.training import devices
from eqlandmarks.training import objectives
from shared import timing
from shared import workload

FEATURES, LANDMARKS = nets_lib.FEATURES, nets_lib.LANDMARKS


@dataclasses.dataclass(frozen=True)
class Part:
  """A compiled part.

  Attributes:
    call: runs it on arguments that it holds.
    flops: of one call, on all devices together.
    compiled: the program.
  """

  call: Callable[[], Any]
  flops: float
  compiled: Any


def whole(stage: workload.Stage, batch: np.ndarray) -> Part:
  """The step as training runs it, from uint8 images in the host's memory."""
  key, state = workload.key(), stage.fresh_state()
  compiled = stage.mapped.lower(state, batch, key).compile()
  flops = timing.flops(stage.mapped, state, batch, key)

  def call() -> Any:
    nonlocal state  # which the step uses up
    state, metrics = compiled(state, batch, key)
    return state, metrics

  return Part(call, flops, compiled)


def parts(stage: workload.Stage, batch: np.ndarray) -> dict[str, Part]:
  """Augment, forward, and gradient, which is forward and backward."""
  variables = stage.fresh_state().variables()
  augment = _part(_augment(stage), (0, None), batch, workload.key())
  views = augment.call()
  forward = _part(_forward(stage), (None, 0), variables, views)
  gradient = _part(
      _gradient(stage), (None, 0, 0), variables, views, forward.call()
  )
  return {'augment': augment, 'forward': forward, 'gradient': gradient}


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
  return _part(gradient, (None, 0), variables, to_float(batch)).call


def _part(function: Callable[..., Any], in_axes: Any, *arguments: Any) -> Part:
  mapped = jax.pmap(
      function, axis_name=devices.AXIS, in_axes=in_axes,
      devices=jax.local_devices(),
  )  # fmt: skip
  compiled = mapped.lower(*arguments).compile()
  flops = timing.flops(mapped, *arguments)
  return Part(lambda: compiled(*arguments), flops, compiled)


def _augment(stage: workload.Stage) -> Callable[..., Any]:
  def augment(images: jax.Array, key: jax.Array) -> jax.Array:
    x, warped, _ = objectives.make_views(
        images,
        jax.random.split(key, len(images)),
        warp=stage.settings.warp,
        appearance_change=stage.settings.appearance,
    )
    return jnp.concatenate([x, warped])

  return augment


def _forward(stage: workload.Stage) -> Callable[..., Any]:
  """The nets on given views: F's trunk in stage 1, otherwise F and T."""
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
