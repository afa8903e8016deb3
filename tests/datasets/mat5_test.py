import struct

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eqlandmarks.datasets import mat5

STRICT = settings(derandomize=True, deadline=None, max_examples=60)
WHOLE = [np.dtype(kind) for kind in ('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8',
                                     'u8')]  # fmt: skip


def saved(path, values, **options):
  scipy.io.savemat(path, values, **options)
  return path.read_bytes()


@pytest.fixture(scope='module')
def path(tmp_path_factory):
  return tmp_path_factory.mktemp('mat5') / 'x.mat'


@STRICT
@given(
    st.sampled_from([*WHOLE, *map(np.dtype, ('f4', 'f8', 'c8', 'c16'))]),
    arrays.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=5),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_numbers_are_those_that_were_saved(path, dtype, shape, compress, seed):
  values = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
  if dtype.kind == 'c':
    values = values * (1 + 2j)
  before = np.zeros((3, 2))
  content = saved(path, {'a': before, 'b': values}, do_compression=compress)
  found = mat5.read(content, 'b')
  assert found.shape == shape and found.dtype.kind == values.dtype.kind
  np.testing.assert_array_equal(found, values)
  np.testing.assert_array_equal(mat5.read(content, 'a'), before)
  with pytest.raises(KeyError):
    mat5.read(content, 'c')


@pytest.mark.parametrize('compress', [False, True])
def test_structs_cells_and_text(path, compress):
  inner = np.zeros((1, 2), [('name', object), ('x', object)])
  inner[0, 0] = ('word', np.array([[1.5, 2.5]]))
  inner[0, 1] = ('\u00e9\u03b1', np.zeros((0, 0)))
  cell = np.empty((2, 1), object)
  cell[:, 0] = [np.array([[7]]), inner]
  content = saved(path, {'s': inner, 'c': cell}, do_compression=compress)
  for found in (mat5.read(content, 's'), mat5.read(content, 'c')[1, 0]):
    assert found.shape == (1, 2) and found.dtype.names == ('name', 'x')
    assert [''.join(t.ravel()) for t in found['name'][0]] == [
        'word', '\u00e9\u03b1',
    ]  # fmt: skip
    assert found['x'][0, 0].tolist() == [[1.5, 2.5]]
    assert found['x'][0, 1].shape == (0, 0)
  assert mat5.read(content, 'c')[0, 0].tolist() == [[7]]


def element(kind, body, order='<'):
  head = struct.pack(f'{order}II', kind, len(body))
  return head + body + b'\0' * (-len(body) % 8)


def small(kind, body, order='<'):
  return struct.pack(f'{order}I', len(body) << 16 | kind) + body.ljust(4, b'\0')


def file(*parts, order='<'):
  mark = b'\0\1IM' if order == '<' else b'\1\0MI'
  return b'text'.ljust(124) + mark + b''.join(parts)


def array(kind, shape, *parts, order='<', flags=0, name=b'a'):
  head = [
      element(6, struct.pack(f'{order}II', flags << 8 | kind, 0), order),
      element(5, struct.pack(f'{order}{len(shape)}i', *shape), order),
      small(1, name, order),
  ]
  return element(14, b''.join([*head, *parts]), order)


# By hand from the format's description: types 1 int8, 2 uint8, 3 int16, 5
# int32, 6 uint32, 9 double, 14 array, 16 UTF-8; classes 4 char, 6 double.
@pytest.mark.parametrize('order', ['<', '>'])
def test_by_hand(order):
  # MATLAB stores doubles in fewer bytes where nothing is lost, columns first.
  values = struct.pack(f'{order}6h', 1, 2, 3, -4, 5, 6)
  content = file(array(6, (2, 3), element(3, values, order), order=order),
                 order=order)  # fmt: skip
  assert mat5.read(content, 'a').tolist() == [[1, 3, 5], [2, -4, 6]]
  content = file(
      array(6, (1, 1), small(2, b'\xff', order), order=order, name=b'b'),
      array(4, (1, 2), small(16, b'ok', order), order=order), order=order,
  )  # fmt: skip
  assert mat5.read(content, 'a').tolist() == [['o', 'k']]
  assert mat5.read(content, 'b').tolist() == [[255]]


ONE = element(9, struct.pack('<d', 1.0))
DAMAGED = {
    # Of such types, others take an index without a check.
    **{f'type {kind}': array(6, (1, 1), element(kind, b'\0' * 8))
       for kind in (0, 8, 10, 11, 14, 15, 19, 20, 255, 65_535)},
    'an array in numbers': array(6, (1, 1), array(6, (1, 1), ONE)),
    'no values': array(6, (1, 1)),
    'too few values': array(6, (1, 2), ONE),
    'too many values': array(6, (0, 2), ONE),
    'part of a value': array(6, (1, 1), element(9, b'\0' * 7)),
    'no imaginary part': array(6, (1, 1), ONE, flags=8),
    'one dimension': array(6, (1,), ONE),
    'a negative shape': array(6, (-1, -1), ONE),
    'huge': array(6, (2**31 - 1,) * 4, ONE),
    'a short small element': array(6, (1, 1), small(2, b'')),
    'a long small element': array(
        6, (1, 1), struct.pack('<I', 5 << 16 | 2) + b'\0' * 4
    ),
    'longer than the file': array(6, (1, 1), struct.pack('<II', 9, 2**32 - 1)),
    'a struct of no fields': array(2, (1, 1)),
    'names of no length': array(2, (1, 1), small(5, b'\0' * 4), small(1, b'')),
    'too few records': array(2, (1, 2), small(5, b'\2\0\0\0'),
                             element(1, b'a\0b\0'), array(6, (1, 1), ONE)),
    'longer than what is there': array(
        6, (1, 1), struct.pack('<IId', 9, 16, 1.0)
    ),
    'a huge cell': array(1, (2**31 - 1,) * 3),
    'compressed': element(15, b'abc'),
    'compressed in part': element(15, b'x\x9c'),
}  # fmt: skip


@pytest.mark.parametrize('case', DAMAGED)
def test_damaged(case, tmp_path):
  # zlib and NumPy have errors of their own, see `matlab.load`.
  errors = (mat5.DamagedError, mat5.zlib.error, ValueError)
  with pytest.raises(errors) as caught:
    mat5.read(file(DAMAGED[case]), 'a')
  assert str(caught.value)


def test_deeply_nested():
  inner = array(6, (1, 1), ONE)
  for depth in range(500):
    inner = array(1, (1, 1), inner)
    if depth == 10:
      assert mat5.read(file(inner), 'a').shape == (1, 1)
  with pytest.raises(mat5.DamagedError, match='in structs'):
    mat5.read(file(inner), 'a')


def test_what_is_not_read_is_none():
  # Class 17 is an object of newer MATLAB; it has no shape.
  opaque = element(14, element(6, struct.pack('<II', 17, 0)) + ONE)
  found = mat5.read(file(array(1, (1, 2), opaque, array(6, (1, 1), ONE))), 'a')
  assert found[0, 0] is None and found[0, 1].tolist() == [[1]]


@pytest.mark.parametrize('content', [b'', b'\0' * 200, b'MATLAB' * 100])
def test_no_matlab_file(content):
  with pytest.raises(mat5.DamagedError, match='header'):
    mat5.read(content, 'a')


@pytest.mark.parametrize('mark', [b'\0\2IM', b'\2\0MI'])
def test_version_7_3(mark):
  with pytest.raises(NotImplementedError):
    mat5.read(b' ' * 124 + mark + b'\0' * 400, 'a')
