"""Predictions: the evaluation's own points, wherever the images come from."""

import json
import pathlib
import shutil
import types

import double
import fresh_run
import jax
import numpy as np
import pytest
from fresh_run import one_line
from ml_collections import ConfigDict
from PIL import Image

from configs import common
from configs import signer
from eqlandmarks import models
from eqlandmarks.datasets.base import crops
from eqlandmarks.errors import UserError
from eqlandmarks.evaluation import observe
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import confidence
from eqlandmarks.predictor import framing
from eqlandmarks.predictor import trained
from eqlandmarks.runs import config_checks
from eqlandmarks.runs.workdir import Workdir


@pytest.fixture(scope='module')
def predictor(workdir):
  return Predictor.from_checkpoint(workdir, batch_size=4)


@pytest.fixture(scope='module')
def found(predictor, photos):
  return predictor.predict(photos)


def test_test_images_have_the_evaluations_points(workdir, found):
  outcome = Workdir(workdir).outcome('two_stage')
  rows = [found.ids.index(name) for name in outcome['ids']]
  assert len(rows) == 5
  scale = found.sizes[rows][:, None] / 32
  # Other batches round apart, most of all in nets that are untrained.
  np.testing.assert_allclose(
      found.landmarks[rows], outcome['landmarks'] * scale, atol=0.05
  )
  np.testing.assert_allclose(
      found.annotations[rows], outcome['predicted'] * scale, atol=0.05
  )
  np.testing.assert_allclose(
      found.confidence[rows],
      1 / (1 + (4 * outcome['spreads'] / 6) ** 2),
      rtol=1e-2,
  )
  assert found.annotation_names == fresh_run.NAMES


def test_what_a_prediction_holds(found):
  assert found.landmarks.shape == (10, 10, 2)
  assert found.landmarks.dtype == np.float32
  assert found.annotations.shape == (10, 2, 2)
  assert found.annotation_confidence.shape == (10, 2)
  np.testing.assert_array_equal(
      found.sizes, [(40 + 7 * n, 90 - 5 * n) for n in range(10)]
  )
  assert found.ids == (
      *(f'image {n}.png' for n in range(9)), 'more/image 9.png'
  )
  inside = (found.landmarks > 0) & (found.landmarks < found.sizes[:, None])
  assert inside.all()


def test_every_way_to_name_images_gives_the_same(predictor, photos, found):
  arrays = [np.asarray(Image.open(photos / name)) for name in found.ids]
  ways = {
      'arrays': (arrays, 10),
      'one array': (arrays[3][None], 1),
      'an image in memory': (arrays[3], 1),
      'a pattern': (f'{photos}/**/*.png', 10),
      'paths': ([photos / name for name in found.ids], 10),
      'a file': (photos / 'image 3.png', 1),
  }
  for name, (what, count) in ways.items():
    got = predictor(what)
    expected = found.landmarks if count == 10 else found.landmarks[3:4]
    np.testing.assert_allclose(got.landmarks, expected, atol=0.05, err_msg=name)
  assert predictor(f'{photos}/**/*.png').ids == found.ids
  assert predictor(arrays).ids == tuple(map(str, range(10)))


@pytest.mark.x64
def test_batches_of_any_size_and_the_evaluation_agree(workdir, photos, found):
  # In float64 up to the end, where they are rounded to float32.
  model = trained.load(workdir)
  config, variables = model.config, double.of(model.variables)
  config.dtype = 'float64'
  model = trained.Trained(config, variables)
  predict = lambda size: Predictor(model, batch_size=size)(photos)
  first = predict(4)
  # Float32 is off by rounding alone.
  np.testing.assert_allclose(first.landmarks, found.landmarks, atol=0.05)
  for size in (1, 8):
    other = predict(size)
    np.testing.assert_allclose(other.landmarks, first.landmarks, rtol=1e-5)
    np.testing.assert_allclose(other.confidence, first.confidence, rtol=1e-5)
    assert other.ids == found.ids
  side = config.image_size
  pixels = np.stack([
      framing.region(Image.open(photos / name), side, name=name).pixels
      for name in first.ids
  ])
  landmarks = observe.find_landmarks(config, variables, pixels)
  np.testing.assert_allclose(
      landmarks * first.sizes[:, None] / side, first.landmarks, rtol=1e-5
  )


def test_one_compilation_for_everything(workdir, photos, monkeypatch):
  traced = []
  find = models.find_landmarks

  def counting(*arguments):
    traced.append(1)
    return find(*arguments)

  monkeypatch.setattr(models, 'find_landmarks', counting)
  predictor = Predictor.from_checkpoint(workdir, batch_size=4)
  predictor(photos)
  predictor(photos / 'image 2.png')
  predictor(np.zeros((5, 33, 60, 3), np.uint8))
  assert len(traced) == 1


