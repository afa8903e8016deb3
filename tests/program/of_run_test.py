"""The workdir is the model: what follows training takes its config from it."""

import json
import shutil

import finished_run
import numpy as np
import pytest
from PIL import Image

from eqlandmarks.runs import config_fields
from eqlandmarks.runs import stored_config


@pytest.fixture
def moved(tmp_path):
  """A finished run that lies where it was not trained."""
  finished_run.copy_to(tmp_path / 'moved')
  return tmp_path / 'moved'


@pytest.fixture
def photo(tmp_path):
  rng = np.random.default_rng(0)
  path = tmp_path / 'x.png'
  Image.fromarray(rng.integers(0, 256, (40, 44, 3), np.uint8)).save(path)
  return path


def _done(done):
  assert done['code'] == 0, done
  return done


def _refused(done, *said):
  lines = done['err'].strip().splitlines()
  assert done['code'] == 2 and len(lines) == 1, done
  for part in said:
    assert part in lines[0]


def test_predict_without_a_config_is_as_with_it(main, moved, photo):
  _done(main('predict', moved, photo, '--config.predict.overlays=0'))
  table = moved / 'predictions/x/landmarks.csv'
  first = table.read_text()
  shutil.rmtree(moved / 'predictions')
  _done(main(
      *finished_run.FLAGS, f'--workdir={moved}', '--mode=predict',
      f'--config.predict.input={photo}', '--config.predict.overlays=0',
  ))  # fmt: skip
  assert table.read_text() == first
  shutil.rmtree(moved / 'predictions')
  _done(main(
      '--mode=predict', f'--workdir={moved}', '--config.predict.input', photo,
      '--config.predict.formats=("table","coco")', '--config.predict.skip_bad',
  ))  # fmt: skip
  assert table.read_text() == first
  assert (moved / 'predictions/x/landmarks_coco.json').exists()


def test_export_and_figures(main, moved):
  _done(main('export', moved, f'--config.export.output={moved}/e'))
  assert (moved / 'e/model.jaxexport').exists()
  before = json.loads((moved / 'run.json').read_text())
  _done(main('evaluate', moved, '--config.regression.alpha=1'))
  # Later modes take what was last asked for, and measure nothing anew.
  said = _done(main('report', moved))['err']
  assert 'evaluating' not in said
  config = json.loads((moved / 'config.json').read_text())
  assert config['regression']['alpha'] == 1
  after = json.loads((moved / 'run.json').read_text())
  assert after.pop('config') == config
  assert after.pop('places')['workdir'] == str(moved)
  del before['config'], before['places']
  assert after == before
  # config.json may be gone, or be of a version without a field.
  (moved / 'config.json').unlink()
  assert 'evaluating' not in _done(main('report', moved))['err']


def test_what_is_refused(main, moved, photo, tmp_path):
  _refused(main('predict', tmp_path / 'no', photo), 'holds no config.json')
  _refused(
      main('predict', moved, photo, '--config.num_landmarks=7'),
      'num_landmarks (4 there, 7 asked)',
      f'another --workdir (with --config.pretrained={moved}',
  )
  _refused(
      main('predict', moved, photo, '--config.predict.tail=7'),
      '--config.predict.tail: found no such field',
      'the nearest is config.predict.trail',
  )
  _refused(main('predict', moved), "config.predict.input is ''")
  _refused(main('--mode=predict', '--workdir='), "--workdir is ''")
  _refused(main('--mode=predict'), '--workdir is missing')
  _refused(main('report', moved, 'x'), "followed by '", 'expected report RUN')
  _refused(main('report', moved, '--csv=x'), '--csv', 'compare')
  stored = json.loads((moved / 'config.json').read_text())
  for change in (
      {'predict': 3}, {'predict': {}}, {'seed': 'one'}, {'dataset': []},
      {'dataset': {'name': 3}}, {'model': None}, {'pretrain': [1]},
  ):  # fmt: skip
    (moved / 'config.json').write_text(json.dumps(stored | change))
    done = main('predict', moved, photo, '--config.predict.trail=1')
    if change != {'predict': {}}:  # whose fields have defaults
      _refused(done)
  (moved / 'config.json').write_text('{')
  _refused(main('predict', moved, photo), 'config.json is damaged')


def test_a_stored_config_is_the_one_that_was_given(moved):
  stored = json.loads((moved / 'config.json').read_text())
  config = stored_config.load(moved)
  assert config_fields.plain(config) == stored
  assert config.model.widths == (2, 2, 2, 2)
  assert config.predict.formats == ('table',)
  del stored['predict']['trail'], stored['export']
  (moved / 'config.json').write_text(json.dumps(stored))
  config = stored_config.load(moved)
  assert config.predict.trail == 10
  assert config.export.method == ''


def test_data_within_a_workdir_move_with_it(moved, tmp_path, monkeypatch):
  def root(path, places):
    for name in ('config.json', 'run.json'):
      content = json.loads((moved / name).read_text())
      section = content if name == 'config.json' else content['config']
      section['dataset'].update(root=path, cache='', labels='deeplabcut')
      content.update({'places': places} if name == 'run.json' else {})
      (moved / name).write_text(json.dumps(content))
    return stored_config.load(moved).dataset.root

  (moved / 'photos').mkdir()
  (tmp_path / 'there/photos').mkdir(parents=True)
  monkeypatch.chdir(moved)
  places = {'workdir': '/a/runs/m', 'started_in': '/a'}
  assert root('/a/runs/m/photos', places) == str(moved / 'photos')
  assert root('runs/m/photos', places) == str(moved / 'photos')
  assert root('runs/m/gone', places) == 'runs/m/gone'
  assert root('photos', places) == 'photos'
  assert root('', places) == ''
  # Others lie where they were, as seen from where the run was started.
  started = {'workdir': '/a/runs/m', 'started_in': str(tmp_path / 'there')}
  monkeypatch.chdir('/')
  assert root('photos', started) == str(tmp_path / 'there/photos')
  assert root('photos', {}) == 'photos'
  assert stored_config.load(moved).dataset.labels == 'deeplabcut'
