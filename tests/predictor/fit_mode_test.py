"""--mode=label and --mode=fit: from a table of clicks to named points."""

import csv
import json
import shutil

import fresh_run
import numpy as np
import pytest
from fresh_run import one_line
from PIL import Image

from eqlandmarks import formats
from eqlandmarks import regression
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.program import modes


@pytest.fixture
def copy(workdir, tmp_path):
  """The finished run, to be written to."""
  shutil.copytree(workdir, tmp_path / 'w')
  return tmp_path / 'w'


@pytest.fixture(scope='module')
def film(tmp_path_factory):
  path = tmp_path_factory.mktemp('films') / 'clip.mp4'
  rng = np.random.default_rng(3)
  with videos.writing(path, size=(48, 64), fps=10.0) as append:
    for _ in range(12):
      coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
      append(np.asarray(coarse.resize((64, 48), Image.BICUBIC)))
  return path


@pytest.fixture
def run(copy, photos):
  """Does a mode with fields of the config."""

  def do(mode, **fields):
    config = fresh_run.make_config(photos)
    for name, value in fields.items():
      config.update_from_flattened_dict({name.replace('__', '.'): value})
    modes.run(config, str(copy), mode)

  return do


def _table(path, rows, names=('ear', 'toe')):
  """A table of (image, x, y, x, y)."""
  head = ['path', *(f'{name}_{axis}' for name in names for axis in 'xy')]
  with path.open('w', newline='') as file:
    csv.writer(file).writerows([head, *rows])
  return str(path)


def _page(path):
  text = path.read_text()
  start = text.index('id="data">') + len('id="data">')
  return json.loads(text[start : text.index('</script>', start)])


def test_a_page_of_frames_then_a_fit_then_named_points(
    run, copy, film, tmp_path, capsys
):
  run('label', predict__input=str(film), label__frames=6)
  assert ' fit ' in capsys.readouterr().out
  page = _page(copy / 'label/clip.html')
  ids = [frame['id'] for frame in page['frames']]
  assert len({*ids}) == 6
  assert page['frames'][0]['box'] == [0, 0, 48, 64]
  found = Predictor.from_checkpoint(copy, batch_size=4)(film)
  row_of = {id_: row for row, id_ in enumerate(found.ids)}
  rows = [row_of[id_] for id_ in ids]
  np.testing.assert_allclose(
      [frame['landmarks'] for frame in page['frames']], found.landmarks[rows],
      atol=1e-3,
  )  # fmt: skip
  rng = np.random.default_rng(0)
  clicks = rng.uniform(5, 40, (6, 4)).round(2)
  table = _table(tmp_path / 'points.csv', [
      [id_, *click] for id_, click in zip(ids, clicks, strict=True)
  ])  # fmt: skip
  # Predicted before it is fitted: the points of the evaluation.
  run('predict', predict__input=str(film))
  output = copy / 'predictions/clip'
  assert formats.read(output / 'annotations.csv').names == fresh_run.NAMES
  capsys.readouterr()
  run('fit', fit__labels=table)
  said = capsys.readouterr()
  assert 'Each of 5 blocks' in said.out and 'fit.npz' in said.err
  run('predict', predict__input=str(film))
  named = formats.read(output / 'annotations.csv')
  assert named.names == ('ear', 'toe')
  # By hand: the ridge in pixels of what the nets see, then back.
  config = fresh_run.make_config(film)
  side, size = config.image_size, np.array([48, 64])
  points = clicks.reshape(6, 2, 2)[..., ::-1] + 0.5
  fitted = regression.from_config(
      found.landmarks[rows] / size * side, points / size * side, config
  )
  expected = fitted.predict(found.landmarks / size * side) / side * size
  np.testing.assert_allclose(named.points, expected, atol=1e-2)
  # Named as the page's DeepLabCut folder has them, it is the same.
  scores = json.loads((copy / 'two_stage/fit.json').read_text())
  poses = formats.read(table)
  moved = [f'labeled-data/{image}' for image in poses.images]
  formats.write(
      poses.take(range(6), moved), tmp_path / 'CollectedData_me.csv',
      'deeplabcut',
  )  # fmt: skip
  run('fit', fit__labels=str(tmp_path / 'CollectedData_me.csv'))
  again = json.loads((copy / 'two_stage/fit.json').read_text())
  assert again['scores'] == scores['scores']


def test_labels_beside_their_images_need_no_page(run, copy, photos, capsys):
  (copy / 'label').mkdir()
  run('fit', fit__labels=str(photos / 'labels.csv'))
  said = capsys.readouterr().out
  assert 'nose' in said and 'tail' in said
  content = json.loads((copy / 'two_stage/fit.json').read_text())
  assert content['images'] == 10 and content['blocks'] == 5
  assert [s['point'] for s in content['scores']] == ['all', 'nose', 'tail']


