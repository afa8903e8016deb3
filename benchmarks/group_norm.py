"""What our form of group normalisation saves, against Flax's layer.

    python benchmarks/group_norm.py --size=128

The gradient of F, mapped over the devices as in training, with one and with the
other, in turns. Prints the times per step and the ratio, pair by pair.
"""

import json
import statistics
from typing import Any
from unittest import mock

import flax.linen as nn
import jax
import tabulate
from absl import app
from absl import flags

from eqlandmarks import errors
from eqlandmarks import models
from eqlandmarks.system import huge_pages
from parts import pieces
from parts import timing
from parts import workload

flags.adopt_module_key_flags(workload)
_PAIRS = flags.DEFINE_integer('pairs', 7, 'Measurements of each form.')
_JSON = flags.DEFINE_bool('json', False, 'Ends with one JSON object.')


class _FlaxNorm(nn.Module):
  """Stands for our layer: the same parameters, under one more name."""

  dtype: Any

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    groups = max(n for n in range(1, 9) if x.shape[-1] % n == 0)
    return nn.GroupNorm(groups, dtype=self.dtype)(x)


def main(_: list[str]) -> None:
  """Prints the table."""
  try:
    config = workload.read_config()
    workload.use_devices(config, None)
  except errors.UserError as error:
    timing.fail(str(error))
  batch = workload.spread(workload.images(config))
  ours = pieces.features_gradient(config, batch)
  with mock.patch.object(models, 'GroupNorm', _FlaxNorm):
    theirs = pieces.features_gradient(config, batch)
  pairs = [
      tuple(timing.seconds(form, 1) for form in (ours, theirs))
      for _ in range(_PAIRS.value)
  ]
  about = workload.about(config)
  print(', '.join(f'{k} {v}' for k, v in about.items()) + '\n')
  ratios = sorted(theirs / ours for ours, theirs in pairs)
  medians = [1e3 * statistics.median(side) for side in zip(*pairs, strict=True)]
  row = [f'{x:.1f}' for x in medians] + [
      f'{r:.2f}' for r in (statistics.median(ratios), ratios[0], ratios[-1])
  ]
  heads = ('ours, ms', "Flax's, ms", 'ratio', 'least', 'most')
  print(tabulate.tabulate([row], heads, 'pipe', disable_numparse=True))
  if _JSON.value:
    print(json.dumps({**about, 'ratios': ratios}))


if __name__ == '__main__':
  huge_pages.restart()
  app.run(main)
