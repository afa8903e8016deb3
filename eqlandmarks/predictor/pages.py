"""What the pages of labels and of predictions share: templates and pictures."""

import base64
import io
import pathlib
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from eqlandmarks.report import colours
from eqlandmarks.system import files

_TEMPLATE = pathlib.Path(__file__).parent / 'template'


def write(path: pathlib.Path, name: str, **content: Any) -> None:
  """Writes a page of a template, which needs nothing else; names are escaped.

  Args:
    path: of the page.
    name: of the template, 'label' or 'watch'.
    **content: what the template shows; `data` is for its script.
  """
  environment = jinja2.Environment(
      loader=jinja2.FileSystemLoader(_TEMPLATE),
      autoescape=True,
      undefined=jinja2.StrictUndefined,
      trim_blocks=True,
      lstrip_blocks=True,
  )
  text = environment.get_template(f'{name}.html').render(
      **content,
      # Files of ours, which are no text to escape.
      inline=lambda file: (_TEMPLATE / file).read_text(encoding='utf-8'),
  )
  with files.replacing(path) as partial:
    partial.write_text(text, encoding='utf-8')


def png(image: Image.Image) -> str:
  """An image as it is, for the `src` of a page."""
  return _encoded(image, 'PNG')


def jpeg(image: Image.Image, longest: int, quality: int = 85) -> str:
  """An image with sides of up to `longest` pixels, for the `src` of a page."""
  image = image.copy()
  image.thumbnail((longest, longest))
  return _encoded(image, 'JPEG', quality=quality)


def data_uri(content: bytes, kind: str) -> str:
  """Bytes as the `src` of a page, of a kind such as 'image/png'."""
  return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def packed(values: np.ndarray) -> str:
  """An array as the base64 of its float32, for `Float32Array`."""
  content = np.ascontiguousarray(values, '<f4').tobytes()
  return base64.b64encode(content).decode()


def landmark_colours(count: int) -> list[str]:
  """The colours of landmarks, as CSS has them."""
  return [_css(colours.landmark_style(k)['color']) for k in range(count)]


def annotation_colours(count: int) -> list[str]:
  """The colours of so many annotated points, as CSS has them."""
  return [_css(colours.annotation_colour(j, count)) for j in range(count)]


def _css(colour: Any) -> str:
  red, green, blue = (round(255 * channel) for channel in colour)
  return f'rgb({red},{green},{blue})'


def _encoded(image: Image.Image, form: str, **options: Any) -> str:
  buffer = io.BytesIO()
  image.save(buffer, form, **options)
  return data_uri(buffer.getvalue(), f'image/{form.lower()}')
