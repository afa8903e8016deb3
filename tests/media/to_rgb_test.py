"""Pixels of all kinds: what is stored is seen, or refused in one line."""

import io
import struct
import zlib

import numpy as np
import pytest
import tiff_files
from PIL import Image
from PIL import ImageFile

from eqlandmarks import errors
from eqlandmarks.media import images

_GREY, _RGB, _LAB = 1, 2, 8
# [H, W, 3]; the largest is 3510 of 4095, which is 218.6 of 255.
_TWELVE = np.array(
    [[[0, 16, 255], [257, 1000, 2048]], [[3510, 1, 300], [4, 5, 6]]]
)
_SHOWN = np.round(_TWELVE * (255 / 4095)).astype(np.uint8)


def decoded(tmp_path, content, name='x.tif'):
  (tmp_path / name).write_bytes(content)
  return np.asarray(images.decode(tmp_path / name))


def refusal(tmp_path, content, name='x.tif'):
  with pytest.raises(errors.UserError) as error:
    decoded(tmp_path, content, name)
  message = str(error.value)
  assert message.startswith(f'{tmp_path}/{name}: ')
  assert '\n' not in message and message.endswith(images.REMEDY)
  return message.removeprefix(f'{tmp_path}/{name}: ')


def png(values, colour, *chunks):
  """A PNG of 16 bits of values [H, W, C]."""
  height, width = values.shape[:2]
  rows = values.astype('>u2').reshape(height, -1)
  data = b''.join(b'\0' + row.tobytes() for row in rows)
  header = struct.pack('>IIBBBBB', width, height, 16, colour, 0, 0, 0)
  parts = [(b'IHDR', header), *chunks, (b'IDAT', zlib.compress(data)),
           (b'IEND', b'')]  # fmt: skip
  return b'\x89PNG\r\n\x1a\n' + b''.join(
      struct.pack('>I', len(body)) + name + body
      + struct.pack('>I', zlib.crc32(name + body))
      for name, body in parts
  )


def ppm(values, maxval, kind='P6'):
  shape = f'{values.shape[1]} {values.shape[0]}'
  header = f'{kind}\n# made by hand\n{shape}\n{maxval}\n'.encode()
  if kind in ('P2', 'P3'):
    return header + b'# more\n' + ' '.join(map(str, values.ravel())).encode()
  return header + values.astype('>u2').tobytes()


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize(
    'kind', [{}, {'planar': True}, {'deflate': True}, {'tiles': True}]
)
def test_12_bits_of_colour_in_a_tiff(tmp_path, order, kind):
  if 'tiles' in kind:
    big = np.kron(_TWELVE, np.ones((16, 16, 1), int)).astype(np.uint16)
    content = tiff_files.tiff(tiff_files.tiled(big, _RGB, 16))
    np.testing.assert_array_equal(
        decoded(tmp_path, content)[::16, ::16], _SHOWN
    )
    return
  page = tiff_files.page(_TWELVE.astype(np.uint16), _RGB, order=order, **kind)
  content = tiff_files.tiff(page, order=order)
  np.testing.assert_array_equal(decoded(tmp_path, content), _SHOWN)


def test_12_bits_of_colour_in_lzw(tmp_path):
  # Pillow writes no 16-bit colour, but packs the same bytes as 8-bit ones.
  raw = _TWELVE.astype('<u2').tobytes()
  image = Image.frombytes('RGB', (4, 2), raw)
  buffer = io.BytesIO()
  image.save(buffer, 'TIFF', compression='tiff_lzw')
  with Image.open(buffer) as opened:
    tags = opened.tag_v2
    block = buffer.getvalue()[tags[273][0]:][: tags[279][0]]
  made, _ = tiff_files.page(_TWELVE.astype(np.uint16), _RGB)
  content = tiff_files.tiff((made | {259: (5,)}, [block]))
  np.testing.assert_array_equal(decoded(tmp_path, content), _SHOWN)


