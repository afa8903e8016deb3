"""Pictures: curves, landmark sheets, predictions, warped pairs.

Each is written as PNG to look at, and as SVG and PDF for a paper, with what it
depends on in the file's metadata: the protocol travels with it.
"""

import math
import pathlib
from collections.abc import Sequence

import matplotlib

matplotlib.use('Agg')  # no screen is needed, and none may be there

import matplotlib.pyplot as plt
import matplotlib.ticker as mticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eqlandmarks.report import colours
from eqlandmarks.report.charts import Chart
from eqlandmarks.system import files

# Otherwise names inside SVG files are random: the same results are to make the
# same files.
matplotlib.rcParams['svg.hashsalt'] = 'eqlandmarks'

_COLUMNS = 6
# Formats, and what they call a description.
_FORMATS = {'png': 'Description', 'svg': 'Description', 'pdf': 'Subject'}
_DASHES = {'solid': '-', 'dash': '--', 'dot': ':', 'dashdot': '-.'}


def draw_method(
    folder: pathlib.Path,
    *,
    images: np.ndarray,
    outcome: dict[str, np.ndarray],
    point_names: tuple[str, ...],
    count: int,
    protocol: str = '',
) -> None:
  """Draws the landmarks; with annotations, predictions and warped pairs, too.

  The pairs are the first pictures of Figures 1 and 2, by features of layer 1.
  Where a renderer draws them, a sheet shows what it makes of their landmarks.

  A sheet shows `count` of the images `[N, S, S, 3]`, evenly over all. The
  outcome is that of `observe` on these images, and the protocol goes into the
  files' metadata.
  """
  rows = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
  figure = _sheet(images[rows], 'Discovered landmarks')
  landmarks = outcome['landmarks'][rows]
  for axes, points in zip(figure.axes, landmarks, strict=False):
    # One call per marker, not one per landmark, which takes ten times as long.
    for first, marker in enumerate(colours.MARKERS[: len(points)]):
      chosen = range(first, len(points), len(colours.MARKERS))
      axes.scatter(
          points[chosen, 1], points[chosen, 0], s=22, marker=marker,
          c=[colours.landmark_style(k)['color'] for k in chosen],
          edgecolors='black', linewidths=0.5,
      )
  handles = [
      Line2D([], [], linestyle='', label=str(k), **colours.landmark_style(k))
      for k in range(landmarks.shape[1])
  ]
  _save(figure, folder, 'landmarks', protocol, handles)
  if 'pair_drawn' in outcome:
    pairs = images[outcome['pair_rows']], outcome['pair_images']
    figure = _sheet(
        _alternating(*pairs, outcome['pair_drawn']),
        "An image, its warped copy, and what is drawn from the copy's "
        "landmarks and the image's looks",
    )
    _save(figure, folder, 'drawn', protocol)
  if not outcome['points'].shape[1]:
    return
  draw_points(
      folder, 'predictions', images=images[rows],
      points=outcome['points'][rows], predicted=outcome['predicted'][rows],
      point_names=point_names, protocol=protocol,
      title='Predicted (o) and annotated (+) points',
  )  # fmt: skip
  rows, truth = outcome['pair_rows'], outcome['pair_truth']
  by_features = np.where(np.isnan(truth), np.nan, outcome['pair_found'][:, 0])
  draw_points(
      folder, 'warped_pairs_layer1',
      images=_alternating(images[rows], outcome['pair_images']),
      points=_alternating(outcome['points'][rows], truth),
      predicted=_alternating(np.full_like(truth, np.nan), by_features),
      point_names=point_names, protocol=protocol,
      title='Layer 1: annotated (left, +), and found (o) where the warp '
      'moved it (+)',
  )  # fmt: skip


def _alternating(*arrays: np.ndarray) -> np.ndarray:
  """Rows of arrays by turns: each image is followed by its copy."""
  return np.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])