def test_streaming_from_a_number_on(predictor, photos, found):
  parts = list(predictor.stream(photos, 4))
  assert [len(part) for part in parts] == [4, 2]
  np.testing.assert_array_equal(
      np.concatenate([part.landmarks for part in parts]), found.landmarks[4:]
  )


def _brightest(_, variables, pixels):
  """Stands for the nets: one landmark, at the centre of what is bright."""
  weight = np.asarray(pixels)[..., 0].astype(np.float64) ** 2 + 1e-9
  centres = np.arange(pixels.shape[1]) + 0.5
  total = weight.sum((1, 2))
  row = (weight.sum(2) * centres).sum(1) / total
  column = (weight.sum(1) * centres).sum(1) / total
  points = np.stack([row, column], -1)[:, None].astype(np.float32)
  return points, np.ones(points.shape[:2], np.float32)


@pytest.fixture
def make_blob_finder(monkeypatch):
  """Makes predictors of one landmark that is known to be right."""
  monkeypatch.setattr(models, 'find_landmarks', _brightest)
  monkeypatch.setattr(jax, 'jit', lambda function: function)
  config = signer.get_config('tiny')
  config.num_landmarks = 1
  return lambda **options: Predictor(
      trained.Trained(config, {}, **options), batch_size=4
  )


@pytest.fixture
def blob_finder(make_blob_finder):
  return make_blob_finder()


def _blob(shape, row, column):
  pixels = np.zeros((*shape, 3), np.uint8)
  pixels[row - 4:row + 4, column - 4:column + 4] = 255
  return pixels


def test_points_are_in_pixels_of_the_original_image(blob_finder):
  places = [((64, 64), 10, 50), ((120, 50), 90, 14), ((33, 200), 20, 150)]
  found = blob_finder([_blob(*place) for place in places])
  expected = np.array([place[1:] for place in places], np.float32)
  np.testing.assert_allclose(found.landmarks[:, 0], expected, atol=0.6)


