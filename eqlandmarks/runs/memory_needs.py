"""Refuses configs that need more memory than the machine has.

A lower bound is estimated from shapes, before anything is allocated:
parameters, gradients, Adam's moments, and what the nets' convolutions return.
XLA holds more, so what is refused here never fits; what is not refused may
still end in `memory.enough`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.configs import common
from eqlandmarks.evaluation import observe
from eqlandmarks.runs import config_fields
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.system import memory

# Numbers for each parameter: itself, its gradient, and both moments of Adam.
_PER_PARAMETER = 4
_GIB = 2**30

# Fields that decide what the nets need.
_OF_NETS = (
    'image_size', 'num_landmarks', 'model.widths', 'model.features',
    'model.landmark_width', 'model.landmark_blocks',
)  # fmt: skip


def check_training(config: Any, workdir: Workdir) -> None:
  """Checks that this machine has room for a step of the stages.

  The message names what the workdir accepts; so do those of other checks.

  Raises:
    UserError: it has not, naming the fields that ask for most; so do the other
      checks.
  """
  # Both views; each device has its own copy of the state.
  images = 2 * config.batch_size / (config.accumulate * jax.process_count())
  states = _PER_PARAMETER * len(jax.local_devices())
  sampled = 4 * config.pretrain.get('num_locations', 0) * (
      config.model.widths[0] + config.model.features
  )

  def needed(params: int, held: int, largest: int) -> float:
    activations = largest if config.remat else held
    return states * params + images * max(activations, sampled)

  names = [*_OF_NETS, 'batch_size']
  names += ['pretrain.num_locations'] * (sampled > 0)
  _check('training', config, names, needed, workdir=workdir)


def check_evaluation(config: Any, workdir: Workdir) -> None:
  """Checks that this machine has room to measure some images."""
  measured, model = config.evaluation, config.model
  # Of layers 1 to 4 and the heatmaps, which are held at once.
  channels = model.features + 3 * model.landmark_width + config.num_landmarks
  layers = channels * config.image_size**2 * jnp.dtype(config.dtype).itemsize
  devices = len(jax.local_devices())
  # An image and its copies; of annotated ones the next image too.
  views = devices * (1 + measured.warps_per_image) * min(
      observe.BLOCK, -(-measured.batch_size // devices)
  )
  pixels = 3 * measured.batch_size * config.image_size**2

  def needed(params: int, _: int, largest: int) -> float:
    return devices * params + views * max(largest, layers) + pixels

  names = [*_OF_NETS, 'evaluation.warps_per_image', 'evaluation.batch_size']
  _check('evaluation', config, names, needed, workdir=workdir)


def check_prediction(config: Any, batch_size: int) -> None:
  """Checks that this machine has room for a batch of images to predict on."""
  _check(
      'prediction', config, _OF_NETS,
      lambda params, _, largest: params + batch_size * largest,
      {'predict.batch_size': batch_size},
  )  # fmt: skip


def _check(
    what: str,
    config: Any,
    names: Sequence[str],
    needed: Callable[[int, int, int], float],
    free: dict[str, Any] | None = None,
    workdir: Workdir | None = None,
) -> None:
  """Refuses what needs more memory than there is, by the fields in `names`.

  `free` values stand in the place of the config's, and are the only ones that
  can be lowered. Others may be bound in the workdir.
  """
  usual = config_fields.flatten(common.get_config().to_dict())
  values = config_fields.flatten(config.to_dict())
  asked = {**(free or {}), **{name: values[name] for name in names}}
  excess = {
      name: float(np.max(np.divide(value, usual[name])))
      for name, value in asked.items()
  }
  above = sorted(excess, key=excess.get, reverse=True)
  above = [name for name in above if excess[name] > 1][:3]
  if not above:  # the paper's settings need 2 GiB; tracing takes a second
    return
  least, available = needed(*_of_nets(config)), memory.available()
  if least > available:
    where = ''
    if workdir is not None and config_fields.binding(
        above, workdir_checks.begun(workdir)
    ):
      changes = [('lower', name) for name in above]
      where = f': {workdir_checks.way(workdir, changes)}'
    raise errors.UserError(
        f'{what} needs at least {least / _GIB:,.1f} GiB of memory, found '
        f'{available / _GIB:,.1f} GiB; expected smaller values of '
        + ', '.join(f'config.{name} ({asked[name]})' for name in free or above)
        + f'{where}.'
    )


def _of_nets(config: Any) -> tuple[int, int, int]:
  """Bytes of all parameters, of an image's activations, and the largest one."""
  nets, size = models.make_nets(config), config.image_size
  return _of_shapes(nets.features, size, nets.landmarks)


@functools.cache
def _of_shapes(
    features: models.Hourglass, size: int, landmarks: models.LandmarkNet
) -> tuple[int, int, int]:
  returned: list[int] = []

  def note(function: Any, args: Any, kwargs: Any, context: Any) -> Any:
    output = function(*args, **kwargs)
    if isinstance(context.module, (nn.Conv, nn.Dense)):
      returned.append(output.size * output.dtype.itemsize)
    return output

  params = 0
  for net, depth in ((features, 3), (landmarks, features.features)):
    image = jax.ShapeDtypeStruct((1, size, size, depth), jnp.float32)
    with nn.intercept_methods(note):
      variables = jax.eval_shape(net.init, jax.random.key(0), image)
    params += sum(
        leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(variables)
    )
  return params, sum(returned), max(returned)