def draw_points(
    folder: pathlib.Path,
    name: str,
    *,
    images: np.ndarray,
    points: np.ndarray,
    predicted: np.ndarray,
    point_names: tuple[str, ...],
    title: str,
    protocol: str = '',
) -> None:
  """Draws images with annotated points (+), and predicted ones (o).

  Both are `[N, J, 2]`, (row, column) in pixels of the images `[N, S, S, 3]`;
  NaN where missing.
  """
  figure = _sheet(images, title)
  handles: list[Line2D] = []
  for axes, of_image in zip(
      figure.axes, zip(predicted, points, strict=True), strict=False
  ):
    handles = _draw_predictions(axes, *of_image, point_names)
  _save(figure, folder, name, protocol, handles)


def draw_chart(
    folder: pathlib.Path, chart: Chart, protocol: str = ''
) -> None:
  """Draws the lines of a chart, with bands of one standard deviation."""
  columns = 1 if max(len(s.label) for s in chart.series) > 24 else 4
  height = 4.2 + 0.2 * math.ceil(len(chart.series) / columns)
  figure, axes = plt.subplots(figsize=(6.4, height), layout='constrained')
  for line in chart.series:
    axes.plot(
        line.x, line.y, label=line.label, linewidth=1.6, color=line.colour,
        linestyle=_DASHES[line.dash], marker='o' if chart.x_log else None,
        markersize=4,
    )
    if line.spread:
      y, spread = np.array(line.y), np.array(line.spread)
      axes.fill_between(
          line.x, y - spread, y + spread, color=line.colour, alpha=0.15,
          linewidth=0,
      )
  axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
  if chart.x_limits:
    axes.set(xlim=chart.x_limits, ylim=(0.0, 1.02))
  if chart.x_log:
    axes.set_xscale('log')
    axes.set_xticks(sorted({x for line in chart.series for x in line.x}))
    axes.xaxis.set_major_formatter(mticker.FormatStrFormatter('%g'))
    axes.xaxis.set_minor_locator(mticker.NullLocator())
  if chart.y_log:
    axes.set_yscale('log')
  axes.grid(alpha=0.3)
  # Below the axes: inside, it would hide a line sooner or later.
  figure.legend(fontsize='small', loc='outside lower center', ncols=columns)
  _save(figure, folder, chart.name, protocol)


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


def _draw_predictions(
    axes: Axes,
    predicted: np.ndarray,
    points: np.ndarray,
    names: tuple[str, ...],
) -> list[Line2D]:
  """Circles and crosses, joined by a line; returns the legend's handles."""
  handles = []
  for j, name in enumerate(names):
    colour = colours.annotation_colour(j, len(names))
    (rows, columns) = zip(predicted[j], points[j], strict=True)
    axes.plot(columns, rows, color=colour, linewidth=0.8)
    axes.plot(
        points[j, 1], points[j, 0], '+', color=colour, markersize=8,
        markeredgewidth=1.5,
    )
    handles += axes.plot(
        predicted[j, 1], predicted[j, 0], 'o', color=colour,
        label=_literal(name),
        markersize=6, markerfacecolor='none', markeredgewidth=1.3,
    )
  return handles


def _literal(name: str) -> str:
  """A name as matplotlib shows it letter by letter."""
  # A dollar would begin a formula, a leading underscore hide the name.
  shown = name.replace('$', r'\$')
  return f' {shown}' if shown.startswith('_') else shown


def _save(
    figure: Figure,
    folder: pathlib.Path,
    name: str,
    protocol: str,
    handles: Sequence[Line2D] = (),
) -> None:
  """Writes a figure in all formats, with a legend of the handles below it."""
  if handles:
    longest = max(len(str(handle.get_label())) for handle in handles)
    # About so many letters of this size stand beside each other.
    letters = 14 * figure.get_figwidth()
    figure.legend(
        handles=handles, loc='outside lower center', fontsize='small',
        ncols=max(1, min(len(handles), 15, int(letters / (longest + 5)))),
        handletextpad=0.1, columnspacing=0.9,
    )
  for ending, description in _FORMATS.items():
    # No date inside: the same results make the same files.
    metadata = {'svg': {'Date': None}, 'pdf': {'CreationDate': None}}
    about = {description: protocol} if protocol else {}
    with files.replacing(folder / f'{name}.{ending}') as partial:
      figure.savefig(
          partial, dpi=130, metadata=metadata.get(ending, {}) | about,
          format=ending,
      )
  plt.close(figure)
