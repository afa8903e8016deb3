"""Predictions of names that lead elsewhere, beside what is somebody else's."""

import csv
import os
import shutil

import fresh_run
import numpy as np
import pytest
from fresh_run import contents
from fresh_run import one_line
from PIL import Image

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks.predictor import chunks as chunks_lib
from eqlandmarks.predictor import inputs
from eqlandmarks.predictor import overlays
from eqlandmarks.predictor import prediction_files
from eqlandmarks.program import predict as predict_mode
from eqlandmarks.system import locking


def _images(root, *names):
  for name in names:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (40, 40), 'red').save(root / name)
  return root


def _ids(what):
  source = inputs.open_source(what)
  return [entry.id for entry in source.read(0)]


def test_ids_of_paths_anywhere(tmp_path, monkeypatch):
  root = _images(tmp_path, 'in/a.png', 'in/deep/b.png', 'out/c.png')
  monkeypatch.chdir(root / 'in')
  assert _ids(['a.png', 'deep/b.png']) == ['a.png', 'deep/b.png']
  assert _ids(['./a.png']) == ['a.png']
  assert _ids(['../out/c.png']) == ['c.png']
  assert _ids(['deep/../a.png', '../out/c.png']) == ['in/a.png', 'out/c.png']
  assert _ids([root / 'in/a.png', 'deep/b.png']) == ['a.png', 'deep/b.png']
  for same in ['a.png', str(root / 'in/a.png')], ['a.png', 'deep/../a.png']:
    assert 'found a.png twice' in one_line(inputs.open_source, same)


def test_ids_of_patterns_that_lead_upwards(tmp_path, monkeypatch):
  root = _images(tmp_path, 'a.png', 'in/b.png', 'in/x/c.png', 'in/y/d.png')
  assert _ids(f'{root}/in/*/../b.png') == ['b.png']
  assert _ids(f'{root}/in/x/../*/*.png') == ['x/c.png', 'y/d.png']
  assert _ids(f'{root}/in/*/../../*.png') == ['a.png']
  monkeypatch.chdir(root / 'in/x')
  assert _ids('../*/*.png') == ['x/c.png', 'y/d.png']
  assert _ids('../../*.png') == ['a.png']


def test_what_is_above_a_linked_folder(tmp_path):
  root = _images(tmp_path, 'far/a.png', 'a.png')
  (root / 'far/away').mkdir()
  (root / 'link').symlink_to('far/away')
  source = inputs.open_source([root / 'link/../a.png'])
  assert source.root == root / 'far'


def test_names_that_label_files_cannot_tell_apart(tmp_path):
  root = _images(tmp_path / 'slashes', 'a\\b.png', 'a/b.png')
  said = one_line(inputs.open_source, root)
  assert 'a\\b.png' in said and 'a/b.png' in said and 'rename' in said
  assert 'rename' in one_line(inputs.open_source, f'{root}/**/*.png')
  root = _images(tmp_path / 'accents', '\u00e9.png', 'e\u0301.png')
  if len(os.listdir(root)) == 2:  # not on a Mac
    assert 'rename' in one_line(inputs.open_source, root)
  assert _ids(_images(tmp_path / 'alone', 'a\\b.png')) == ['a\\b.png']


def _draw(folder, *names):
  found = fresh_run.make_prediction([[[5, 5]]], [[0.9]])
  image = Image.new('RGB', (400, 400))
  drawn = [(name, image, found.points(0)) for name in names]
  return [
      path.relative_to(folder).as_posix()
      for path in overlays.draw_pictures(folder, drawn, names)
  ]


def test_pictures_stay_in_their_folder(tmp_path):
  folder = tmp_path / 'out/overlays'
  for name in '../photo.png', str(tmp_path / 'photo.png'):
    assert 'stays below' in one_line(_draw, folder, name)
  assert not list(tmp_path.rglob('*.png'))


def test_every_image_has_a_picture_of_its_own(tmp_path):
  names = ('a.jpg', 'a.jpg.png', 'b.PNG', 'c/a.jpg', 'n' * 251 + '.jpg',
           'n' * 250 + 'm.jpg', 'ä' * 125 + '.webp', 'd.jpg',
           'd.jpg.png/e.png')  # fmt: skip
  drawn = _draw(tmp_path, *names)
  assert drawn[:4] == ['a.jpg.drawn.png', 'a.jpg.png', 'b.PNG', 'c/a.jpg.png']
  assert len(set(drawn)) == len(names)
  assert all((tmp_path / name).is_file() for name in drawn)


