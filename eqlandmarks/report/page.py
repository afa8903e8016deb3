"""The report as one page that needs nothing else: report.html."""

import base64
import dataclasses
import io
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from eqlandmarks.report import colours
from eqlandmarks.report.charts import Chart
from eqlandmarks.report.tables import Table
from eqlandmarks.system import files

_TEMPLATE = pathlib.Path(__file__).parent / 'template'


@dataclasses.dataclass(frozen=True)
class Method:
  """What one method found, for the viewers: arrays of `observe.Outcome`."""

  name: str
  label: str
  outcome: dict[str, np.ndarray]
  landmarks: Table | None


@dataclasses.dataclass(frozen=True)
class Page:
  """All that the page shows.

  Attributes:
    images: uint8 `[N, S, S, 3]`, those of the methods' outcomes; the viewers
      show `num_images` of them.
    warnings: what a reader must be told first.
    collapsed: the signs of a collapse, of each method that shows any.
  """

  title: str
  tables: Sequence[Table]
  charts: Sequence[Chart]
  methods: Sequence[Method]
  images: np.ndarray
  point_names: Sequence[str]
  num_images: int
  warnings: Sequence[str]
  collapsed: Mapping[str, Sequence[str]] = dataclasses.field(
      default_factory=dict
  )


def render(page: Page) -> str:
  """The page's HTML; names of files and points are escaped."""
  environment = jinja2.Environment(
      loader=jinja2.FileSystemLoader(_TEMPLATE),
      autoescape=True,
      undefined=jinja2.StrictUndefined,
      trim_blocks=True,
      lstrip_blocks=True,
  )
  return environment.get_template('page.html').render(
      page=page,
      charts=[_chart(chart) for chart in page.charts],
      viewers=_viewers(page),
      drawn={m.label: rows for m in page.methods if (rows := _drawn(page, m))},
      style=_read('page.css'),
      charts_script=_read('charts.js'),
      script=_read('page.js'),
  )


def write(path: pathlib.Path, page: Page) -> None:
  """Writes the page; an older one stays until the new one is whole."""
  with files.replacing(path) as partial:
    partial.write_text(render(page), encoding='utf-8')


def _read(name: str) -> str:
  return (_TEMPLATE / name).read_text(encoding='utf-8')


def _chart(chart: Chart) -> dict[str, Any]:
  """The chart for charts.js."""
  return {
      'name': chart.name,
      'title': chart.title,
      'xLabel': chart.x_label,
      'yLabel': chart.y_label,
      'xLimits': chart.x_limits,
      'yLimits': chart.x_limits and (0.0, 1.02),
      'xLog': chart.x_log,
      'yLog': chart.y_log,
      'series': [
          {
              'label': line.label, 'x': _finite(line.x), 'y': _finite(line.y),
              'spread': line.spread and _finite(line.spread),
              'colour': line.colour, 'dash': line.dash,
          }
          for line in chart.series
      ],
  }  # fmt: skip


def _finite(values: Iterable[float | None]) -> list[float | None]:
  """Values for JSON, which has neither NaN nor infinity; None is a gap."""
  return [v if v is not None and math.isfinite(v) else None for v in values]


def _viewers(page: Page) -> dict[str, Any]:
  """What the script draws over the images."""
  count = min(page.num_images, len(page.images))
  rows = np.linspace(0, len(page.images) - 1, count).astype(int)
  outcomes = [method.outcome for method in page.methods]
  number = max((o['landmarks'].shape[1] for o in outcomes), default=0)
  pairs = outcomes[0]['pair_rows'] if outcomes else []
  return {
      'size': page.images.shape[1],
      'pointNames': list(page.point_names),
      'colours': [_css(colours.landmark_style(k)) for k in range(number)],
      'images': [_data_uri(page.images[i]) for i in rows],
      'pairImages': [_data_uri(page.images[i]) for i in pairs],
      'methods': [_method(method, rows) for method in page.methods],
  }


def _method(method: Method, rows: np.ndarray) -> dict[str, Any]:
  outcome = method.outcome
  pairs = outcome['pair_rows']
  return {
      'name': method.name,
      'label': method.label,
      'ids': outcome['ids'][rows].tolist(),
      'landmarks': _round(outcome['landmarks'][rows]),
      'predicted': _round(outcome['predicted'][rows]),
      'points': _round(outcome['points'][rows]),
      'pairIds': outcome['ids'][pairs].tolist(),
      'pairPoints': _round(outcome['points'][pairs]),
      'pairTruth': _round(outcome['pair_truth']),
      'pairFound': _round(outcome['pair_found']),
      'pairWarped': [_data_uri(image) for image in outcome['pair_images']],
  }


def _drawn(page: Page, method: Method) -> list[dict[str, Any]]:
  """What a renderer draws of the pairs of images; none without one."""
  outcome = method.outcome
  return [
      {
          'id': outcome['ids'][row],
          'pictures': {
              'image': _data_uri(page.images[row]),
              'warped': _data_uri(copy),
              'drawn': _data_uri(drawn),
          },
      }
      for row, copy, drawn in zip(
          outcome['pair_rows'], outcome['pair_images'],
          outcome.get('pair_drawn', ()), strict=False,
      )
  ]


def _css(style: dict[str, Any]) -> str:
  red, green, blue = (round(255 * channel) for channel in style['color'])
  return f'rgb({red},{green},{blue})'


def _round(values: np.ndarray) -> Any:
  """Nested lists with two decimals; NaN becomes null."""
  rounded = np.round(values.astype(np.float64), 2)
  return np.where(np.isnan(rounded), None, rounded).tolist()


def _data_uri(image: np.ndarray) -> str:
  encoded = io.BytesIO()
  Image.fromarray(image).save(encoded, format='PNG')
  text = base64.b64encode(encoded.getvalue()).decode()
  return f'data:image/png;base64,{text}'
