"""A page on which one clicks named points, and sees them guessed."""

import os
import pathlib
import posixpath
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import pages
from eqlandmarks.predictor.predictor import Predictor
from eqlandmarks.predictor.result import Prediction
from eqlandmarks.system import fingerprints

# Frames of more pixels are put into the page as JPEG: twenty PNG of a camera
# would be a quarter of a gigabyte.
_MOST_PIXELS = 3_000_000


def write(
    path: pathlib.Path,
    source: inputs.Source,
    predictor: Predictor,
    found: Prediction,
    regression: Any,
    command: str,
) -> None:
  """Writes the page.

  Args:
    path: of the page.
    source: where the images come from.
    predictor: what found the landmarks.
    found: the landmarks of the images to label, in the page's order.
    regression: fields as `config.regression`.
    command: what to do with the table, for the reader.
  """
  images = {entry.id: entry.load() for entry in source.only(found.ids).read(0)}
  boxes, folder = predictor.boxes(found.sizes), _folder(source)
  names = _names_in_folder(found.ids)
  frames = [
      {
          'id': id_,
          'png': f'labeled-data/{folder}/{names[row]}',
          'width': int(found.sizes[row][1]),
          'height': int(found.sizes[row][0]),
          'box': boxes[row].tolist(),
          'landmarks': np.round(found.landmarks[row].astype(float), 5).tolist(),
          'confidence': round(float(found.confidence[row].mean()), 3),
          'src': _picture(images[id_]),
      }
      for row, id_ in enumerate(found.ids)
  ]
  pages.write(
      path, 'label',
      title=f'Points of {source.name}',
      command=command,
      data={
          'key': fingerprints.of_values(source.digest)[:16],
          'name': source.name,
          'folder': folder,
          'frames': frames,
          'names': list(predictor.annotation_names),
          'regression': {
              name: regression[name]
              for name in ('alpha', 'fit_intercept', 'origin', 'unit')
          },
      },
  )  # fmt: skip


def _picture(image: Image.Image) -> str:
  if image.width * image.height > _MOST_PIXELS:
    return pages.jpeg(image, max(image.size), quality=95)
  return pages.png(image)


def _folder(source: inputs.Source) -> str:
  """What DeepLabCut calls the folder of the frames."""
  return (source.video_name or source.name).replace(os.sep, '-')


def _names_in_folder(ids: Sequence[str]) -> list[str]:
  """Names of PNG files in one folder, all of them different."""
  names: list[str] = []
  for number, id_ in enumerate(ids):
    stem = posixpath.splitext(id_)[0].replace('/', '-')
    if posixpath.basename(id_).startswith('img') and id_.endswith('.png'):
      stem = posixpath.splitext(posixpath.basename(id_))[0]
    name = f'{stem}.png'
    names.append(name if name not in names else f'{stem}-{number}.png')
  return names
