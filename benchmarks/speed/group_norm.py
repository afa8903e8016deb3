"""What our form of group normalisation saves, against Flax's layer.

    python benchmarks/speed/group_norm.py --size=128

The gradient of F, mapped over the devices as in training, with one and with the
other, in turns. Prints the times per step and the ratio, pair by pair.
"""

from typing import Any
from unittest import mock

import flax.linen as nn
import jax
from absl import app
from absl import flags

from eqlandmarks import _blocks
from eqlandmarks.system import huge_pages
from shared import step_parts
from shared import tables
from shared import timing
from shared import workload

flags.adopt_module_key_flags(workload)
_PAIRS = flags.DEFINE_integer('pairs', 7, 'Measurements of each form.')


class _FlaxNorm(nn.Module):
  """Stands for our layer: the same parameters, under one more name."""

  dtype: Any

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    groups = max(n for n in range(1, 9) if x.shape[-1] % n == 0)
    return nn.GroupNorm(groups, dtype=self.dtype)(x)


def main(_: list[str]) -> None:
  """Prints the table."""
  config = workload.start()
  batch = workload.spread(workload.images(config))
  ours = step_parts.features_gradient(config, batch)
  with mock.patch.object(_blocks, 'GroupNorm', _FlaxNorm):
    theirs = step_parts.features_gradient(config, batch)
  summary = timing.summary(timing.in_turns(ours, theirs, _PAIRS.value))
  tables.show(
      ('', 'ours, ms', "Flax's, ms", 'ratio', 'least', 'most'),
      [(
          "F's gradient", *(f'{1e3 * s:.1f}' for s in summary[:2]),
          *(f'{ratio:.2f}' for ratio in summary[2:]),
      )],
  )  # fmt: skip
  tables.finish({**workload.about(config), 'ratio': summary[2]})


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
