"""Files that are read back: what is too large, or nested too deeply."""

import io
import json
import zipfile

import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.system import data_files


def _said(read, path):
  with pytest.raises(errors.UserError) as caught:
    read(path, 'remove it')
  said = str(caught.value)
  assert said.startswith(f'{path} is damaged (') and said.endswith('remove it')
  assert '\n' not in said
  return said


def _npy(array):
  file = io.BytesIO()
  np.save(file, array)
  return file.getvalue()


def _archive(path, method, **arrays):
  with zipfile.ZipFile(path, 'w', method) as archive:
    for name, content in arrays.items():
      archive.writestr(f'{name}.npy', content)


@pytest.fixture
def counted(monkeypatch):
  """The numbers of bytes that are unpacked."""
  counts, read = [], zipfile.ZipExtFile.read

  def counting(self, *arguments):
    content = read(self, *arguments)
    counts.append(len(content))
    return content

  monkeypatch.setattr(zipfile.ZipExtFile, 'read', counting)
  return counts


def test_arrays_of_both_kinds_are_read(tmp_path):
  arrays = {'a': np.arange(6.0).reshape(2, 3), 'names': np.array(['x', 'yz'])}
  for save in np.savez, np.savez_compressed:
    save(tmp_path / 'a.npz', **arrays)
    found = data_files.read_arrays(tmp_path / 'a.npz', '')
    assert found.keys() == arrays.keys()
    for name in arrays:
      np.testing.assert_array_equal(found[name], arrays[name])


def test_arrays_that_would_fill_the_memory(tmp_path, monkeypatch, counted):
  path = tmp_path / 'a.npz'
  zeros = _npy(np.zeros(100_000))
  _archive(path, zipfile.ZIP_BZIP2, a=zeros)
  assert 'its compression is another one' in _said(data_files.read_arrays, path)
  monkeypatch.setattr(data_files, '_LARGEST_ARRAYS', 1_000_000)
  _archive(path, zipfile.ZIP_DEFLATED, a=zeros)
  assert data_files.read_arrays(path, '')['a'].shape == (100_000,)
  counted.clear()
  _archive(path, zipfile.ZIP_DEFLATED, a=zeros, b=zeros)
  assert path.stat().st_size < 10_000
  assert f'it unpacks to {2 * len(zeros)} bytes' in _said(
      data_files.read_arrays, path
  )
  assert not counted
  _archive(path, zipfile.ZIP_STORED, a=zeros, b=zeros)
  assert len(data_files.read_arrays(path, '')) == 2


@pytest.mark.parametrize(
    ('kind', 'shape'),
    [('<f8', (4 * 10**12,)), ('<f8', (5,)), ('|S0', (4 * 10**5,)),
     ('|O', (4,))],
)  # fmt: skip
def test_headers_that_promise_what_is_not_there(tmp_path, kind, shape):
  file = io.BytesIO()
  np.lib.format.write_array_header_1_0(
      file, {'descr': kind, 'fortran_order': False, 'shape': shape}
  )
  content = file.getvalue() + bytes(32)
  _archive(tmp_path / 'a.npz', zipfile.ZIP_DEFLATED, a=content)
  _said(data_files.read_arrays, tmp_path / 'a.npz')


def test_json_that_is_too_large_or_too_deep(tmp_path, monkeypatch):
  path = tmp_path / 'a.json'
  for deep in '[' * 100_000, '{"a":' * 100_000, '[' * 100_000 + ']' * 100_000:
    path.write_text(deep)
    assert 'nested too deeply' in _said(data_files.read_json, path)
  monkeypatch.setattr(data_files, '_LARGEST_JSON', 100)
  path.write_text(json.dumps('x' * 98))
  assert data_files.read_json(path, '') == 'x' * 98
  path.write_text(json.dumps('x' * 99))
  assert 'it has 101 bytes' in _said(data_files.read_json, path)


def test_json_from_elsewhere():
  assert data_files.parse_json(b'{"a": "\xc3\xa9"}') == {'a': 'é'}
  for bad in b'[' * 100_000, b'{', b'\xff', b'':
    with pytest.raises(ValueError):
      data_files.parse_json(bad)
