"""Pictures: landmark sheets, predicted against annotated points, losses."""

import colorsys
import math
import pathlib

import matplotlib

matplotlib.use('Agg')  # no screen is needed, and none may be there

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_COLUMNS = 6
_MARKERS = 'osD^v'


def landmark_style(index: int) -> dict[str, object]:
  """Colour and marker of a landmark, the same in every picture."""
  # Golden-ratio steps keep neighbours in the numbering far apart in hue.
  hue = index * 0.61803 % 1.0
  value = (1.0, 0.75)[index // len(_MARKERS) % 2]
  return {
      'color': colorsys.hsv_to_rgb(hue, 0.9, value),
      'marker': _MARKERS[index % len(_MARKERS)],
  }


def draw_sheets(
    folder: pathlib.Path,
    *,
    images: np.ndarray,
    outcome: dict[str, np.ndarray],
    point_names: tuple[str, ...],
    count: int,
) -> None:
  """Draws landmarks.png, and predictions.png where there are annotations.

  Args:
    folder: where the pictures go.
    images: uint8 `[N, S, S, 3]`.
    outcome: arrays of `evaluation.Outcome` on these images.
    point_names: names of the annotated points.
    count: number of images on a sheet, taken evenly over all.
  """
  folder.mkdir(parents=True, exist_ok=True)
  chosen = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
  figure = _sheet(images[chosen], 'Discovered landmarks')
  landmarks = outcome['landmarks'][chosen]
  for axes, points in zip(figure.axes, landmarks, strict=False):
    _draw_landmarks(axes, points)
  handles = [
      Line2D([], [], linestyle='', label=str(k), **landmark_style(k))
      for k in range(landmarks.shape[1])
  ]
  _save_with_legend(figure, handles, folder / 'landmarks.png')
  if outcome['predicted'].shape[1] == 0:
    return
  figure = _sheet(images[chosen], 'Predicted (o) and annotated (+) points')
  handles = []
  for axes, i in zip(figure.axes, chosen, strict=False):
    handles = _draw_predictions(
        axes, outcome['predicted'][i], outcome['points'][i], point_names
    )
  _save_with_legend(figure, handles, folder / 'predictions.png')


def draw_loss_curves(
    path: pathlib.Path, curves: dict[str, list[dict[str, float]]]
) -> None:
  """Draws the training metrics of the stages that have any.

  Args:
    path: the picture.
    curves: stage -> rows of its metrics.csv.
  """
  curves = {name: rows for name, rows in curves.items() if rows}
  if not curves:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  figure, grid = plt.subplots(
      1, len(curves), figsize=(5 * len(curves), 3.6), squeeze=False,
      layout='constrained',
  )
  for axes, (name, rows) in zip(grid[0], curves.items(), strict=True):
    _draw_curves(axes, name, rows)
  figure.savefig(path, dpi=130)
  plt.close(figure)


def _draw_curves(
    axes: Axes, name: str, rows: list[dict[str, float]]
) -> None:
  """One stage's losses against the step, on a logarithmic axis."""
  steps = [row['step'] for row in rows]
  for metric in ('loss', 'equivariance', 'diversity', 'variance'):
    if metric in rows[0]:
      axes.plot(steps, [row[metric] for row in rows], label=metric, lw=1.2)
  axes.set(title=name, xlabel='step', ylabel='loss', yscale='log')
  axes.grid(alpha=0.3)
  axes.legend()


def _sheet(images: np.ndarray, title: str) -> Figure:
  """A figure with one image per axes, without ticks."""
  columns = min(_COLUMNS, len(images))
  rows = math.ceil(len(images) / columns)
  figure, grid = plt.subplots(
      rows, columns, figsize=(1.9 * columns, 1.9 * rows + 0.8), squeeze=False,
      layout='constrained',
  )
  figure.suptitle(title)
  size = images.shape[1]
  for axes in grid.flat:
    axes.set_axis_off()
  for axes, image in zip(grid.flat, images, strict=False):
    # Edges of pixels at whole numbers: the convention of our points.
    axes.imshow(image, extent=(0, size, size, 0))
    axes.set(xlim=(0, size), ylim=(size, 0))
  return figure


def _draw_landmarks(axes: Axes, points: np.ndarray) -> None:
  for k, (row, column) in enumerate(points):
    axes.plot(
        column, row, markersize=5, markeredgecolor='black',
        markeredgewidth=0.5, **landmark_style(k),
    )


def _draw_predictions(
    axes: Axes,
    predicted: np.ndarray,
    points: np.ndarray,
    names: tuple[str, ...],
) -> list[object]:
  """Circles and crosses, joined by a line; returns the legend's handles."""
  handles = []
  for j, name in enumerate(names):
    colour = colorsys.hsv_to_rgb(j / len(names), 0.9, 1.0)
    (rows, columns) = zip(predicted[j], points[j], strict=True)
    axes.plot(columns, rows, color=colour, linewidth=0.8)
    axes.plot(
        points[j, 1], points[j, 0], '+', color=colour, markersize=8,
        markeredgewidth=1.5,
    )
    handles += axes.plot(
        predicted[j, 1], predicted[j, 0], 'o', color=colour, label=name,
        markersize=6, markerfacecolor='none', markeredgewidth=1.3,
    )
  return handles


def _save_with_legend(
    figure: Figure, handles: list[object], path: pathlib.Path
) -> None:
  longest = max(len(str(handle.get_label())) for handle in handles)
  # About so many letters of this size stand beside each other.
  letters = 14 * figure.get_figwidth()
  figure.legend(
      handles=handles,
      loc='outside lower center',
      ncols=max(1, min(len(handles), 15, int(letters / (longest + 5)))),
      fontsize='small',
      handletextpad=0.1,
      columnspacing=0.9,
  )
  figure.savefig(path, dpi=110)
  plt.close(figure)
