"""Nothing in an H5 file that a user was sent is ever unpickled."""

import os
import pickle
import pickletools

import h5py
import numpy as np
import pytest
import tables

from eqlandmarks import formats
from eqlandmarks.datasets import folder
from eqlandmarks.datasets import video
from eqlandmarks.errors import UserError
from eqlandmarks.formats import label_files
from eqlandmarks.predictor import inputs

POSES = formats.Poses(('a',), ('1.png',), np.ones((1, 1, 2)))


class _Program:
  """What makes a folder when it is unpickled."""

  def __init__(self, folder):
    self._folder = str(folder)

  def __reduce__(self):
    return os.mkdir, (self._folder,)


def _hidden(path, program):
  """In a text that h5py, which looked first, ended at its first NUL."""
  content = pickle.dumps(program, protocol=2)
  assert b'\0' in content[:-1] and content.endswith(b'.')
  with h5py.File(path, 'a') as file:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(content))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    attribute = h5py.h5a.create(file.id, b'hidden', kind, space)
    attribute.write(np.array(content, np.dtype(f'S{len(content)}')), mtype=kind)
    assert file.attrs['hidden'] != content


def _rewritten(path, program):
  """In `FILTERS` of an old file, of which PyTables replaces the module's name.

  What stands there is two texts. The first becomes 3 bytes longer, so its end
  is read as opcodes: N (None), 0 (pop), and U, which takes the T of the second
  for the length of a text, 84; behind which the program begins.
  """
  inside = b'x' * 80 + pickle.dumps(program, protocol=0)
  inside += b'x' * (-len(inside) % 256)  # lengths are texts, too: ASCII
  content = b'U\x11(ctables.Leaf\nN0UT' + len(inside).to_bytes(4, 'little')
  content += inside + b'.'
  codes = [code.name for code, _, _ in pickletools.genops(content)]
  assert codes == ['SHORT_BINSTRING', 'BINSTRING', 'STOP']
  with h5py.File(path, 'a') as file:
    file.attrs['PYTABLES_FORMAT_VERSION'] = np.bytes_(b'1.6')
    file.attrs['FILTERS'] = np.bytes_(content)


@pytest.fixture(params=[_hidden, _rewritten])
def bomb(request, tmp_path):
  """(a file of labels with a program in it, the folder that it would make)."""
  folder = tmp_path / 'labeled-data' / 'v'
  folder.mkdir(parents=True)
  path, made = folder / 'CollectedData_me.h5', tmp_path / 'made'
  formats.write(POSES, path, 'deeplabcut-h5')
  request.param(path, _Program(made))
  return path, made


def test_the_files_are_what_they_should_be(bomb):
  """PyTables, which once read them, runs their programs."""
  path, made = bomb
  with tables.open_file(str(path)) as file:
    for name in ('hidden', 'FILTERS'):
      if name in file.root._v_attrs._v_attrnames:
        getattr(file.root._v_attrs, name)
  assert made.is_dir()


@pytest.mark.parametrize('form', ['', *formats.FORMATS])
@pytest.mark.parametrize('ending', ['.h5', '.csv', '.slp', '.json'])
def test_no_format_runs_a_program(bomb, form, ending):
  path = bomb[0].rename(bomb[0].with_suffix(ending))
  with pytest.raises(UserError) as error:
    formats.read(path, form)
  assert '\n' not in str(error.value) and str(path) in str(error.value)
  assert not bomb[1].exists()


@pytest.mark.parametrize('labels', ['deeplabcut', 'file', 'pts'])
@pytest.mark.parametrize('room', [folder, video])
def test_no_dataset_runs_a_program(bomb, labels, room, tmp_path):
  (tmp_path / 'v.mp4').write_bytes(b'')
  with pytest.raises(UserError) as error:
    options = room.Options(str(bomb[0]) if labels == 'file' else labels)
    room.build(
        options, root=tmp_path, image_size=32, data_dir=tmp_path / 'prepared'
    )
  assert '\n' not in str(error.value)
  assert not bomb[1].exists()


def test_no_prediction_runs_a_program(bomb):
  with pytest.raises(UserError):
    inputs.open_source(str(bomb[0]))
  assert not bomb[1].exists()


def test_the_csv_beside_is_named(tmp_path, monkeypatch):
  path = tmp_path / 'l.h5'
  formats.write(POSES, path, 'deeplabcut-h5')
  monkeypatch.setattr(label_files, 'library', None)  # none is needed to refuse
  with pytest.raises(UserError, match=r'l.h5: .*l.csv, which is not there; '):
    formats.read(path)
  (tmp_path / 'l.csv').write_text('')
  with pytest.raises(UserError, match=r'l.h5: .*l.csv, which holds the same a'):
    formats.read(path)
