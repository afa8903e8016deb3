"""The notebooks, from the top cell to the last, at a tiny size."""

import pathlib

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from eqlandmarks.media import videos

ROOT = pathlib.Path(__file__).parent.parent
COLABS = ROOT / 'colabs'
NAMES = ['devices', 'discover', 'own_loop', 'reproduce']

TINY = {
    'image_size': 32, 'num_landmarks': 5, 'model.widths': (8, 8, 16, 16),
    'model.features': 16, 'model.landmark_width': 8,
    'pretrain.num_locations': 16, 'pretrain.num_epochs': 1,
    'discover.num_epochs': 1, 'evaluation.sheet_images': 6,
}  # fmt: skip
TINY_SIGNER = TINY | {
    'dataset.num_train': 16, 'dataset.num_validation': 12,
    'dataset.num_test': 8, 'ablation.share': 1.0,
}  # fmt: skip


def _execute(name, tmp_path, monkeypatch, *parameters):
  """Runs a notebook with a cell of parameters below its own."""
  # Not the folder of the notebooks: nothing is to be written there.
  monkeypatch.setenv('PYTHONPATH', str(ROOT))
  notebook = nbformat.read(COLABS / f'{name}.ipynb', as_version=4)
  (place,) = (
      number
      for number, cell in enumerate(notebook.cells)
      if 'parameters' in cell.metadata.get('tags', [])
  )
  cell = nbformat.v4.new_code_cell('\n'.join(parameters))
  notebook.cells.insert(place + 1, cell)
  client = NotebookClient(
      notebook, timeout=600, resources={'metadata': {'path': str(tmp_path)}}
  )
  try:
    client.execute()
  except CellExecutionError:
    return notebook, _outputs(notebook, 'error')[0]
  return notebook, None


def _outputs(notebook, kind):
  """All outputs of a type, or with data of a media type."""
  return [
      output
      for cell in notebook.cells
      for output in cell.get('outputs', [])
      if kind == output['output_type'] or kind in output.get('data', {})
  ]


def _said(notebook):
  return ''.join(output['text'] for output in _outputs(notebook, 'stream'))


def test_all_are_here():
  assert sorted(path.stem for path in COLABS.glob('*.ipynb')) == NAMES


@pytest.mark.parametrize('name', NAMES)
def test_notebooks_carry_no_outputs(name):
  notebook = nbformat.read(COLABS / f'{name}.ipynb', as_version=4)
  nbformat.validate(notebook)
  for cell in notebook.cells:
    assert not cell.get('outputs')
    assert not cell.get('execution_count')


def test_all_are_set_up_alike():
  cells = {
      next(
          cell['source']
          for cell in nbformat.read(path, as_version=4).cells
          if cell['cell_type'] == 'code'
      )
      for path in COLABS.glob('*.ipynb')
  }
  assert len(cells) == 1


@pytest.mark.slow
def test_discover_on_photos(tmp_path, monkeypatch):
  rng = np.random.default_rng(0)
  (tmp_path / 'my photos').mkdir()
  for number in range(12):
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'my photos' / f'{number}.jpg')
  notebook, error = _execute(
      'discover', tmp_path, monkeypatch, "WHERE = 'my photos'",
      f'CHANGES = {TINY}',
  )  # fmt: skip
  assert error is None
  assert len(_outputs(notebook, 'image/png')) == 3
  assert 'no accelerator: ' in _said(notebook)
  assert '12 images, 278 + 222 passes' in _said(notebook)


@pytest.mark.slow
def test_discover_on_a_video(tmp_path, monkeypatch):
  rng = np.random.default_rng(0)
  path = tmp_path / 'film.mp4'
  with videos.writing(path, size=(48, 64), fps=10.0) as append:
    for _ in range(12):
      append(rng.integers(0, 256, (48, 64, 3), np.uint8))
  notebook, error = _execute(
      'discover', tmp_path, monkeypatch, "WHERE = 'film.mp4'",
      f'CHANGES = {TINY}',
  )  # fmt: skip
  assert error is None
  assert len(_outputs(notebook, 'image/png')) == 2
  assert '<video' in str(_outputs(notebook, 'text/html'))


@pytest.mark.slow
def test_reproduce(tmp_path, monkeypatch):
  notebook, error = _execute(
      'reproduce', tmp_path, monkeypatch, f'CHANGES = {TINY_SIGNER}'
  )
  assert error is None
  assert len(_outputs(notebook, 'image/png')) == 5
  assert 'mean shape' in _said(notebook)


@pytest.mark.slow
def test_own_loop(tmp_path, monkeypatch):
  notebook, error = _execute(
      'own_loop', tmp_path, monkeypatch, 'SIZE, STEPS, NUM_IMAGES = 32, 8, 12'
  )
  assert error is None
  assert len(_outputs(notebook, 'image/png')) == 2


@pytest.mark.slow
def test_devices(tmp_path, monkeypatch):
  notebook, error = _execute(
      'devices', tmp_path, monkeypatch,
      'STEPS = 12', f'CHANGES = {TINY_SIGNER}',
  )  # fmt: skip
  assert error is None
  assert len(_outputs(notebook, 'image/png')) == 1
  assert '4 x cpu' in _said(notebook)


@pytest.mark.slow
def test_what_is_wrong_is_one_line(tmp_path, monkeypatch):
  _, error = _execute(
      'discover', tmp_path, monkeypatch, "WHERE = 'nowhere'"
  )
  (line,) = error['traceback']
  assert line.startswith("error: found no images and no video at 'nowhere'")
  assert '\n' not in line
