"""Pictures and videos with landmarks drawn into them, by Pillow.

matplotlib, which draws the report's figures, takes a second for a picture; a
video has thousands. The colours and markers of landmarks are the report's.
"""

import collections
import functools
import itertools
import pathlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from eqlandmarks.errors import UserError
from eqlandmarks.media import videos
from eqlandmarks.report import colours
from eqlandmarks.system import file_names
from eqlandmarks.system import files

# Pictures are enlarged by a whole factor until their shorter side has as many
# pixels: a marker would hide half of a smaller one.
_SHORTER_SIDE = 384

# Pictures whose shorter side has fewer pixels have no room for numbers.
_LEAST_NUMBERED = 200

# Below, a marker is hollow.
_SURE = 0.5

# Corners of the markers, (x, y) in units of the radius; a circle has none.
_CORNERS = {
    's': ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    'D': ((0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)),
    '^': ((0, -1.1), (1, 0.8), (-1, 0.8)),
    'v': ((0, 1.1), (-1, -0.8), (1, -0.8)),
}

# Landmarks, their confidence, and annotations (or None) of an image.
Drawn = tuple[np.ndarray | None, ...]


def draw(
    image: Image.Image,
    landmarks: np.ndarray,
    confidence: np.ndarray,
    annotations: np.ndarray | None = None,
    *,
    trail: Sequence[np.ndarray] = (),
    enlarge: int = 1,
    numbered: bool = False,
) -> Image.Image:
  """Draws landmarks, and annotations as crosses, into a copy of an image.

  Args:
    image: RGB.
    landmarks: `[K, 2]` in pixels of the image.
    confidence: `[K]`; the markers of those below a half are hollow.
    annotations: `[J, 2]` in pixels of the image, or None.
    trail: earlier landmarks, the latest last: lines lead from there to here.
    enlarge: whole factor by which the copy is enlarged.
    numbered: whether landmarks have their numbers, where there is room.
  """
  width, height = image.width * enlarge, image.height * enlarge
  picture = image.resize((width, height), Image.Resampling.NEAREST)
  pen = ImageDraw.Draw(picture)
  radius = max(2.0, min(height, width) / 90)
  path = np.stack([*trail, landmarks], axis=1) * enlarge  # [K, T, 2]
  for k, points in enumerate(path):
    style = colours.landmark_style(k)
    colour = _to_8bit(style['color'])
    points = _to_pillow(points)
    if len(points) > 1:
      pen.line(points, fill=colour, width=max(1, round(radius / 3)))
    fill = colour if confidence[k] >= _SURE else None
    _mark(pen, style['marker'], points[-1], radius, fill, colour)
  if annotations is not None:
    places = _to_pillow(annotations * enlarge)
    for j, place in enumerate(places):
      colour = _to_8bit(colours.annotation_colour(j, len(places)))
      _cross(pen, place, 1.6 * radius, colour)
  if numbered and min(height, width) >= _LEAST_NUMBERED:
    for k, (x, y) in enumerate(_to_pillow(path[:, -1])):
      number = _number(k, _font(height, width))
      place = round(x + radius), round(y - radius) - number.height
      picture.paste(number, place, number)
  return picture


