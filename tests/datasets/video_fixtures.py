"""A tiny video. A blob's place says which number a frame has."""

import fixtures
import numpy as np

from eqlandmarks.media import videos

# Frames of 48 x 64 pixels, in cells of 8 x 8: numbers from 0 to 47. Stored
# images have twice as many rows, and as many columns.
HEIGHT, WIDTH, CELL, SIZE = 48, 64, 8, 96
COLUMNS = WIDTH // CELL
FRAMES = 40
HEADER = 'path,a_x,a_y'


def picture(number, height=HEIGHT, width=WIDTH):
  frame = np.zeros((height, width, 3), np.uint8)
  row, column = (CELL * place for place in divmod(number, width // CELL))
  frame[row : row + CELL, column : column + CELL] = 255
  return frame


def film(path, count=FRAMES, size=(HEIGHT, WIDTH)):
  path.parent.mkdir(parents=True, exist_ok=True)
  with videos.writing(path, size=size, fps=10.0) as append:
    for number in range(count):
      append(picture(number, *size))
  return path


def table(root, rows, header=HEADER):
  (root / 'labels.csv').write_text('\n'.join([header, *rows]) + '\n')


def build(root, data_dir, **fields):
  return fixtures.make('video', root, data_dir, **{'image_size': SIZE} | fields)
