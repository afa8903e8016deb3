import io
import warnings

import numpy as np
import pytest
from PIL import Image

from eqlandmarks.errors import UserError
from eqlandmarks.media import images


def decoded(path):
  return np.asarray(images.decode(path))


def save(path, array, mode=None, **options):
  image = Image.fromarray(np.asarray(array))
  (image.convert(mode) if mode else image).save(path, **options)
  return path


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tif', 'gif', 'pgm', 'webp'])
def test_grey_becomes_three_equal_channels(tmp_path, suffix):
  grey = np.array([[0, 50], [100, 255]], np.uint8)
  options = {'lossless': True} if suffix == 'webp' else {}
  path = save(tmp_path / f'x.{suffix}', grey, **options)
  np.testing.assert_array_equal(decoded(path), np.stack([grey] * 3, -1))


def test_rgba_lies_over_white(tmp_path):
  rgba = [[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]]
  path = save(tmp_path / 'x.png', np.array(rgba, np.uint8))
  expected = [[[200, 0, 0], [255] * 3, [204] * 3]]
  np.testing.assert_array_equal(decoded(path), expected)


def test_grey_with_alpha(tmp_path):
  image = Image.fromarray(np.array([[9, 9]], np.uint8)).convert('LA')
  image.putalpha(Image.fromarray(np.array([[255, 0]], np.uint8)))
  image.save(tmp_path / 'x.png')
  np.testing.assert_array_equal(
      decoded(tmp_path / 'x.png'), [[[9] * 3, [255] * 3]]
  )


def test_palette_and_its_transparent_colour(tmp_path):
  image = Image.new('P', (3, 1))
  image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
  image.putdata([0, 1, 2])
  image.save(tmp_path / 'plain.png')
  image.save(tmp_path / 'seen.png', transparency=1)
  colours = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
  np.testing.assert_array_equal(decoded(tmp_path / 'plain.png'), colours)
  colours[0][1] = [255, 255, 255]
  np.testing.assert_array_equal(decoded(tmp_path / 'seen.png'), colours)


def test_one_bit(tmp_path):
  path = save(tmp_path / 'x.png', [[True, False]])
  np.testing.assert_array_equal(decoded(path), [[[255] * 3, [0] * 3]])


def test_cmyk(tmp_path):
  Image.new('CMYK', (4, 4), (0, 255, 255, 0)).save(tmp_path / 'x.tif')
  assert decoded(tmp_path / 'x.tif')[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize('suffix', ['png', 'tif'])
@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([0, 257, 32896, 65535], [0, 1, 128, 255]),  # 16 bits
        ([0, 819, 4095], [0, 51, 255]),  # 12 bits in a 16-bit file
        ([0, 7, 255], [0, 7, 255]),  # 8 bits in a 16-bit file
        ([0, 4096], [0, 16]),  # one too many for 12 bits
        ([0, 0], [0, 0]),
    ],
)
def test_16_bits(tmp_path, suffix, values, expected):
  path = save(tmp_path / f'x.{suffix}', np.array([values], np.uint16))
  assert decoded(path)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ('values', 'dtype', 'expected'),
    [
        ([0, 0.2, 1], np.float32, [0, 51, 255]),
        ([0, 51, 255], np.float32, [0, 51, 255]),
        ([np.nan, 0.2, 1], np.float32, [0, 51, 255]),
        ([-1, 0, 1], np.float32, [0, 128, 255]),  # stretched
        ([-5, -5], np.float32, [0, 0]),
        ([0, 100_000, 500_000], np.int32, [0, 51, 255]),  # stretched
    ],
)
def test_32_bit_tiff(tmp_path, values, dtype, expected):
  path = save(tmp_path / 'x.tif', np.array([values], dtype))
  assert decoded(path)[0, :, 0].tolist() == expected


def test_resize_squashes_and_averages(tmp_path):
  stripes = np.zeros((64, 128), np.uint8)
  stripes[:, ::2] = 200
  path = save(tmp_path / 'x.png', stripes)
  small = images.resize(images.decode(path), 32)
  assert (small.size, small.mode) == ((32, 32), 'RGB')
  # Without anti-aliasing the stripes would come out as 0 or 200.
  assert np.abs(np.asarray(small).astype(int)[:, 2:-2] - 100).max() <= 2


def test_small_images_are_fine(tmp_path):
  path = save(tmp_path / 'x.png', np.full((1, 3), 7, np.uint8))
  small = images.resize(images.decode(path), 8)
  assert np.asarray(small).shape == (8, 8, 3)
  assert np.asarray(small).max() == 7


def bad_file(path, kind):
  image = Image.fromarray(np.arange(9216, dtype=np.uint16).reshape(96, 96))
  buffer = io.BytesIO()
  image.save(buffer, 'PNG')
  content = {
      'empty': b'',
      'text': b'no image at all',
      'truncated': buffer.getvalue()[:-3000],
      'postscript': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n',
  }
  path.write_bytes(content[kind])


@pytest.mark.parametrize('kind', ['empty', 'text', 'truncated', 'postscript'])
def test_bad_files_are_named_in_one_line(tmp_path, kind):
  bad_file(tmp_path / 'bad.png', kind)
  with pytest.raises(UserError) as error:
    images.decode(tmp_path / 'bad.png')
  message = str(error.value)
  assert message.startswith(f'{tmp_path}/bad.png: does not decode')
  assert 'skip_bad' in message and '\n' not in message


def test_too_many_pixels(tmp_path, monkeypatch):
  path = save(tmp_path / 'x.png', np.zeros((40, 40), np.uint8))
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
  for read in (images.decode, images.displayed_size):
    with pytest.raises(UserError, match=r'x\.png: has 1600 pixels'):
      read(path)


def test_threads_share_no_filter_of_warnings(tmp_path, monkeypatch):
  path = save(tmp_path / 'x.png', np.zeros((4, 4), np.uint8))
  monkeypatch.delattr(warnings, 'catch_warnings')
  assert decoded(path).shape == (4, 4, 3)


def test_bad_images_lists_them(tmp_path):
  save(tmp_path / 'good.png', np.zeros((4, 4), np.uint8))
  bad_file(tmp_path / 'bad.png', 'empty')
  (tmp_path / 'broken.png').symlink_to(tmp_path / 'absent.png')
  names = ['bad.png', 'broken.png', 'good.png']
  assert images.bad_images(tmp_path, names) == ['bad.png', 'broken.png']
