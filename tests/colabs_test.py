import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

COLABS = pathlib.Path(__file__).parent.parent / 'colabs'


@pytest.mark.parametrize('path', sorted(COLABS.glob('*.ipynb')), ids=str)
def test_notebooks_carry_no_outputs(path):
  for cell in nbformat.read(path, as_version=4).cells:
    assert not cell.get('outputs')
    assert not cell.get('execution_count')


@pytest.mark.slow
@pytest.mark.parametrize('path', sorted(COLABS.glob('*.ipynb')), ids=str)
def test_notebooks_run_and_show_their_pictures(path):
  notebook = nbformat.read(path, as_version=4)
  NotebookClient(
      notebook, timeout=600, resources={'metadata': {'path': str(COLABS)}}
  ).execute()
  pictures = [
      output
      for cell in notebook.cells
      for output in cell.get('outputs', [])
      if 'image/png' in output.get('data', {})
  ]
  assert len(pictures) >= 3
