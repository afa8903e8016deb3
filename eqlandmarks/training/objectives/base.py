"""What an objective is: a module with an `OBJECTIVE`, named by a config.

To add one, write such a module, in this folder or among your own files, and
name it in your config: `base.use(config.discover, 'my_module')`.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.training import extension_points
from eqlandmarks.training.pairs import base as pairs

EXTENSION_POINT = extension_points.ExtensionPoint(
    'objective', 'eqlandmarks.training.objectives'
)
load = EXTENSION_POINT.load
is_ours = EXTENSION_POINT.is_ours
use = EXTENSION_POINT.use

# Loss share, (metric shares, new batch statistics by net).
Output = tuple[jax.Array, tuple[dict[str, jax.Array], dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class StageNets:
  """The nets of a stage.

  Attributes:
    modules: the Flax modules, by name.
    trained: names of those that the stage trains.
    axis_name: of the axis that the devices are mapped over.
  """

  modules: Mapping[str, Any]
  trained: Collection[str]
  axis_name: str

  def apply(
      self,
      name: str,
      variables: Mapping[str, models.Variables],
      *inputs: jax.Array,
      method: str | None = None,
  ) -> tuple[Any, Any]:
    """Applies a net, or one method of it.

    A net that is trained runs in training mode. A frozen one runs in evaluation
    mode, and nothing is differentiated through it.

    Returns:
      Its output, and its new batch statistics ({} where it has none).
    """
    net = self.modules[name]
    if name in self.trained:
      return models.apply_trained(
          net, variables[name], *inputs, method=method
      )
    output = net.apply(variables[name], *inputs, method=method)
    return jax.lax.stop_gradient(output), {}

  def share(self, num_images: int) -> float:
    """What turns a sum over a device's images into its share of the mean."""
    return 1.0 / (num_images * jax.lax.axis_size(self.axis_name))


@dataclasses.dataclass(frozen=True)
class Loss:
  """What one device's images give.

  All numbers are *shares*: the `psum` over the devices is the value, so that
  one device and many give the same update.

  Attributes:
    total: what is minimised.
    terms: the terms of the total, by name, before they are weighted; {} where
      it has only one.
    batch_stats: new batch statistics of the trained nets, by name.
    points_used: share of the points that the loss could use, those whose image
      lies in the other view; None where it uses no points.
  """

  total: jax.Array
  terms: dict[str, jax.Array]
  batch_stats: dict[str, Any]
  points_used: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class Objective:
  """What a stage minimises; all that the program knows of it.

  Attributes:
    loss: a pure function of (variables by net, `Views`, keys, section, nets)
      to a `Loss`. The keys are one per image, for what it draws itself; the
      section is the stage's of the config, the nets are `StageNets`.
    section: makes the fields that it adds to a stage's section.
    rules: of these fields, see `eqlandmarks.system.field_rules`.
    trains: names of the nets that it trains.
    reads: names of those that it reads only; stage 2 can train them on.
    holds: from its section to names of those that it reads and that never
      change, `models.FIRST_FEATURES` or `models.RANDOM_FEATURES`.
    terms: names of the terms, each a curve of the report and a choice of
      `checkpoint.best`.
    optional: those of the terms that are left out, and cost nothing, where
      their weight in `section.weights` is 0.
    draws: whether the loss draws by its keys.
    needs_map: whether it takes only pairs whose views come with g.
    needs_frame: whether it takes only pairs whose views come with another
      frame.
    needs_labels: whether it trains on the images on which the regressor is
      fitted, with their annotations; otherwise on those of both stages.
    less_memory: fields of its section, or of the config, by which a step needs
      less memory.
    collapsed: from (config, section, logged row) to a sentence where the row is
      a sign of a collapse, otherwise None; of rows past the first epoch, and
      believed when it lasts.
    render: for the report, of an objective that trains a renderer, what it
      draws: a function of (variables by net, images `[B, S, S, 3]` whose looks
      are taken, landmarks `[B, K, 2]` in pixels, section, `models.Nets`) to
      images of the same scale.
  """

  loss: Callable[..., Loss]
  section: Callable[[], ConfigDict]
  rules: dict[str, Any]
  trains: tuple[str, ...]
  reads: tuple[str, ...] = ()
  holds: Callable[[Any], tuple[str, ...]] = lambda _: ()
  terms: tuple[str, ...] = ()
  optional: tuple[str, ...] = ()
  draws: bool = False
  needs_map: bool = True
  needs_labels: bool = False
  needs_frame: bool = False
  less_memory: tuple[str, ...] = ()
  collapsed: Callable[[Any, Any, Mapping[str, float]], str | None] = (
      lambda *_: None
  )
  render: Callable[..., jax.Array] | None = None

  def logged(self, section: Any) -> tuple[str, ...]:
    """The terms that the loss gives with this section."""
    return tuple(
        term
        for term in self.terms
        if term not in self.optional or section.weights[term]
    )


def weighted_sum(
    terms: Mapping[str, jax.Array], weights: Mapping[str, float]
) -> jax.Array:
  """The sum of terms by their weights, without those whose weight is 0."""
  zero = jnp.zeros((), jnp.result_type(*terms.values()))
  return sum(
      (weights[name] * term for name, term in terms.items() if weights[name]),
      zero,
  )


def make_loss(
    objective: Objective, section: Any, nets: StageNets
) -> Callable[[dict[str, Any], Any, jax.Array], Output]:
  """An objective as the step differentiates it.

  Args:
    objective: what is minimised.
    section: the stage's, of the config.
    nets: those that the objective trains and reads.

  Returns:
    A function of variables by net, uint8 images (or a dict of them with their
    points, see `loader.LabelledImages`) and a key per image.
  """
  pair = pairs.load(section.pair)

  def loss(
      variables: dict[str, Any], images: Any, keys: jax.Array
  ) -> Output:
    view_keys, points = keys, None
    if isinstance(images, dict):
      images, points = images['images'], images['points']
    if objective.draws:
      keys = jax.vmap(jax.random.split)(keys)
      view_keys, keys = keys[:, 0], keys[:, 1]
    views = pair.make_views(images, view_keys, section)
    views = views if points is None else views.replace(points=points)
    share = objective.loss(variables, views, keys, section, nets)
    _check_names(section, 'terms', share.terms, objective.logged(section))
    _check_names(
        section, 'batch_stats', share.batch_stats,
        {*nets.trained, *share.batch_stats},
    )  # fmt: skip
    metrics = {'loss': share.total, **share.terms}
    if share.points_used is not None:
      metrics['points_used'] = share.points_used
    return share.total, (metrics, share.batch_stats)

  return loss


def _check_names(
    section: Any, what: str, given: Collection[str], expected: Collection[str]
) -> None:
  """Checks that a loss gives what its objective says."""
  if {*given} != {*expected}:
    raise errors.UserError(
        f'the loss of objective {section.objective!r} gives {what} '
        f'{sorted(given)}, expected {sorted(expected)}.'
    )