def test_compressed_planes_of_16_bits_are_refused(tmp_path):
  page = tiff_files.page(
      _TWELVE.astype(np.uint16), _RGB, planar=True, deflate=True
  )
  said = refusal(tmp_path, tiff_files.tiff(page))
  assert said.startswith('is a TIFF of 16-bit colours in compressed planes, ')


def test_16_bits_of_colour_and_an_unspecified_channel(tmp_path):
  four = np.dstack([_TWELVE, np.full((2, 2), 65535)]).astype(np.uint16)
  page = tiff_files.page(four, _RGB, tags={338: (0,)})
  content = tiff_files.tiff(page)
  np.testing.assert_array_equal(decoded(tmp_path, content), _SHOWN)


@pytest.mark.parametrize(('extra', 'colour'), [(1, 1000), (2, 2000)])
def test_16_bits_of_colour_and_alpha(tmp_path, extra, colour):
  # Extra 1: colours come multiplied by the alpha, here a half.
  four = np.array([[[colour, 0, 0, 32768], [4000, 0, 0, 65535]]], np.uint16)
  content = tiff_files.tiff(
      tiff_files.page(four, _RGB, tags={338: (extra,)})
  )
  shown = decoded(tmp_path, content)
  red = (2000 / 4095 * 255 + 255) / 2
  assert shown[0, 0].tolist() == pytest.approx([red, 127, 127], abs=1.5)
  assert shown[0, 1].tolist() == [249, 0, 0]


@pytest.mark.parametrize('full', [4095, 65535])
def test_16_bits_of_colour_in_a_png(tmp_path, full):
  values = np.round(_TWELVE * (full / 4095))
  np.testing.assert_array_equal(
      decoded(tmp_path, png(values, 2), 'x.png'), _SHOWN
  )


def test_16_bits_and_transparency_in_a_png(tmp_path):
  alpha = np.array([[[65535], [65535]], [[65535], [0]]])
  expected = _SHOWN.copy()
  expected[1, 1] = 255
  four = np.concatenate([_TWELVE, alpha], -1)
  np.testing.assert_array_equal(
      decoded(tmp_path, png(four, 6), 'a.png'), expected
  )
  key = (b'tRNS', struct.pack('>3H', 4, 5, 6))
  np.testing.assert_array_equal(
      decoded(tmp_path, png(_TWELVE, 2, key), 'b.png'), expected
  )
  grey = np.concatenate([_TWELVE[..., :1], alpha], -1)
  expected = np.where(alpha == 0, 255, _SHOWN[..., :1].repeat(3, -1))
  np.testing.assert_array_equal(
      decoded(tmp_path, png(grey, 4), 'c.png'), expected
  )
  key = (b'tRNS', struct.pack('>H', 4))
  np.testing.assert_array_equal(
      decoded(tmp_path, png(_TWELVE[..., :1], 0, key), 'd.png'), expected
  )


def test_filtered_interlaced_png_of_16_bits(tmp_path):
  # Filter 1 of a row: each byte less that of the pixel before it.
  row = _TWELVE.reshape(1, -1).astype('>u2').view(np.uint8)[0]
  less = row.copy()
  less[6:] -= row[:-6]
  content = png(_TWELVE.reshape(1, 4, 3), 2)
  plain = zlib.compress(b'\0' + row.tobytes())
  filtered = zlib.compress(b'\x01' + less.tobytes())
  start = content.index(plain) - 8
  chunk = b'IDAT' + filtered
  content = content[:start] + struct.pack('>I', len(filtered)) + chunk
  content += struct.pack('>I', zlib.crc32(chunk))
  content += b'\0\0\0\0IEND' + struct.pack('>I', zlib.crc32(b'IEND'))
  np.testing.assert_array_equal(
      decoded(tmp_path, content, 'x.png')[0], _SHOWN.reshape(4, 3)
  )


