"""Draws the pictures of docs/method.md from a finished run on `signer`.

    python main.py --config=configs/signer.py --workdir=runs/signer
    python docs/pictures.py --workdir=runs/signer

They are stored with few colours, which keeps the repository small.
"""

import io
import pathlib

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from absl import app
from absl import flags
from absl import logging
from matplotlib.figure import Figure
from PIL import Image

from eqlandmarks import geometry
from eqlandmarks import heatmaps
from eqlandmarks import models
from eqlandmarks.configs import signer as signer_config
from eqlandmarks.datasets import signer
from eqlandmarks.report import colours
from eqlandmarks.runs.workdir import Workdir
from eqlandmarks.training.pairs import warped

_WORKDIR = flags.DEFINE_string('workdir', None, "The run's folder.")

_DOCS = pathlib.Path(__file__).parent
# Test images that show different people, and a joint that is easily seen.
_FIRST, _OTHERS = 3, (1, 2)
_JOINT = signer.JOINTS.index('left_wrist')
_FOLLOWED = tuple(
    map(signer.JOINTS.index, ('head', 'left_shoulder', 'left_elbow'))
)


def main(_: list[str]) -> None:
  """Draws all of them."""
  logging.set_verbosity(logging.ERROR)
  config = signer_config.get_config()
  variables = Workdir(_WORKDIR.value).stage('two_stage').load_variables()
  nets = models.make_nets(config)
  _draw_warps(config)
  _draw_similarity(config, nets, variables)
  _draw_heatmaps(config, nets, variables)


def _draw_warps(config) -> None:
  """An image with a grid of points, and warped copies with these pushed."""
  image, _ = _render(config, _FIRST)
  x, others, g = _views(config, image, count=4)
  size = config.image_size
  line = np.linspace(4, size - 4, 9, dtype=np.float32)
  grid = jnp.stack(np.meshgrid(line, line, indexing='ij'), axis=-1)
  figure, axes = plt.subplots(1, 5, figsize=(10, 2.3), layout='constrained')
  _show(axes[0], x[0], 'x')
  _mesh(axes[0], grid)
  for number, ax in enumerate(axes[1:]):
    _show(ax, others[number], f"x' = r(g(x)), no. {number + 1}")
    _mesh(ax, jax.tree.map(lambda leaf: leaf[number], g)(grid))  # noqa: B023
  _save(figure, 'method_warps.png')


def _mesh(ax, points: np.ndarray) -> None:
  """Lines along the rows and columns of `[M, N, 2]` points."""
  for lines in (points, np.swapaxes(points, 0, 1)):
    for line in lines:
      ax.plot(line[:, 1], line[:, 0], color='white', linewidth=0.8, alpha=0.8)


def _draw_similarity(config, nets, variables) -> None:
  """How like one place's feature all others are, here and elsewhere."""
  image, points = _render(config, _FIRST)
  place = points[_JOINT]
  _, others, g = _views(config, image, count=1)
  moved = jax.tree.map(lambda leaf: leaf[0], g)(place)
  images = [image / 255, others[0]]
  marks = [place, moved]
  for number in _OTHERS:
    other, joints = _render(config, number)
    images.append(other / 255)
    marks.append(joints[_JOINT])
  f = nets.features.apply(
      variables[models.FEATURES], jnp.asarray(np.stack(images), jnp.float32)
  )
  f = geometry.unit_vectors(f)
  like = f @ geometry.sample(f[0], place[None])[0]
  titles = ('image', 'warped copy', 'another person', 'another person')
  figure, axes = plt.subplots(2, 4, figsize=(8, 4.3), layout='constrained')
  for column, title in enumerate(titles):
    _show(axes[0, column], images[column], title)
    _show(axes[1, column], like[column], cmap='magma', vmin=-0.2, vmax=1.0)
    for ax in axes[:, column]:
      ax.plot(
          marks[column][1], marks[column][0], 'o', markersize=10,
          markerfacecolor='none', color='cyan',
      )  # fmt: skip
  _save(figure, 'method_features.png')


def _draw_heatmaps(config, nets, variables) -> None:
  """Landmarks of two images, and a few of their heatmaps."""
  drawn = [_render(config, number) for number in (_FIRST, _OTHERS[0])]
  images, joints = map(np.stack, zip(*drawn, strict=True))
  x = models.scale_pixels(images)
  out = models.apply(nets, variables, x)
  probabilities = heatmaps.spatial_softmax(out['heatmaps'])
  landmarks = heatmaps.expectation(probabilities)
  # Those that stay nearest to a joint, of some joints that move.
  apart = landmarks[:, :, None] - joints[:, None]
  farthest = np.linalg.norm(apart, axis=-1).max(0)  # [K, J]
  chosen = [int(farthest[:, j].argmin()) for j in _FOLLOWED]
  figure, axes = plt.subplots(2, 5, figsize=(10, 4.3), layout='constrained')
  for row in range(2):
    _show(axes[row, 0], x[row], 'image' if row == 0 else '')
    for column, k in enumerate(chosen, 1):
      title = f'landmark {k}, log p' if row == 0 else ''
      _show(
          axes[row, column], np.log10(probabilities[row, ..., k] + 1e-9),
          title, cmap='magma', vmin=-6, vmax=0,
      )  # fmt: skip
    _show(axes[row, 4], x[row], 'all landmarks' if row == 0 else '')
    for k, (y, x_) in enumerate(landmarks[row]):
      style = colours.landmark_style(k)
      axes[row, 4].scatter(
          x_, y, s=60 if k in chosen else 14, edgecolors='black',
          linewidths=0.5, **style,
      )  # fmt: skip
  _save(figure, 'method_heatmaps.png')


def _render(config, number: int) -> tuple[np.ndarray, np.ndarray]:
  return signer.render(0, 'test', number, config.image_size)


def _views(config, image: np.ndarray, *, count: int):
  """x, x' and g as stage 1 draws them."""
  views = warped.make_views(
      jnp.asarray(np.repeat(image[None], count, axis=0)),
      jax.random.split(jax.random.key(1), count),
      config.pretrain,
  )
  return views.x, views.other, views.g


def _show(ax, image: np.ndarray, title: str = '', **style) -> None:
  size = image.shape[0]
  ax.imshow(image, extent=(0, size, size, 0), **style)
  ax.set(xlim=(0, size), ylim=(size, 0))
  ax.set_title(title, fontsize='medium')
  ax.axis('off')


def _save(figure: Figure, name: str) -> None:
  content = io.BytesIO()
  figure.savefig(content, dpi=80)
  plt.close(figure)
  few = Image.open(content).convert('RGB').quantize(256, kmeans=2)
  few.save(_DOCS / name, optimize=True)


if __name__ == '__main__':
  app.run(main)