def test_names_of_label_files_fit(tmp_path):
  for form in formats.FORMATS:
    path = prediction_files.label_file(tmp_path, 'annotations', form, 'v' * 251)
    assert len(path.name) <= 255


def test_a_failing_prediction_leaves_those_of_others(run, workdir, tmp_path):
  bad = tmp_path / 'bad'
  bad.mkdir()
  (bad / 'a.png').write_bytes(b'no image')
  predictions = workdir / 'predictions'
  assert not predictions.exists()

  def meanwhile(*_):  # another process ends
    (predictions / 'other').mkdir()
    (predictions / 'other/landmarks.csv').write_text('finished')

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(predict_mode, '_try_formats', meanwhile)
    assert 'a.png: does not decode' in one_line(run, bad, output='')
  assert contents(predictions) == {'other/landmarks.csv': b'finished'}
  assert not (predictions / 'bad').exists()
  shutil.rmtree(predictions)
  one_line(run, bad, output='')
  assert not predictions.exists()


def test_a_failing_prediction_leaves_what_users_have(run, tmp_path):
  output = tmp_path / 'out'
  output.mkdir()
  (tmp_path / 'bad.png').write_bytes(b'no image')
  one_line(run, tmp_path / 'bad.png')
  assert output.is_dir() and not list(output.iterdir())
  (output / 'mine').write_text('precious')
  assert 'holds other files' in one_line(run, tmp_path / 'bad.png')
  assert contents(output) == {'mine': b'precious'}


def test_two_predictions_into_one_folder(tmp_path):
  output = tmp_path / 'out'
  with chunks_lib.opened(output, {'input': 'one'}):
    about = output / '.parts/about.json'
    before = about.read_text()
    with (
        pytest.raises(errors.UserError, match='in use by process'),
        chunks_lib.opened(output, {'input': 'another'}),
    ):
      pass
    assert about.read_text() == before
  assert not list(tmp_path.iterdir())
  with locking.held(output, 'x'):
    pass


def test_parts_do_not_go_where_a_link_leads(tmp_path):
  theirs, output = tmp_path / 'theirs', tmp_path / 'out'
  theirs.mkdir()
  output.mkdir()
  np.savez(theirs / '000000256.npz', a=[1])
  (output / '.parts').symlink_to(theirs)
  with (
      pytest.raises(errors.UserError, match=r'\.parts is a link'),
      chunks_lib.opened(output, {}),
  ):
    pass
  assert [path.name for path in theirs.iterdir()] == ['000000256.npz']


def test_pictures_do_not_go_where_a_link_leads(run, photos, tmp_path):
  output = run(photos / 'image 2.png', overlays=1)
  theirs = tmp_path / 'pictures'
  theirs.mkdir()
  (theirs / 'image 2.png').write_text('precious')
  shutil.rmtree(output / 'overlays')
  (output / 'overlays').symlink_to(theirs)
  run(photos / 'image 2.png', overlays=1, uncertain=1)
  assert contents(theirs) == {'image 2.png': b'precious'}
  assert not (output / 'overlays').is_symlink()
  assert (output / 'overlays/image 2.png').is_file()


def test_names_of_all_kinds_arrive_in_the_files(
    run, photos, tmp_path, capsys
):
  names = {
      'two\nlines.png', 'carriage\rreturn.png', 'tab\t, comma.png',
      'quote".png', 'esc\x1b[2J.png', 'back\\slash.png', 'n' * 246 + '.png',
  }  # fmt: skip
  root = tmp_path / 'named'
  root.mkdir()
  for name in names:
    shutil.copy(photos / 'image 2.png', root / name)
  output = run(root, overlays=99, formats=('table', 'coco', 'pts'))
  with open(output / 'landmarks.csv', newline='') as file:
    assert {row['path'] for row in csv.DictReader(file)} == names
  drawn = {path.name for path in (output / 'overlays').iterdir()}
  assert drawn == names
  ids = {name.replace('\\', '/') for name in names}
  for form, name in ('table', 'landmarks.csv'), ('coco', 'landmarks_coco.json'):
    assert {*formats.read(output / name, form).images} == ids
  said = capsys.readouterr().out
  assert r'esc\x1b[2J.png' in said and r'two\nlines.png' in said


def test_a_pattern_that_leads_upwards_keeps_the_images(run, photos, tmp_path):
  images = tmp_path / 'images'
  shutil.copytree(photos, images)
  before = contents(images)
  output = run(
      f'{images}/more/../*.png', output=str(tmp_path / 'out'), overlays=99
  )
  assert contents(images) == before
  kept = {path.name for path in (output / 'overlays').iterdir()}
  assert kept == {name for name in before if name.endswith('.png')} - {
      'more/image 9.png'
  }