@pytest.mark.parametrize('kind', ['P3', 'P6'])
@pytest.mark.parametrize('maxval', [4095, 65535])
def test_colours_of_a_ppm(tmp_path, kind, maxval):
  np.testing.assert_array_equal(
      decoded(tmp_path, ppm(_TWELVE, maxval, kind), 'x.ppm'), _SHOWN
  )


@pytest.mark.parametrize('kind', ['P2', 'P5'])
def test_what_is_white_in_a_pgm_is_what_it_says(tmp_path, kind):
  dark = np.array([[0, 150, 200]])
  np.testing.assert_array_equal(
      decoded(tmp_path, ppm(dark, 4095, kind), 'x.pgm')[0, :, 0], [0, 9, 12]
  )


def test_a_ppm_that_was_cut(tmp_path):
  for kind in ('P3', 'P6'):
    said = refusal(tmp_path, ppm(_TWELVE, 65535, kind)[:-4], 'x.ppm')
    assert said.startswith('does not decode')


@pytest.mark.parametrize('dtype', [np.float64, np.float16, np.complex64])
def test_kinds_of_grey_that_are_not_read(tmp_path, dtype):
  page = tiff_files.page(np.zeros((2, 2), dtype), _GREY)
  bits = 8 * np.dtype(dtype).itemsize
  kind = 'complex numbers' if dtype == np.complex64 else 'floats'
  said = refusal(tmp_path, tiff_files.tiff(page))
  assert said.startswith(f'is a TIFF of {bits}-bit {kind} in 1 channel, exp')


@pytest.mark.parametrize(
    ('channels', 'dtype', 'photometric', 'extra', 'kind'),
    [
        (2, np.uint16, _GREY, (0,), '16-bit unsigned integers in 2'),
        (2, np.uint8, _GREY, (0,), '8-bit unsigned integers in 2'),
        (3, np.float32, _RGB, (), '32-bit floats in 3'),
        (3, np.int16, _RGB, (), '16-bit signed integers in 3'),
        (5, np.uint8, _RGB, (0, 0), '8-bit unsigned integers in 5'),
        (7, np.uint8, _GREY, (0,) * 6, '8-bit unsigned integers in 7'),
        (3, np.uint32, _RGB, (), '32-bit unsigned integers in 3'),
    ],
)
def test_channels_that_are_not_read(
    tmp_path, channels, dtype, photometric, extra, kind
):
  page = tiff_files.page(
      np.zeros((2, 2, channels), dtype), photometric,
      tags={338: extra} if extra else {},
  )  # fmt: skip
  said = refusal(tmp_path, tiff_files.tiff(page))
  assert said.startswith(f'is a TIFF of {kind} channels, expected ')


def test_a_compression_that_is_not_read(tmp_path):
  grey = np.zeros((2, 2), np.uint8)
  page = tiff_files.page(grey, _GREY, tags={259: (34887,)})
  said = refusal(tmp_path, tiff_files.tiff(page))
  assert said.startswith('is a TIFF with compression 34887, expected ')


@pytest.mark.parametrize(
    ('values', 'dtype', 'photometric', 'expected'),
    [
        ([0, 2**31, 2**32 - 1], np.uint32, _GREY, [0, 128, 255]),  # stretched
        ([-128, 0, 127], np.int8, _GREY, [0, 128, 255]),
        ([-100, 20, 100], np.int16, _GREY, [0, 153, 255]),
        ([0, 819, 4095], np.uint16, 0, [255, 204, 0]),  # 0 is white
        ([0, 0.2, 1], np.float32, 0, [255, 204, 0]),
    ],
)
def test_greys_of_a_tiff(tmp_path, values, dtype, photometric, expected):
  page = tiff_files.page(np.array([values], dtype), photometric)
  found = decoded(tmp_path, tiff_files.tiff(page))[0, :, 0]
  assert found.tolist() == expected


