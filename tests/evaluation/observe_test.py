"""What a model sees in images, their warped copies and the next image."""

import dataclasses

import jax
import numpy as np
import pytest
from evaluation_fixtures import make_config
from evaluation_fixtures import observed
from evaluation_fixtures import split_of
from evaluation_fixtures import variables_of

from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import models
from eqlandmarks import warps
from eqlandmarks.evaluation import observe
from eqlandmarks.training import devices as devices_lib


@pytest.mark.x64
def test_results_do_not_depend_on_how_images_are_batched():
  split, found = split_of(7, 0), []
  for batch_size in (1, 4, 7):
    config = make_config()
    config.evaluation.batch_size = batch_size
    seen = observed(config, split)
    found.append((seen.landmarks, seen.moved, seen.match_errors()))
  for other in found[1:]:
    for a, b in zip(found[0], other, strict=True):
      np.testing.assert_allclose(a, b, atol=1e-9)
  assert found[0][0].shape == (7, 10, 2)
  assert found[0][1].shape == (7, 2, 10)
  assert found[0][2].shape == (7, 2, len(models.LAYERS), 3)


@pytest.mark.x64
def test_without_a_warp_every_point_is_found_where_it_was():
  config = make_config()
  config.evaluation.warp.rotation = config.evaluation.warp.elastic = 0.0
  split = split_of(4, 1)
  # Points at pixel centres: the feature looked up is that of the pixel.
  split.points[:] = np.floor(split.points) + 0.5
  split.points[1, 2] = np.nan
  seen = observed(config, split)
  errors = seen.match_errors().copy()
  assert np.isnan(errors[1, :, :, 2]).all()
  errors[1, :, :, 2] = 0.0
  np.testing.assert_allclose(errors[:, :, 0], 0.0, atol=1e-9)
  np.testing.assert_allclose(seen.moved, 0.0, atol=1e-9)


@pytest.mark.x64
def test_directions_by_a_plain_loop_over_pixels():
  config, split = make_config(), split_of(2, 9)
  nets = models.make_nets(config)
  features = nets.features.apply(
      variables_of(config)['features'], split.images / 255.0
  )
  expected = np.zeros((2, 16 + 1))
  for n, pixels in enumerate(np.asarray(features).reshape(2, 32 * 32, 16)):
    for f in pixels:
      # Some pixels have no feature in an untrained net.
      one = [*f, 0.0] if f.any() else [0.0] * 16 + [1.0]
      expected[n] += one / np.linalg.norm(one) / (32 * 32)
  seen = observed(config, split)
  np.testing.assert_allclose(seen.directions, expected, atol=1e-9)


def test_zero_and_huge_features_have_a_direction():
  # Three of the four pixels point the same way, (1, 1, 1, 1) / 2.
  features = jax.numpy.full((2, 2, 4), 1e30).at[0, 1].set(0.0)
  found = observe._direction(features)
  np.testing.assert_allclose(found, [0.375] * 4 + [0.25], rtol=1e-5)


@pytest.mark.x64
def test_warps_depend_on_the_place_in_the_split_alone():
  split, config = split_of(5, 6), make_config()
  first = observed(config, split)
  config.seed, config.evaluation.warps_per_image = 7, 3
  second = observed(config, split)
  np.testing.assert_allclose(second.targets[:, :2], first.targets, atol=1e-9)


@pytest.mark.x64
def test_own_equivariance_error_by_a_plain_loop():
  config, split = make_config(), split_of(2, 7)
  variables = variables_of(config)
  seen = observe.observe(config, variables, split)
  copies = observe.warped_copies(config, split, np.arange(2))
  nets = models.make_nets(config)
  strengths = config.evaluation.warp.to_dict()
  border = strengths.pop('border')
  keys = jax.random.wrap_key_data(observe._warp_keys(2))
  for n in range(2):
    g = warps.random_warp(
        jax.random.fold_in(keys[n], 0), (32, 32), **strengths
    )
    x = jax.numpy.asarray(split.images[n] / 255.0)
    copy = warps.warp_image(g, x, border=border)
    np.testing.assert_allclose(255 * copy, copies[n], atol=0.51)
    f = nets.features.apply(variables['features'], copy[None])
    outputs = nets.landmarks.apply(variables['landmarks'], f)
    found = heatmaps.soft_argmax(outputs['heatmaps'][0])
    moved = np.asarray(g(seen.landmarks[n]))
    inside = ((moved >= 0) & (moved <= 32)).all(-1)
    expected = np.linalg.norm(found - moved, axis=-1)
    expected = np.where(inside, expected, np.nan)
    np.testing.assert_allclose(seen.moved[n, 0], expected, atol=1e-9)


@pytest.mark.x64
def test_features_are_looked_for_in_the_next_image_of_the_split():
  config, split = make_config(), split_of(3, 5)
  variables, nets = variables_of(config), models.make_nets(config)
  seen = observe.observe(config, variables, split)
  assert seen.across.shape == (3, len(models.LAYERS), 3, 2)
  outputs = models.apply(
      nets, variables, jax.numpy.asarray(split.images / 255.0)
  )
  for layer, name in enumerate(models.LAYERS):
    features = np.asarray(outputs[name], np.float64)
    for n in range(3):
      query = geometry.sample(features[n], split.points[n].astype(np.float64))
      other = features[(n + 1) % 3]
      norms = np.linalg.norm(other, axis=-1, keepdims=True)
      # Without any feature, a pixel is like nothing.
      cosine = np.where(
          norms > 0, other @ np.asarray(query).T / np.maximum(norms, 1e-9), -2
      )
      best = cosine.reshape(-1, 3).argmax(0)
      np.testing.assert_array_equal(
          seen.across[n, layer], np.stack(divmod(best, 32), -1) + 0.5
      )


@pytest.mark.x64
def test_one_device_and_eight_see_the_same():
  config, split = make_config(), split_of(9, 6)
  config.evaluation.batch_size = 5
  eight = observed(config, split)
  with devices_lib.using(jax.local_devices()[:1]):
    one = observed(config, split)
  for field in dataclasses.fields(one):
    np.testing.assert_allclose(
        getattr(one, field.name), getattr(eight, field.name), atol=1e-9
    )
