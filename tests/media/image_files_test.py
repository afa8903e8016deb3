"""Which files hold one picture, and what is said of others."""

import io
import struct

import numpy as np
import pytest
import tiff_files
from PIL import Image

from eqlandmarks import errors
from eqlandmarks.media import images
from eqlandmarks.predictor import inputs

_SMALLER, _PAGE, _MASK = 1, 2, 4


def _page(value, shape=(4, 4), **tags):
  """A grey page of a value."""
  values = np.full(shape, value, np.uint8)
  numbered = {int(name[1:]): given for name, given in tags.items()}
  return tiff_files.page(values, 1, tags=numbered)


def _refusal(path):
  """What is said wherever the image is opened."""
  said = set()
  for function in (images.decode, images.displayed_size):
    with pytest.raises(errors.UserError) as error:
      function(path)
    said.add(str(error.value))
  assert len(said) == 1
  return said.pop().removeprefix(f'{path}: ')


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('subfile', [0, _PAGE])
def test_pages_of_a_tiff(tmp_path, order, subfile):
  path = tmp_path / 'stack.tif'
  pages = [
      tiff_files.page(
          np.full((4, 4), n, np.uint8), 1, order=order,
          tags={254: (subfile,)},
      )
      for n in range(5)
  ]  # fmt: skip
  path.write_bytes(tiff_files.tiff(*pages, order=order))
  assert _refusal(path) == (
      'holds 5 pages, expected one picture in a file; write each into a file '
      f'of its own; {images.REMEDY}'
  )


def test_pages_that_pillow_writes(tmp_path):
  for compression in (None, 'tiff_lzw', 'tiff_deflate', 'jpeg'):
    path = tmp_path / 'stack.tif'
    pages = [Image.new('RGB', (8, 8), (n, n, n)) for n in range(3)]
    pages[0].save(
        path, save_all=True, append_images=pages[1:], compression=compression
    )
    assert _refusal(path).startswith('holds 3 pages, ')


def test_a_large_stack_of_imagej(tmp_path):
  path = tmp_path / 'stack.tif'
  text = b'ImageJ=1.53\nimages=700\nslices=700\n\0'
  path.write_bytes(tiff_files.tiff(_page(1, _270=text)))
  assert _refusal(path).startswith('holds 700 pages, ')
  text = b'ImageJ=1.53\nunit=um\n\0'
  path.write_bytes(tiff_files.tiff(_page(1, _270=text)))
  assert images.decode(path).size == (4, 4)


@pytest.mark.parametrize(
    'further',
    [
        [_page(9, (2, 2), _254=(_SMALLER,))],
        [_page(9, (side, side), _254=(_SMALLER,)) for side in (2, 1)],
        [_page(9, _254=(_MASK,))],
        [_page(9, (2, 2), _254=(_SMALLER | _MASK,))],
    ],
)
def test_smaller_copies_and_masks_are_no_pages(tmp_path, further):
  path = tmp_path / 'one.tif'
  for pages in ([_page(7), *further], [*further, _page(7)]):
    path.write_bytes(tiff_files.tiff(*pages))
    assert images.displayed_size(path) == (4, 4)
    assert np.asarray(images.decode(path)).tolist() == [[[7] * 3] * 4] * 4


def test_a_lone_page_is_a_picture_whatever_it_says(tmp_path):
  path = tmp_path / 'one.tif'
  path.write_bytes(tiff_files.tiff(_page(7, _254=(_SMALLER,))))
  assert np.asarray(images.decode(path))[0, 0, 0] == 7


def test_pages_that_go_round(tmp_path):
  content = tiff_files.tiff(_page(7))
  count = struct.unpack('<H', content[8:10])[0]
  place = 10 + 12 * count
  path = tmp_path / 'one.tif'
  path.write_bytes(content[:place] + struct.pack('<I', 8) + content[place + 4:])
  assert np.asarray(images.decode(path))[0, 0, 0] == 7


def test_a_further_page_that_is_damaged(tmp_path):
  content = tiff_files.tiff(_page(7))
  place = 10 + 12 * struct.unpack('<H', content[8:10])[0]
  path = tmp_path / 'one.tif'
  for wrong in (len(content) - 1, 10**9):
    offset = struct.pack('<I', wrong)
    path.write_bytes(content[:place] + offset + content[place + 4:])
    assert np.asarray(images.decode(path))[0, 0, 0] == 7


@pytest.mark.parametrize('suffix', ['gif', 'png', 'webp'])
def test_animations(tmp_path, suffix):
  path = tmp_path / f'x.{suffix}'
  frames = [Image.new('RGB', (4, 4), (60 * n, 0, 0)) for n in range(4)]
  frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
  assert _refusal(path).startswith('holds 4 frames, expected one picture ')
  frames[1].save(path, save_all=True, lossless=True)
  assert np.asarray(images.decode(path))[0, 0].tolist() == [60, 0, 0]


@pytest.mark.parametrize(
    'image',
    [
        b'P6\n2 1\n255\nabcdef',
        b'P6\n1 1\n4095\nabcdef',
        b'P5\n3 2\n255\nabcdef',
        b'P5\n3 1\n65535\n' + bytes(6),
        b'P5\n3 1\n4095\n' + bytes(6),
        b'P4\n9 1\nab',
    ],
)
def test_images_behind_each_other(tmp_path, image):
  path = tmp_path / 'x.ppm'
  path.write_bytes(image + b'\n')
  images.decode(path)
  path.write_bytes(image + image)
  assert _refusal(path).startswith('holds several images, expected one ')


def test_views_of_a_camera_are_one_picture(tmp_path):
  path = tmp_path / 'x.jpg'
  views = [Image.new('L', (8, 8), grey) for grey in (50, 200)]
  views[0].save(path, 'MPO', save_all=True, append_images=views[1:])
  with Image.open(path) as opened:
    assert (opened.format, opened.n_frames) == ('MPO', 2)
  assert np.asarray(images.decode(path))[0, 0, 0] == pytest.approx(50, abs=2)


def test_stacks_are_bad_images_and_no_input(tmp_path):
  path = tmp_path / 'stack.tif'
  path.write_bytes(tiff_files.tiff(_page(1), _page(2)))
  assert images.bad_images(tmp_path, ['stack.tif']) == ['stack.tif']
  source = inputs.open_source(path)
  with pytest.raises(errors.UserError) as error:
    next(source.read(0)).load()
  assert f'{path}: holds 2 pages' in str(error.value)
  assert 'config.predict.skip_bad' in str(error.value)


def test_a_damaged_tiff_is_no_unknown_kind(tmp_path):
  path = tmp_path / 'x.tif'
  buffer = io.BytesIO()
  Image.new('RGB', (9, 9)).save(buffer, 'TIFF')
  for cut, said in ((4, ''), (9, 'its TIFF directory'), (30, 'its TIFF')):
    path.write_bytes(buffer.getvalue()[:cut])
    assert _refusal(path).startswith(f'does not decode ({said}')
  path.write_bytes(buffer.getvalue()[:200])  # within the pixels
  with pytest.raises(errors.UserError, match='does not decode'):
    images.decode(path)
