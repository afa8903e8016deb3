"""Runs whose images or labels have changed since: no old figures unsaid."""

import json
import os
import shutil

import jax
import numpy as np
import pytest
from PIL import Image
from predictor import fresh_run

from eqlandmarks import errors
from eqlandmarks.program import modes
from eqlandmarks.runs import run


@pytest.fixture(scope='module', autouse=True)
def _two_devices():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
    yield


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Photos, and a workdir that is measured on them."""
  base = tmp_path_factory.mktemp('base')
  root = fresh_run.write_photos(base / 'photos')
  workdir = fresh_run.make(base / 'w', fresh_run.make_config(root))
  modes.run(fresh_run.make_config(root), str(workdir), 'report')
  return base


@pytest.fixture
def copy(made, tmp_path):
  """All of it at another place: a changed root is no change of the data."""
  shutil.copytree(made, tmp_path / 'copy')
  return tmp_path / 'copy'


def _run(base, mode='report', **fields):
  config = fresh_run.make_config(base / 'photos')
  config.update_from_flattened_dict(fields)
  modes.run(config, str(base / 'w'), mode)


def _results(base):
  return json.loads((base / 'w/results.json').read_text())


def _error(base):
  return next(
      r['value'] for r in _results(base)
      if r['metric'] == 'error_px' and r['point'] == 'all'
      and r['method'] == 'two_stage'
  )


def _paint(path):
  image = Image.open(path)
  Image.fromarray(255 - np.asarray(image)).save(path)


def test_moved_copied_and_touched_images_are_the_same(copy, monkeypatch):
  for path in (copy / 'photos').rglob('*'):
    os.utime(path, (1e9, 1e9))
  before = _results(copy)
  monkeypatch.setattr(run.Run, 'evaluate', None)
  _run(copy)
  assert _results(copy) == before


@pytest.mark.parametrize('mode', ['report', 'evaluate'])
def test_corrected_labels_are_fitted_and_scored_anew(
    copy, capsys, monkeypatch, mode
):
  before = _error(copy)
  path = copy / 'photos/labels.csv'
  head, *rows = path.read_text().splitlines()
  cells = [row.split(',') for row in rows]
  swapped = [[a, s, y, x, *tail] for a, s, x, y, *tail in cells]
  path.write_text('\n'.join([head, *map(','.join, swapped)]))
  _run(copy, mode)
  said = capsys.readouterr().err
  assert said.count('have changed since it was measured') == 1
  assert _error(copy) != before
  monkeypatch.setattr(run.Run, 'evaluate', None)
  _run(copy)
  assert 'changed' not in capsys.readouterr().err


def test_other_eyes_and_test_images_are_scored_anew(copy, capsys):
  _run(copy, **{'dataset.eyes': 'nose,tail'})
  assert 'error_iod' in {r['metric'] for r in _results(copy)}
  assert 'have changed' in capsys.readouterr().err
  _paint(copy / 'photos/image 7.png')
  _run(copy)
  assert 'error_iod' not in {r['metric'] for r in _results(copy)}
  assert 'have changed' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda root: shutil.copy(root / 'image 0.png', root / 'zz.png'),
         '6 now, 5 then: 1 more, the first is zz.png'),
        (lambda root: _paint(root / 'image 3.png'),
         '1 of other content, the first is image 3.png'),
    ],
)  # fmt: skip
@pytest.mark.parametrize('mode', ['report', 'evaluate', 'train'])
def test_other_images_are_refused(copy, change, said, mode):
  change(copy / 'photos')
  kept = lambda: {
      p: p.read_bytes() for p in (copy / 'w').rglob('*') if p.is_file()
  }
  before = kept()
  with pytest.raises(errors.UserError) as caught:
    _run(copy, mode)
  assert said in str(caught.value) and '\n' not in str(caught.value)
  assert 'another --workdir' in str(caught.value)
  # Nor does a copy of the other images stay.
  assert kept() == before


def test_predictions_need_no_images(copy):
  shutil.rmtree(copy / 'photos/more')
  _run(copy, 'predict', **{'predict.input': str(copy / 'photos/image 0.png')})
  assert (copy / 'w/predictions/image 0/predictions.json').exists()
