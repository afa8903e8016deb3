"""Eight fake CPU devices, and strict array shapes, for all tests."""

import os

# Before jax is imported: the devices are made when it first looks for them.
os.environ['XLA_FLAGS'] = (
    os.environ.get('XLA_FLAGS', '')
    + ' --xla_force_host_platform_device_count=8'
)

import jax
import pytest
from absl import flags

flags.FLAGS.mark_as_parsed()  # grain reads absl flags


@pytest.fixture(autouse=True)
def _strict_ranks(request):
  """Broadcasting over missing axes is a bug in our own array code."""
  strict = request.node.get_closest_marker('strict_ranks') is not None
  with jax.numpy_rank_promotion('raise' if strict else 'allow'):
    yield
