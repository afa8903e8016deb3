"""The library under the default `jax.make_mesh`, whose axes are explicit.

That a mesh changes nothing is tested in float64.
"""

import functools
import json
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from eqlandmarks import losses
from eqlandmarks import models
from eqlandmarks import warps

ROOT = pathlib.Path(__file__).parent.parent
DATA = PartitionSpec('data')


def _mesh(shape=(8,), names=('data',)):
  mesh = jax.make_mesh(shape, names)
  assert {*mesh.axis_types} == {jax.sharding.AxisType.Explicit}
  return mesh


def _assert_same(function, arrays, mesh=None, spec=DATA):
  """A function's values and gradients are those of one device."""

  def total(*arrays):
    values = function(*arrays)
    return values.sum(), values

  both = jax.value_and_grad(total, has_aux=True)
  (_, values), gradient = both(*arrays)
  with jax.set_mesh(mesh or _mesh()):
    spread = [jax.device_put(array, spec) for array in arrays]
    for form in (both, jax.jit(both)):
      (_, found), of_found = form(*spread)
      np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-12)
      np.testing.assert_allclose(of_found, gradient, rtol=1e-9, atol=1e-12)


def _random(*shape):
  return jnp.asarray(np.random.default_rng(0).normal(size=shape))


@pytest.mark.x64
@pytest.mark.parametrize(
    'block_size',
    [3, *(pytest.param(size, marks=pytest.mark.slow) for size in (None, 0))],
)
def test_contrastive(block_size):
  features, warped = _random(2, 16, 5)
  valid = jnp.arange(16) % 3 > 0
  loss = functools.partial(losses.contrastive, block_size=block_size)
  _assert_same(loss, (features, warped))
  _assert_same(lambda f, w: loss(f, w, valid=valid), (features, warped))
  # What is not valid may have any value.
  with jax.set_mesh(_mesh()):
    spread = jax.device_put((features, warped, valid), DATA)
    bad = jnp.where(spread[2][:, None], spread[0], jnp.nan)
    np.testing.assert_allclose(
        loss(bad, spread[1], valid=spread[2]),
        losses.contrastive(features, warped, valid=valid),
    )


@pytest.mark.slow
@pytest.mark.x64
def test_contrastive_on_two_axes_and_by_channels():
  mesh = _mesh((4, 2), ('data', 'model'))
  arrays = tuple(_random(2, 16, 6))
  for spec in (
      PartitionSpec('data', 'model'), PartitionSpec(None, 'model'),
      PartitionSpec(('data', 'model')),
  ):  # fmt: skip
    _assert_same(losses.contrastive, arrays, mesh, spec)


@pytest.mark.x64
def test_the_gradient_of_a_temperature_is_that_of_one_device():
  features, warped = _random(2, 16, 5)

  def of(temperature, features, warped):
    return losses.contrastive(features, warped, temperature=temperature)

  expected = jax.grad(of)(0.5, features, warped)
  with jax.set_mesh(_mesh()):
    spread = jax.device_put((features, warped), DATA)
    found = jax.jit(jax.grad(of))(0.5, *spread)
  np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.x64
@pytest.mark.parametrize('patch', [4, 5])
def test_diversity(patch):
  maps = jax.nn.softmax(_random(8, 12 * 12, 3), axis=1).reshape(8, 12, 12, 3)
  _assert_same(functools.partial(losses.diversity, patch=patch), (maps,))


@pytest.mark.x64
@pytest.mark.parametrize(
    'norm',
    [models.NORMS[0], *(
        pytest.param(norm, marks=pytest.mark.slow) for norm in models.NORMS[1:]
    )],
)  # fmt: skip
def test_nets(norm):
  nets = {
      3: models.Hourglass(4, widths=(4, 4), norm=norm, dtype=jnp.float64),
      4: models.LandmarkNet(3, width=4, norm=norm, dtype=jnp.float64),
  }
  for channels, net in nets.items():
    images = _random(8, 10, 12, channels)
    variables = jax.tree.map(
        lambda x: x.astype(jnp.float64), net.init(jax.random.key(0), images)
    )

    def total(variables, images, net=net):
      outputs, _ = net.apply(
          variables, images, train=True, mutable=['batch_stats']
      )
      return sum(jnp.sum(x**2) for x in jax.tree.leaves(outputs))

    both = jax.jit(jax.value_and_grad(total))
    expected = both(variables, images)
    with jax.set_mesh(_mesh()):
      found = both(variables, jax.device_put(images, DATA))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-9),
        found, expected,
    )  # fmt: skip


@pytest.mark.x64
def test_warps():
  keys = jax.random.split(jax.random.key(0), 8)

  def view(key, image):
    warp = warps.random_warp(key, (16, 16), rotation=20.0, elastic=0.05)
    return warps.warp_image(warp, image)

  images = _random(8, 16, 16, 3)
  expected = jax.vmap(view)(keys, images)
  with jax.set_mesh(_mesh()):
    found = jax.jit(jax.vmap(view))(*jax.device_put((keys, images), DATA))
  np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_the_script_of_the_docs():
  text = (ROOT / 'docs/api/index.md').read_text()
  (code,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  names = {}
  exec(code, names)
  one = jax.device_get((names['keys'], names['images']))[1]
  keys = jax.random.split(jax.random.key(3), 8)
  expected = names['loss'](names['variables'], keys, one)
  np.testing.assert_allclose(names['value'], expected, rtol=1e-4)
  gradients = jax.tree.leaves(names['gradient'])
  assert all(np.isfinite(g).all() for g in gradients) and gradients


_LAZY = """
import json, sys
import eqlandmarks
before = sorted(sys.modules)
eqlandmarks.losses.contrastive
try:
  eqlandmarks.loses
except AttributeError as error:
  names = dir(eqlandmarks)
  print(json.dumps([before, 'jax' in sys.modules, str(error), names]))
"""


def test_modules_are_imported_where_they_are_used():
  done = subprocess.run(
      [sys.executable, '-c', _LAZY],
      cwd=ROOT, capture_output=True, text=True, check=True,
  )  # fmt: skip
  before, after, said, names = json.loads(done.stdout)
  assert not {'jax', 'numpy', 'flax', 'eqlandmarks.losses'} & {*before}
  assert after
  assert said == "module 'eqlandmarks' has no attribute 'loses'"
  assert {'losses', 'warps', 'predictor', '__version__'} <= {*names}
