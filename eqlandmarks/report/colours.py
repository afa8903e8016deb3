"""Colours and markers of points, the same in every picture, page and video."""

import colorsys

# As matplotlib names them.
MARKERS = 'osD^v'


def landmark_style(index: int) -> dict[str, object]:
  """Colour and marker of a landmark."""
  # Golden-ratio steps keep neighbours in the numbering far apart in hue.
  hue = index * 0.61803 % 1.0
  value = (1.0, 0.75)[index // len(MARKERS) % 2]
  return {
      'color': colorsys.hsv_to_rgb(hue, 0.9, value),
      'marker': MARKERS[index % len(MARKERS)],
  }


def annotation_colour(index: int, count: int) -> tuple[float, float, float]:
  """Colour of one of so many annotated points."""
  return colorsys.hsv_to_rgb(index / count, 0.9, 1.0)