def test_a_single_image_and_an_empty_column(
    run, copy, photos, tmp_path, capsys
):
  table = _table(tmp_path / 't.csv', [['image 3.png', 10, 12, '', '']])
  run('fit', fit__labels=table, predict__input=str(photos))
  said = capsys.readouterr()
  assert 'nothing to score on' in said.out
  assert 'left out, since no image has them: toe' in said.err
  assert Predictor.from_checkpoint(copy).annotation_names == ('ear',)


@pytest.mark.parametrize(
    ('rows', 'said'),
    [
        ([['image 3.png', 500, 12, 3, 4]], "point 'ear' is at x 500, y 12"),
        ([['image 3.png', 10, 12, 3, -4]], "point 'toe' is at x 3, y -4"),
        ([['image 99.png', 10, 12, 3, 4]], 'image 99.png, which is none of 10'),
        ([['clip/img00000003.png', 10, 12, 3, 4]],
         'which is none of 10 images'),
        ([['image 3.png', '', '', '', '']], 'holds no point'),
        ([['image 3.png', 'x', 12, 3, 4]], "found 'x', expected a number"),
        ([['image 3.png', 1, 12, 3]], 'found 4 cells, expected 5'),
        ([['image 3.png', 1, '', 3, 4]], 'has only one of x and y'),
        ([['image 3.png', 1, 2, 3, 4], ['a/image 3.png', 1, 2, 3, 4]],
         'which is the same image as'),
    ],
)  # fmt: skip
def test_a_table_edited_by_hand_is_one_line(
    run, copy, photos, tmp_path, rows, said
):
  table = _table(tmp_path / 't.csv', rows)
  line = one_line(run, 'fit', fit__labels=table, predict__input=str(photos))
  assert said in line and 'expected' in line
  assert not (copy / 'two_stage/fit.npz').exists()


def test_other_bad_input_is_one_line(run, copy, film, photos, tmp_path):
  line = one_line(run, 'fit')
  assert "config.fit.labels is ''" in line
  line = one_line(run, 'fit', fit__labels=str(tmp_path / 'no.csv'))
  assert 'no.csv' in line and 'cannot be read' in line
  bad = tmp_path / 'columns.csv'
  bad.write_text('path,nose_x,size\nimage 3.png,1,2\n')
  assert "found column 'size'" in one_line(run, 'fit', fit__labels=str(bad))
  alone = tmp_path / 'alone'
  alone.mkdir()
  table = _table(alone / 't.csv', [['clip/img00000003.png', 1, 2, 3, 4]])
  line = one_line(run, 'fit', fit__labels=table)
  assert 'on no page' in line and 'config.predict.input' in line
  # Beyond the end of the video.
  table = _table(alone / 't.csv', [['clip/img00000012.png', 1, 2, 3, 4]])
  line = one_line(run, 'fit', fit__labels=table, predict__input=str(film))
  assert 'none of 12 frames' in line
  text = tmp_path / 'notes.txt'
  text.write_text('none')
  for mode in ('label', 'fit'):
    fields = {'fit__labels': table, 'predict__input': str(text)}
    assert "the ending '.txt'" in one_line(run, mode, **fields)
  assert not (copy / 'label').exists()
  for name in ('two_stage', 'pretrain'):
    shutil.rmtree(copy / name, ignore_errors=True)
  for mode in ('label', 'fit'):
    fields = {
        'fit__labels': str(photos / 'labels.csv'), 'predict__input': str(photos)
    }
    assert 'holds no finished method' in one_line(run, mode, **fields)


def test_a_fit_of_other_nets_is_refused(run, copy, photos, tmp_path):
  run('fit', fit__labels=str(photos / 'labels.csv'))
  path = copy / 'two_stage/fit.npz'
  with np.load(path) as stored:
    arrays = dict(stored)
  arrays['parameters'] = np.array('others')
  np.savez_compressed(path, **arrays)
  line = one_line(Predictor.from_checkpoint, copy)
  assert 'before two_stage was trained on' in line and 'remove it' in line
  for change in (
      {'points': arrays['points'][1:]}, {'landmarks': arrays['points'][:, 0]},
      {'regression': np.array('[]')}, {'regression': np.array('{}')},
  ):  # fmt: skip
    np.savez_compressed(path, **{**arrays, **change})
    assert 'is damaged' in one_line(Predictor.from_checkpoint, copy)
  path.write_bytes(b'no')
  assert 'is damaged' in one_line(Predictor.from_checkpoint, copy)
  path.unlink()
  assert Predictor.from_checkpoint(copy).annotation_names == fresh_run.NAMES
