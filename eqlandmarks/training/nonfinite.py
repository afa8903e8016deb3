"""Where numbers stop being finite: in which layer, and for which images.

The metrics of a step show, some steps later, that its loss or its gradient was
not finite. A step is a function of the state before, of the images and of the
keys, so it is repeated from a checkpoint and inspected, at no cost to a healthy
run.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import step as step_lib
from eqlandmarks.training.objectives import base as objectives

# Reported where the numbers are finite when the step is repeated.
NOWHERE = 'in no layer when the step was taken again'
# Names of images in the error's line; the log has all of them.
_NAMED = 4


class Probe:
  """Looks into one step of a stage.

  Args:
    loss: as for `step.make_step`, with nets that know their names, and do not
      rematerialise: their layers could not be inspected.
    devices: of all processes.
    accumulate: as for `step.make_step`.
  """

  def __init__(
      self,
      loss: Callable[..., objectives.Output],
      devices: Sequence[jax.Device],
      accumulate: int,
  ):
    self._loss = loss
    self._devices = devices
    self._accumulate = accumulate
    # Layers in the order in which they end, known once the probe is traced.
    self._layers: list[str] = []

  def find(
      self, state: step_lib.TrainState, images: Any, key: jax.Array
  ) -> str:
    """Where the step from `state` is not finite first, in a few words."""
    mapped = devices_lib.parallelize(self._flags, self._devices, donate=False)
    counts, gradients = jax.device_get(mapped(state, images, key)[0])
    *counts, of_loss = counts
    for layer, count in zip(self._layers, counts, strict=True):
      if count:
        return f'first in the output of layer {layer}'
    if of_loss:
      return 'first in the loss itself'
    bad = [
        jax.tree_util.keystr(path, simple=True, separator='/')
        for path, count in jax.tree_util.tree_leaves_with_path(gradients)
        if count
    ]
    if bad:  # the first that the backward pass reaches
      order = {layer: place for place, layer in enumerate(self._layers)}
      last = max(bad, key=lambda name: order.get(name.rpartition('/')[0], -1))
      return f'first in the gradient of {last}'
    return NOWHERE

  def _flags(
      self, state: step_lib.TrainState, images: Any, key: jax.Array
  ) -> tuple[Any, None]:
    """Numbers of devices where layers and gradients are not finite."""
    keys = step_lib.image_keys(state, images, key)
    inputs = step_lib.parts(images, keys, self._accumulate)
    outputs = jax.lax.map(
        lambda part: self._outputs(state.variables(), *part), inputs
    )
    (gradients, _), _ = step_lib.shares(
        self._loss, state, images, keys, self._accumulate
    )
    flags = outputs.any(axis=0), jax.tree.map(_not_finite, gradients)
    counts = jax.tree.map(lambda flag: flag.astype(jnp.int32), flags)
    return jax.lax.psum(counts, devices_lib.AXIS), None

  def _outputs(
      self, variables: dict[str, Any], images: Any, keys: jax.Array
  ) -> jax.Array:
    """Whether each layer's output, and at last the loss, is not finite."""
    names, flags, net = [], [], ['']

    def look(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
      if context.module.scope is None:  # asked, not applied
        return function(*args, **kwargs)
      path = context.module.path
      if not path:
        net[0] = context.module.name
      output = function(*args, **kwargs)
      if path:
        names.append('/'.join((net[0], *path)))
        each = [_not_finite(x) for x in jax.tree.leaves(output)]
        flags.append(jnp.any(jnp.stack(each)))
      return output

    with nn.intercept_methods(look):
      loss, _ = self._loss(variables, images, keys)
    self._layers = names
    return jnp.stack([*flags, _not_finite(loss)])


def named(names: Sequence[str]) -> str:
  """Some of a batch's images, in a few words."""
  shown = ', '.join(names[:_NAMED])
  more = len(names) - _NAMED
  return shown if more <= 0 else f'{shown} and {more} more'


def _not_finite(x: jax.Array) -> jax.Array:
  return ~jnp.all(jnp.isfinite(x))
