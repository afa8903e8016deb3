"""Random images with points, a tiny config, and what they give."""

import double
import jax
import numpy as np

from configs import signer
from eqlandmarks import models
from eqlandmarks.datasets.base import examples
from eqlandmarks.datasets.base import loader
from eqlandmarks.evaluation import observe

DESCRIPTION = examples.Description(
    point_names=('a', 'b', 'c'),
    groups={'ab': ['a', 'b']},
    eyes=('a', 'b'),
    stage_split='train',
    fit_split='validation',
    test_split='test',
)


def split_of(count, seed):
  rng = np.random.default_rng(seed)
  return loader.Split(
      images=rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
      points=rng.uniform(4, 28, (count, 3, 2)).astype(np.float32),
      ids=tuple(str(i) for i in range(count)),
      original_sizes=np.tile([64, 96], (count, 1)),
  )


def make_config():
  config = signer.get_config('tiny')
  config.dtype = 'float64' if jax.config.jax_enable_x64 else 'float32'
  config.evaluation.batch_size = 4
  config.evaluation.original_pck = 12.0
  return config


def variables_of(config):
  variables = models.make_nets(config).init(jax.random.key(0))
  return double.of(variables) if config.dtype == 'float64' else variables


def observed(config, split):
  return observe.observe(config, variables_of(config), split)


def value_of(records, **wanted):
  (record,) = selected(records, **wanted)
  return record.value


def selected(records, **wanted):
  return [
      r for r in records if all(getattr(r, k) == v for k, v in wanted.items())
  ]
