"""The whole way from pixels to points, with the weights in it."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

import eqlandmarks
from eqlandmarks import exporting
from eqlandmarks import models
from eqlandmarks.predictor import confidence
from eqlandmarks.predictor import trained

# One file serves them all.
PLATFORMS = ('cpu', 'cuda', 'rocm', 'tpu')

# Stated in every file: its results mean nothing without it.
_CONVENTION = (
    'points are (row, column) in pixels of the images given; the centre of the '
    'top-left pixel is (0.5, 0.5)'
)

Program = Callable[[jax.Array], dict[str, jax.Array]]


def make_program(model: trained.Trained) -> Program:
  """From uint8 images `[B, S, S, 3]` to what `exporting.Model` returns."""
  nets = models.make_nets(model.config)
  size = model.config.image_size
  annotate = model.annotator and _make_annotate(model.annotator, size)

  def find(images: jax.Array) -> dict[str, jax.Array]:
    landmarks, spreads = models.find_landmarks(nets, model.variables, images)
    results = {
        'landmarks': landmarks,
        'confidence': confidence.from_spread(spreads, size),
    }
    if annotate:
      points, spreads = annotate(landmarks, spreads)
      results['annotations'] = points
      results['annotation_confidence'] = confidence.from_spread(spreads, size)
    return results

  return find


def _make_annotate(
    annotator: confidence.Annotator, size: int
) -> Callable[..., tuple[jax.Array, jax.Array]]:
  """The annotator as a function of JAX arrays.

  The regressor is an affine map of pixels to pixels, whatever its coordinates.
  Its matrix is computed in float64, from its values about the image's centre,
  where float32 loses the fewest digits.
  """
  count = annotator.shares.shape[1]
  centre = np.full((1, count, 2), size / 2)
  steps = np.eye(2 * count).reshape(-1, count, 2)
  offset = annotator.regressor.predict(centre)
  matrix = annotator.regressor.predict(centre + steps) - offset
  matrix = matrix.reshape(2 * count, -1)

  def annotate(
      landmarks: jax.Array, spreads: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    inputs = (landmarks - size / 2).reshape(-1, 2 * count)
    points = jnp.matmul(inputs, jnp.float32(matrix), precision='highest')
    points = points.reshape(-1, *offset.shape[1:]) + jnp.float32(offset)
    variances = jnp.matmul(
        spreads**2, jnp.float32(annotator.shares.T), precision='highest'
    )
    return points, jnp.sqrt(variances + jnp.float32(annotator.residuals**2))

  return annotate


def describe(model: trained.Trained) -> dict[str, Any]:
  """How a model was made and what it takes: what each of its files holds."""
  config = model.config
  names = model.annotator.names if model.annotator else ()
  return {
      'format': exporting.FORMAT,
      'version': eqlandmarks.__version__,
      'dataset': config.dataset.name,
      'method': model.method,
      'parameters': model.digest,
      'image_size': config.image_size,
      'num_landmarks': config.num_landmarks,
      'annotation_names': list(names),
      # What of an image is resized; null for all of it.
      'crop_box': dataclasses.astuple(model.crop) if model.crop else None,
      'convention': _CONVENTION,
  }


def serialize(model: trained.Trained) -> bytes:
  """The program as StableHLO for any batch size, with its description.

  The description takes the place of the function's name, the one text that JAX
  keeps in such a file; the file's SHA-256 is a part of it.
  """
  size = model.config.image_size
  (batch,) = jax_export.symbolic_shape('b')
  exported = jax_export.export(
      jax.jit(make_program(model)), platforms=PLATFORMS
  )(jax.ShapeDtypeStruct((batch, size, size, 3), jnp.uint8))
  text = json.dumps({**describe(model), 'sha256': '0' * 64})
  named = dataclasses.replace(exported, fun_name=text)
  return exporting.sealed(bytes(named.serialize()))
