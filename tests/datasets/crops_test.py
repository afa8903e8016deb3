import numpy as np
import pytest
from PIL import Image

from eqlandmarks.datasets.base import crops
from eqlandmarks.datasets.base.crops import Box

# Rows 10 to 30, columns 20 to 60; the middle point is not known.
POINTS = np.array([(10.0, 60.0), (np.nan, np.nan), (30.0, 20.0), (25.0, 40.0)])


def test_around():
  assert crops.around(POINTS, 5) == Box(5, 15, 35, 65)
  assert crops.around(POINTS, 0) == Box(10, 20, 30, 60)
  assert crops.around(POINTS[:1], 2.5) == Box(7.5, 57.5, 12.5, 62.5)


def test_centred():
  # The centre of the box is (20, 40), that of the points is another one.
  assert crops.centred(POINTS, 50) == Box(-30, -10, 70, 90)
  assert crops.centred(POINTS[2:3], 1) == Box(29, 19, 31, 21)


def test_square():
  # Twice the larger side, 40, about (20, 40).
  assert crops.square(POINTS) == Box(-20, 0, 60, 80)
  assert crops.square(POINTS[:, ::-1]) == Box(0, -20, 80, 60)


def test_shape_and_shrunk():
  box = Box(10, 20, 30, 70)
  assert box.shape == (20, 50)
  # A tenth of 20 rows is 2, of 50 columns 5.
  assert box.shrunk(0.1) == Box(12, 25, 28, 65)
  assert box.shrunk(0) == box


def test_clipped():
  assert Box(-5, -6, 200, 300).clipped(100, 120) == Box(0, 0, 100, 120)
  assert Box(5, 6, 20, 30).clipped(100, 120) == Box(5, 6, 20, 30)
  assert Box(-5, 6, 20, 300).clipped(100, 120) == Box(0, 6, 20, 120)


@pytest.mark.parametrize(
    ('box', 'sound'),
    [
        (Box(0, 0, 100, 50), True),
        (Box(-10, -10, 1, 1), True),
        # Nothing of the image, or nothing at all.
        (Box(-10, -10, 0, 40), False),
        (Box(100, 0, 200, 40), False),
        (Box(0, 50, 20, 60), False),
        (Box(20, 20, 20, 20), False),
        # Eight times the larger side, and more.
        (Box(-350, 0, 450, 10), True),
        (Box(-350, 0, 450.5, 10), False),
        (Box(0, -400, 10, 400.5), False),
        (Box(-np.inf, 0, np.inf, 10), False),
        (Box(np.nan, 0, np.nan, 10), False),
    ],
)
def test_is_sound(box, sound):
  assert box.is_sound(100, 50) is sound


def test_to_stored():
  # From 20 x 50 to 100 x 100: five times the rows, twice the columns.
  stored = Box(10, 20, 30, 70).to_stored(POINTS, 100)
  assert stored.dtype == np.float32
  np.testing.assert_array_equal(
      stored, [(0, 80), (np.nan, np.nan), (100, 0), (75, 40)]
  )


def noise(height, width):
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_whole_image_is_a_plain_resize():
  image = Image.fromarray(noise(30, 40))
  plain = image.resize((24, 24), Image.Resampling.BILINEAR)
  cut = crops.cut(image, Box(0, 0, 30, 40), 24)
  np.testing.assert_array_equal(cut, plain)


def test_whole_pixels_within_the_image():
  pixels = noise(30, 40)
  cut = crops.cut(Image.fromarray(pixels), Box(5, 7, 21, 23), 16)
  np.testing.assert_array_equal(cut, pixels[5:21, 7:23])


@pytest.mark.parametrize('box', [
    Box(-3, -5, 13, 11), Box(20, 30, 36, 46), Box(-3, 30, 13, 46),
    Box(-8, -4, 8, 12),
])  # fmt: skip
def test_the_edge_goes_on_beyond_the_image(box):
  pixels = noise(30, 40)
  rows = np.clip(np.arange(box.top, box.bottom), 0, 29).astype(int)
  columns = np.clip(np.arange(box.left, box.right), 0, 39).astype(int)
  cut = crops.cut(Image.fromarray(pixels), box, 16)
  np.testing.assert_array_equal(cut, pixels[rows][:, columns])


def test_parts_of_pixels_beyond_the_image():
  # Columns are all the same; the rows' values rise by 8 from 4 at 0.5 on, so
  # that the value of a place is 8 times its row. The edge goes on with 4.
  rows = np.arange(4, 164, 8, dtype=np.uint8)
  pixels = np.repeat(rows, 20 * 3).reshape(20, 20, 3)
  cut = crops.cut(Image.fromarray(pixels), Box(-2.5, -2.5, 13.5, 13.5), 16)
  # Rows -2 to 13 of the image, from the middle of one pixel to the next one's.
  expected = np.maximum(8 * np.arange(-2, 14), 4)
  np.testing.assert_array_equal(np.asarray(cut)[:, 5, 0], expected)


@pytest.mark.parametrize('seed', range(20))
def test_no_box_goes_over_what_was_added(seed):
  # Pillow refuses a box that is larger than its image by any rounding error.
  rng = np.random.default_rng(seed)
  for _ in range(20):
    top, left = rng.uniform(-20, 29, 2) / rng.choice([1, 3, 1e7])
    height, width = rng.uniform(1, 60, 2)
    box = Box(top, left, top + height, left + width)
    assert crops.cut(Image.new('RGB', (40, 30)), box, 8).size == (8, 8)