def test_lab(tmp_path):
  # Red of sRGB is L = 54.3, a = 80.8, b = 69.9 under the D50 of files.
  values = [[[round(54.3 * 2.55), 81, 70]]]
  page = tiff_files.page(np.array(values, np.uint8), _LAB)
  found = decoded(tmp_path, tiff_files.tiff(page))[0, 0]
  np.testing.assert_allclose(found, [255, 0, 0], atol=5)


def test_palette_and_grey_with_multiplied_alpha(tmp_path):
  colours = np.zeros((3, 256), int)
  colours[:, 1] = [255 * 257, 128 * 257, 0]
  page = tiff_files.page(
      np.array([[1, 0]], np.uint8), 3, tags={320: tuple(colours.ravel())}
  )
  found = decoded(tmp_path, tiff_files.tiff(page))
  assert found[0].tolist() == [[255, 128, 0], [0, 0, 0]]
  page = tiff_files.page(
      np.array([[[50, 128], [9, 255]]], np.uint8), _GREY, tags={338: (1,)}
  )
  found = decoded(tmp_path, tiff_files.tiff(page))
  assert found[0, :, 0].tolist() == pytest.approx([177, 9], abs=1)


@pytest.mark.parametrize('kind', ['jpg', 'png', 'tif', 'webp', 'deep.png'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_all_eight_orientations(tmp_path, kind, orientation):
  # What is shown of stored rows and columns, by the standard's words.
  shown = {
      1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1],
      4: lambda x: x[::-1], 5: lambda x: x.T, 6: lambda x: x[::-1].T,
      7: lambda x: x[::-1, ::-1].T, 8: lambda x: x[:, ::-1].T,
  }[orientation]  # fmt: skip
  stored = np.zeros((16, 32), np.uint8)
  stored[:8, :8], stored[:8, 8:16] = 255, 120
  path = tmp_path / f'x.{kind}'
  exif = Image.Exif()
  exif[0x0112] = orientation
  if kind == 'deep.png':
    values = stored[..., None].repeat(3, -1).astype(int) * 257
    path.write_bytes(png(values, 2, (b'eXIf', exif.tobytes()[6:])))
  else:
    options = {'lossless': True} if kind == 'webp' else {}
    Image.fromarray(stored).save(path, exif=exif, **options)
  found = np.asarray(images.decode(path))[..., 0]
  assert found.shape == shown(stored).shape == images.displayed_size(path)
  np.testing.assert_allclose(found, shown(stored), atol=8)


def _text(kind, size):
  """A chunk of a PNG that unpacks to so many bytes."""
  name, head, byte = {
      'profile': (b'iCCP', b'p\0\0', b'\0'),
      'text': (b'zTXt', b'Comment\0\0', b' '),
      'xmp': (b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0', b' '),
  }[kind]
  return name, head + zlib.compress(byte * size, 1)


@pytest.mark.parametrize('kind', ['profile', 'text', 'xmp'])
def test_metadata_of_a_png_may_be_large(tmp_path, kind):
  content = png(_TWELVE, 2, _text(kind, 3_000_000))
  np.testing.assert_array_equal(decoded(tmp_path, content, 'x.png'), _SHOWN)


@pytest.mark.parametrize('kind', ['profile', 'text', 'xmp'])
def test_metadata_that_would_fill_the_memory(tmp_path, kind):
  content = png(_TWELVE, 2, _text(kind, 70_000_000))
  assert 'too large' in refusal(tmp_path, content, 'x.png')


def test_damage_is_still_found(tmp_path):
  assert not ImageFile.LOAD_TRUNCATED_IMAGES
  content = png(np.arange(30000).reshape(100, 100, 3), 2)
  for cut in (100, 5000):
    assert 'does not decode' in refusal(tmp_path, content[:-cut], 'x.png')
  page = tiff_files.page(np.zeros((20, 20, 3), np.uint16), _RGB)
  assert 'does not decode' in refusal(tmp_path, tiff_files.tiff(page)[:-99])