def test_points_are_in_the_image_as_it_is_displayed(blob_finder, tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6  # turn a quarter with the clock to display
  image = Image.fromarray(_blob((64, 100), 20, 70))
  image.save(tmp_path / 'turned.png', exif=exif)
  found = blob_finder(tmp_path / 'turned.png')
  np.testing.assert_array_equal(found.sizes, [[100, 64]])
  # (row, column) of the file goes to (column, 64 - row).
  np.testing.assert_allclose(found.landmarks[0, 0], (70, 44), atol=0.5)


def test_frames_of_a_video_are_in_their_order(blob_finder, tmp_path):
  path = tmp_path / 'moving.mp4'
  with videos.writing(path, size=(64, 96), fps=10.0) as append:
    for number in range(11):
      append(_blob((64, 96), 20, 10 + 7 * number))
  found = blob_finder(path)
  np.testing.assert_allclose(
      found.landmarks[:, 0], [(20, 10 + 7 * n) for n in range(11)], atol=0.5
  )
  assert found.ids[::10] == ('moving/img00000000.png', 'moving/img00000010.png')
  later = list(blob_finder.stream(path, 6))
  np.testing.assert_array_equal(
      np.concatenate([part.landmarks for part in later]), found.landmarks[6:]
  )


def test_a_model_that_was_trained_on_a_crop_is_shown_the_crop(make_blob_finder):
  crop = crops.from_text('40,20,60,100')
  # A larger blob outside of the crop would draw the mean to it.
  frame = _blob((140, 150), 70, 110)
  frame[110:, :] = 255
  found = make_blob_finder(crop=crop)(frame)
  np.testing.assert_allclose(found.landmarks[0, 0], (70, 110), atol=0.6)
  np.testing.assert_array_equal(found.sizes, [[140, 150]])
  with pytest.raises(UserError, match='is 150 x 90 pixels, expected at least'):
    make_blob_finder(crop=crop)(frame[:90])


def test_regions_go_back_to_their_images():
  box = crops.Box(10.0, 20.0, 74.0, 36.0)
  region = framing.Region(np.zeros((32, 32, 3)), box, (90, 90))
  points = np.array([[[0.0, 0.0], [4.0, 32.0]]], np.float32)
  back = framing.to_original(points, [region])
  np.testing.assert_array_equal(back, [[[10.0, 20.0], [18.0, 36.0]]])


def test_confidence_by_hand():
  spread = np.array([0.0, 3.0, 6.0, 12.0, 52.0], np.float32)
  expected = [1.0, 0.8, 0.5, 0.2, 1 / (1 + (52 / 6) ** 2)]
  np.testing.assert_allclose(
      confidence.from_spread(spread, 128), expected, rtol=1e-6
  )
  # The same spread of an image of half the size.
  np.testing.assert_allclose(
      confidence.from_spread(spread / 2, 64), expected, rtol=1e-6
  )


def test_annotations_are_as_sure_as_their_landmarks_and_their_fit():
  rng = np.random.default_rng(0)
  landmarks = rng.uniform(0, 32, (40, 2, 2))
  # The middle of both, and a point that the landmarks do not tell.
  middle = landmarks.mean(1)
  noise = rng.normal(0, 3, (40, 2))
  points = np.stack([middle, middle + noise], 1).astype(np.float32)
  points[7, 0] = np.nan
  config = ConfigDict({
      'image_size': 32,
      'regression': {
          'alpha': 0.0, 'fit_intercept': False, 'origin': 'corner', 'unit': 'px'
      },
  })
  annotator = confidence.make_annotator(
      {'fit_landmarks': landmarks, 'fit_points': points},
      fresh_run.NAMES,
      config,
  )
  spreads = np.array([[1.0, 2.0]])
  found, spread = annotator(landmarks[:1], spreads)
  np.testing.assert_allclose(found[0, 0], middle[0], atol=1e-4)
  # Half of each point, so half of each spread, as independent errors add.
  np.testing.assert_allclose(spread[0, 0], np.sqrt(0.25 + 1.0), rtol=1e-4)
  assert 3.0 < annotator.residuals[1] < 6.0  # about sqrt(2) * 3
  assert spread[0, 1] > annotator.residuals[1]


def test_images_that_do_not_decode(predictor, photos, tmp_path):
  shutil.copy(photos / 'image 0.png', tmp_path / 'a.png')
  (tmp_path / 'b.png').write_bytes(b'no image')
  whole = (photos / 'image 1.png').read_bytes()
  (tmp_path / 'c.png').write_bytes(whole[: len(whole) // 2])
  Image.new('RGB', (40, 20)).save(tmp_path / 'd.png')
  said = one_line(predictor.predict, tmp_path)
  assert 'b.png: does not decode' in said
  assert 'config.predict.skip_bad=True' in said
  found = predictor.predict(tmp_path, skip_bad=True)
  assert found.ids == ('a.png',)
  assert found.skipped == ('b.png', 'c.png', 'd.png')
  assert len(found.landmarks) == len(found.annotations) == 1
  (tmp_path / 'a.png').unlink()
  nothing = predictor.predict(tmp_path, skip_bad=True)
  assert (len(nothing), len(nothing.skipped)) == (0, 3)
  assert 'd.png: is 40 x 20 pixels, expected at least 32 x 32' in one_line(
      predictor.predict, tmp_path / 'd.png'
  )


@pytest.mark.parametrize(
    ('what', 'said'),
    [
        ('', "config.predict.input is ''"),
        ('nowhere', 'nowhere: there is no such file or folder'),
        ('empty', 'empty: holds no image'),
        ('notes.txt', "found a file with the ending '.txt'"),
        ('*.png', '*.png: matches no image'),
        ('none.mp4', 'none.mp4: does not open as a video'),
        ([], 'found an empty list'),
        (['a.png', 'a.png'], 'found a.png twice'),
        (np.zeros((0, 40, 40, 3), np.uint8), 'found an empty array'),
        (np.zeros((40, 40, 3)), 'found an array of float64 (40, 40, 3)'),
        (np.zeros((40, 40), np.uint8), 'found an array of uint8'),
        (None, 'found NoneType to predict on, expected a path'),
        ([np.zeros((40, 40, 3)), 'a.png'], 'found ndarray in a list, expected'),
    ],
)
def test_what_cannot_be_predicted_on(
    predictor, tmp_path, monkeypatch, what, said
):
  monkeypatch.chdir(tmp_path)
  pathlib.Path('empty').mkdir()
  for name in ('notes.txt', 'none.mp4', 'a.jpg'):
    pathlib.Path(name).write_bytes(b'')
  if isinstance(what, list) and what:
    shutil.copy('a.jpg', 'a.png')
  assert said in one_line(predictor.predict, what)


def test_a_name_with_brackets_is_a_name(predictor, photos, tmp_path):
  path = tmp_path / 'a[1].png'
  shutil.copy(photos / 'image 0.png', path)
  assert predictor(path).ids == ('a[1].png',)


def test_workdirs_without_the_model_that_is_asked_for(workdir, tmp_path):
  load = Predictor.from_checkpoint
  assert 'holds no config.json' in one_line(load, tmp_path)
  said = one_line(load, workdir, 'end_to_end')
  assert "method is 'end_to_end', expected one that is finished" in said
  assert said.endswith('two_stage.')
  assert "method is 'pretrain'" in one_line(load, workdir, 'pretrain')


@pytest.fixture
def copy(workdir, tmp_path):
  shutil.copytree(workdir, tmp_path / 'copy')
  return tmp_path / 'copy'


def test_models_of_another_version(copy):
  run = json.loads((copy / 'run.json').read_text())
  (copy / 'run.json').write_text(json.dumps({**run, 'format': 7}))
  said = one_line(Predictor.from_checkpoint, copy)
  assert 'run.json: format is 7' in said
  (copy / 'run.json').write_text(json.dumps(run))
  config = json.loads((copy / 'config.json').read_text())
  (copy / 'config.json').write_text(json.dumps({**config, 'model': 5}))
  said = one_line(Predictor.from_checkpoint, copy)
  assert 'config.json' in said
  assert 'expected the config of a run' in said


def test_the_runs_own_method_comes_first(copy):
  shutil.copytree(copy / 'two_stage', copy / 'unfrozen')
  method = lambda: Predictor.from_checkpoint(copy).method
  assert method() == 'two_stage'
  config = json.loads((copy / 'config.json').read_text())
  config['discover']['train_features'] = True
  (copy / 'config.json').write_text(json.dumps(config))
  assert method() == 'unfrozen'
  shutil.rmtree(copy / 'unfrozen')
  assert method() == 'two_stage'


def test_without_an_evaluation_there_are_landmarks_alone(copy, photos):
  (copy / 'two_stage/outcome.npz').unlink()
  found = Predictor.from_checkpoint(copy)(photos / 'image 0.png')
  assert found.annotations is None
  assert found.annotation_names == ()
  assert found.landmarks.shape == (1, 10, 2)


def test_the_regressor_is_that_of_the_evaluation_or_as_asked(workdir, photos):
  regression = fresh_run.make_config(photos).regression
  regression.update(alpha=1.0, fit_intercept=True)
  path = photos / 'image 0.png'
  one, other = (
      Predictor.from_checkpoint(workdir, regression=asked)(path).annotations
      for asked in (None, regression)
  )
  assert np.abs(one - other).max() > 1e-3


def test_a_video_that_was_trained_on_with_a_crop(tmp_path):
  path = tmp_path / 'v.mp4'
  rng = np.random.default_rng(0)
  with videos.writing(path, size=(100, 140), fps=10.0) as append:
    for _ in range(8):
      coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
      append(np.asarray(coarse.resize((140, 100), Image.BICUBIC)))
  config = fresh_run.make_config(path)
  config.dataset = common.dataset('video')
  config.dataset.update(root=str(path), crop_box='10,30,64,96')
  workdir = fresh_run.make(tmp_path / 'w', config)
  with np.load(workdir / 'two_stage/outcome.npz') as outcome:
    landmarks = outcome['landmarks']  # [8, K, 2] of the crop at 32 x 32
  found = Predictor.from_checkpoint(workdir, batch_size=4)(path)
  # To the crop's 64 x 96 pixels, and from its corner.
  expected = landmarks * (64 / 32, 96 / 32) + (10, 30)
  # Batches of other sizes round otherwise.
  np.testing.assert_allclose(found.landmarks, expected, atol=0.05)


@pytest.mark.parametrize(
    ('said', 'box', 'expected'),
    [
        ('10,30,64,96', '', crops.Box(10, 30, 74, 126)),
        ('10,30,64,96', '10,30,64,96', crops.Box(10, 30, 74, 126)),
        (crops.OF_EACH_VIDEO, '', None),
        (None, '', None),
    ],
)
def test_the_crop_of_a_project_is_that_of_its_records(said, box, expected):
  class Folder:
    def records(self, method):
      return [types.SimpleNamespace(
          protocol={'data': {'crop': said} if said else {}}
      )]

  config = ConfigDict({'dataset': {'name': 'video', 'crop_box': box}})
  assert trained._crop(Folder(), 'two_stage', config) == expected


def test_a_box_of_videos_is_for_videos(photos):
  config = fresh_run.make_config(photos)
  config.dataset.crop_box = '0,0,50,50'
  with pytest.raises(UserError, match=r'crop_box is no field'):
    config_checks.check(config)