def draw_legend(
    width: int, height: int, count: int, names: Sequence[str] = ()
) -> Image.Image | None:
  """What the marks in a picture of this size mean, to stand below it.

  Args:
    width: of the picture, and of the legend.
    height: of the picture.
    count: of the landmarks.
    names: of the annotations.

  Returns:
    The legend, with an even number of rows; None where there is no room.
  """
  if min(height, width) < _LEAST_NUMBERED:
    return None
  font, radius = _font(height, width), max(2.0, min(height, width) / 90)
  texts = [*map(str, range(count)), *names, 'hollow: less sure']
  step = 5 * radius
  places, x, y = [], radius, 0
  line = round(1.8 * font.size)
  for text in texts:
    room = step + font.getlength(text)
    if x + room > width and x > radius:
      x, y = radius, y + line
    places.append((x + 1.5 * radius, y + line / 2))
    x += room + radius
  legend = Image.new('RGB', (width, (y + line + 1) // 2 * 2))
  pen = ImageDraw.Draw(legend)
  for number, ((x, y), text) in enumerate(zip(places, texts, strict=True)):
    if number < count:
      style = colours.landmark_style(number)
      colour = _to_8bit(style['color'])
      _mark(pen, style['marker'], (x, y), radius, colour, colour)
    elif number < count + len(names):
      colour = colours.annotation_colour(number - count, len(names))
      _cross(pen, (x, y), 1.6 * radius, _to_8bit(colour))
    else:
      _mark(pen, 'o', (x, y), radius, None, (255, 255, 255))
    pen.text((x + 2 * radius, y), text, (255, 255, 255), font, 'lm')
  return legend


def draw_pictures(
    folder: pathlib.Path,
    drawn: Iterable[tuple[str, Image.Image, Drawn]],
    ids: Collection[str] = (),
    *,
    plain: pathlib.Path | None = None,
) -> list[pathlib.Path]:
  """Draws images, by their ids, each into a PNG that is called as the image.

  The pictures of the images in `ids` keep their names. The images themselves
  go into a folder `plain`, if it is given.
  """
  paths = []
  taken = {*ids, *(str(p) for i in ids for p in pathlib.PurePath(i).parents)}
  for name, image, points in drawn:
    file = _picture_name(name, taken)
    enlarge = max(1, -(-_SHORTER_SIDE // min(image.size)))
    pictures = {folder: draw(image, *points, enlarge=enlarge, numbered=True)}
    if plain:
      pictures[plain] = image
    for place, picture in pictures.items():
      path = file_names.below(place, file)
      with files.replacing(path) as partial:
        picture.save(partial, 'PNG', compress_level=1)
      paths.append(path)
  return paths


def _picture_name(name: str, taken: set[str]) -> str:
  """Where the picture of an image goes: NAME.png, which no other image is."""
  head, slash, tail = name.rpartition('/')
  ending = '' if tail.lower().endswith('.png') else '.png'
  while ending and f'{head}{slash}{file_names.fitting(tail, ending)}' in taken:
    ending = f'.drawn{ending}'
  return f'{head}{slash}{file_names.fitting(tail, ending)}'


def draw_video(
    path: pathlib.Path,
    frames: Iterable[np.ndarray],
    drawn: Iterable[Drawn],
    *,
    size: tuple[int, int],
    fps: float,
    trail: int,
    names: Sequence[str] = (),
) -> None:
  """Draws frames `[H, W, 3]` into a video, with a legend below if it has room.

  The file gets its name when it is whole. Landmarks are traced through as many
  earlier frames as `trail` says. `names` are those of the annotations.

  Raises:
    UserError: there are fewer frames than predictions.
  """
  earlier: collections.deque[np.ndarray] = collections.deque(maxlen=trail)
  frames, drawn = iter(frames), iter(drawn)
  first = next(drawn)
  legend = draw_legend(size[1], size[0], len(first[0]), names)
  below = [] if legend is None else [np.asarray(legend)]
  whole = (size[0] + sum(map(len, below)), size[1])
  with videos.writing(path, size=whole, fps=fps) as append:
    for number, (landmarks, *others) in enumerate(
        itertools.chain([first], drawn)
    ):
      frame = next(frames, None)
      if frame is None:
        raise UserError(
            f'{path}: the video ends after {number} frames, expected as many '
            'as were predicted on; predict on it again'
        )
      image = Image.fromarray(frame)
      picture = draw(
          image, landmarks, *others, trail=[*earlier], numbered=True
      )
      append(np.concatenate([np.asarray(picture), *below]))
      earlier.append(landmarks)


@functools.cache
def _font(height: int, width: int) -> ImageFont.FreeTypeFont:
  """The font of numbers in a picture of this size."""
  return ImageFont.load_default(max(11, round(min(height, width) / 36)))


@functools.cache
def _number(number: int, font: ImageFont.FreeTypeFont) -> Image.Image:
  """A number in white on a black edge; drawing it anew is slow."""
  box = font.getbbox(str(number), stroke_width=1)
  picture = Image.new('RGBA', (int(box[2] - box[0]), int(box[3] - box[1])))
  ImageDraw.Draw(picture).text(
      (-box[0], -box[1]), str(number), (255, 255, 255), font,
      stroke_width=1, stroke_fill=(0, 0, 0),
  )  # fmt: skip
  return picture


def _to_pillow(points: np.ndarray) -> list[tuple[float, float]]:
  """(row, column) points as (x, y), with the centre of a pixel at 0."""
  return [(float(x) - 0.5, float(y) - 0.5) for y, x in points]


def _to_8bit(colour: tuple[float, ...]) -> tuple[int, ...]:
  return tuple(round(255 * part) for part in colour)


def _mark(
    pen: ImageDraw.ImageDraw,
    marker: str,
    place: tuple[float, float],
    radius: float,
    fill: tuple[int, ...] | None,
    colour: tuple[int, ...],
) -> None:
  """A marker with a dark edge, or hollow in its colour."""
  (x, y), edge = place, (0, 0, 0) if fill else colour
  if marker in _CORNERS:
    corners = [(x + a * radius, y + b * radius) for a, b in _CORNERS[marker]]
    pen.polygon(corners, fill=fill, outline=edge)
  else:
    box = (x - radius, y - radius, x + radius, y + radius)
    pen.ellipse(box, fill=fill, outline=edge)


def _cross(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    reach: float,
    colour: tuple[int, ...],
) -> None:
  """In its colour on black, to be seen on any image."""
  x, y = place
  thin = max(1, round(reach / 5))
  for fill, width in (((0, 0, 0), thin + 2), (colour, thin)):
    pen.line((x - reach, y, x + reach, y), fill=fill, width=width)
    pen.line((x, y - reach, x, y + reach), fill=fill, width=width)
