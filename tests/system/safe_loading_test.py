"""Nothing that is read can run a program, or fill the memory unasked."""

import ast
import json
import pathlib

import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.datasets.base import storage
from eqlandmarks.media import videos

ROOT = pathlib.Path(__file__).parent.parent.parent
_UNSAFE = {
    'pickle', 'cPickle', '_pickle', 'dill', 'cloudpickle', 'joblib', 'shelve',
    'marshal', 'torch', 'jsonpickle', 'tarfile',
}  # fmt: skip
_CALLS = {
    'eval', 'exec', 'read_pickle', 'read_hdf', 'unpack_archive', 'extractall',
}  # fmt: skip
_OF_YAML = {'safe_load', 'YAMLError'}


def _unsafe(tree):
  """(line, what) of all that could run what a file says."""
  for node in ast.walk(tree):
    names = []
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [node.module or '']
    yield from (
        (node.lineno, n) for n in names if n.partition('.')[0] in _UNSAFE
    )
    if 'yaml' in names and isinstance(node, ast.ImportFrom):
      yield node.lineno, 'from yaml'
    if isinstance(node, ast.Attribute):
      is_yaml = getattr(node.value, 'id', '') == 'yaml'
      if is_yaml and node.attr not in _OF_YAML:
        yield node.lineno, f'yaml.{node.attr}'
    if not isinstance(node, ast.Call):
      continue
    called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
    if called in _CALLS:
      yield node.lineno, called
    if (
        called == 'load'
        and ast.unparse(node.func) == 'np.load'
        and 'allow_pickle=False' not in ast.unparse(node)
    ):
      yield node.lineno, 'np.load without allow_pickle=False'


def test_the_check_itself_finds_what_it_should():
  text = (
      'import pickle\nfrom joblib import load\nnp.load(x)\neval(x)\n'
      'pandas.read_pickle(x)\nyaml.load(x)\nfrom yaml import load\n'
      'np.load(x, allow_pickle=False)\nimport yaml\nyaml.safe_load(x)\n'
  )
  assert sorted(line for line, _ in _unsafe(ast.parse(text))) == [*range(1, 8)]


def test_no_file_is_unpickled_or_executed():
  for path in [*ROOT.glob('*.py'), *ROOT.glob('eqlandmarks/**/*.py'),
               *ROOT.glob('benchmarks/**/*.py')]:  # fmt: skip
    found = list(_unsafe(ast.parse(path.read_text())))
    if 'torch' in path.name:  # a benchmark, which reads no file with it
      found = [pair for pair in found if not pair[1].startswith('torch')]
    assert not found, (path, found)


def test_frames_that_are_too_large(tmp_path, monkeypatch):
  pytest.importorskip('av')
  with videos.writing(tmp_path / 'v.mp4', size=(32, 48), fps=5.0) as append:
    append(np.zeros((32, 48, 3), np.uint8))
  assert videos.probe(tmp_path / 'v.mp4').size == (32, 48)
  monkeypatch.setattr(videos, 'LARGEST', 1000)
  with pytest.raises(errors.UserError, match=r'48 x 32 pixels.*at most 1000'):
    videos.probe(tmp_path / 'v.mp4')


class _Builder:
  def __init__(self, folder):
    self.data_dir = folder


@pytest.mark.parametrize('damage', ['missing', 'cut', 'objects'])
def test_prepared_data_that_are_gone_or_damaged(tmp_path, damage):
  path = tmp_path / 'train.npz'
  fields = {'ids': ['a'], 'points': np.zeros((1, 1, 2)),
            'original_sizes': np.zeros((1, 2)), 'digests': ['0']}  # fmt: skip
  if damage == 'objects':
    fields['ids'] = np.array([json], object)[:0]
    fields['points'] = np.array([{}], object)
  if damage != 'missing':
    np.savez(path, **fields)
  if damage == 'cut':
    path.write_bytes(path.read_bytes()[:300])
  with pytest.raises(errors.UserError) as caught:
    storage.open_table(_Builder(tmp_path), 'train')
  assert str(path) in str(caught.value)
  assert f'without {tmp_path}, it is prepared anew' in str(caught.value)
