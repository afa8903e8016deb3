"""--mode=predict: files, going on, and what is refused."""

import csv
import json
import pathlib
import shutil
import sys

import fresh_run
import numpy as np
import pytest
from fresh_run import contents
from fresh_run import one_line
from PIL import Image

from eqlandmarks import errors
from eqlandmarks import formats
from eqlandmarks.media import video_lengths
from eqlandmarks.media import videos
from eqlandmarks.predictor import Predictor
from eqlandmarks.predictor import chunks as chunks_lib
from eqlandmarks.predictor import overlays
from eqlandmarks.predictor import prediction_files
from eqlandmarks.program import modes
from eqlandmarks.runs.workdir import Workdir


@pytest.fixture(scope='module')
def video(tmp_path_factory):
  """Fourteen frames of noise that moves."""
  path = tmp_path_factory.mktemp('videos') / 'clip.mp4'
  rng = np.random.default_rng(0)
  with videos.writing(path, size=(48, 64), fps=10.0) as append:
    for _ in range(14):
      coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
      append(np.asarray(coarse.resize((64, 48), Image.BICUBIC)))
  return path


@pytest.fixture
def small_parts(monkeypatch):
  monkeypatch.setattr(chunks_lib, '_PER_CHUNK', 4)


def _rows(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def _points(rows, name):
  """`[N, 2]`, (row, column) with the centre of the first pixel at 0.5."""
  return 0.5 + np.array(
      [[float(row[f'{name}_y']), float(row[f'{name}_x'])] for row in rows]
  )


def test_a_folder_of_images(run, workdir, photos, capsys):
  output = run(photos, overlays=3, uncertain=2)
  found = Predictor.from_checkpoint(workdir, batch_size=4)(photos)
  rows = _rows(output / 'landmarks.csv')
  assert [row['path'] for row in rows] == list(found.ids)
  for k in range(10):
    np.testing.assert_allclose(
        _points(rows, f'landmark_{k}'), found.landmarks[:, k], atol=1e-3
    )
    np.testing.assert_allclose(
        [float(row[f'landmark_{k}_confidence']) for row in rows],
        found.confidence[:, k], atol=1e-4,
    )  # fmt: skip
  rows = _rows(output / 'annotations.csv')
  for j, name in enumerate(fresh_run.NAMES):
    np.testing.assert_allclose(
        _points(rows, name), found.annotations[:, j], atol=1e-3
    )
  done = json.loads((output / 'predictions.json').read_text())
  order = np.argsort(found.confidence.mean(1))
  unsure = [found.ids[row] for row in order[:2]]
  assert [row['id'] for row in done['least_sure']] == unsure
  pictures = sorted(p.name for p in (output / 'overlays').rglob('*.png'))
  drawn = {'image 0.png', 'image 4.png', 'image 9.png'}  # evenly over ten
  assert pictures == sorted(
      drawn | {pathlib.PurePath(name).name for name in unsure}
  )
  assert (output / 'overlays/more/image 9.png').exists()
  said = capsys.readouterr()
  assert '10 images, mean confidence' in said.out
  assert unsure[0] in said.out
  assert 'images/s' in said.err


def test_a_video(run, video):
  output = run(video, uncertain=3)
  rows = _rows(output / 'landmarks.csv')
  assert [row['path'] for row in rows] == [
      f'clip/img{n:08d}.png' for n in range(14)
  ]
  drawn = videos.probe(output / 'overlay.mp4')
  assert drawn == videos.Video((48, 64), 10.0, 14)
  assert len(list(videos.frames(output / 'overlay.mp4'))) == 14
  points = np.stack([_points(rows, f'landmark_{k}') for k in range(10)], 1)
  moved = np.linalg.norm(np.diff(points, axis=0), axis=-1).max(-1)
  done = json.loads((output / 'predictions.json').read_text())
  assert len(done['least_sure']) == 3
  for row in done['least_sure']:
    number = int(row['id'][-12:-4])
    expected = None if number == 0 else pytest.approx(moved[number - 1], 1e-3)
    assert row['jump'] == expected


def test_least_sure_images_and_the_page_to_watch(run, photos):
  output = run(photos, uncertain=2)
  done = json.loads((output / 'predictions.json').read_text())
  for entry in done['least_sure']:
    plain = Image.open(output / 'least_sure/plain' / entry['id'])
    original = Image.open(photos / entry['id'])
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(original))
    marked = Image.open(output / 'least_sure/marked' / entry['id'])
    assert min(marked.size) >= 384
  assert 'watch.html' in done['written']
  html = (output / 'watch.html').read_text()
  assert str(photos) not in html  # it may be passed on
  run(photos, overlays=0, uncertain=2)
  assert not (output / 'watch.html').exists()
  assert not (output / 'least_sure').exists()


def test_what_was_filmed_fast_is_shown_slowly(run, tmp_path):
  path = tmp_path / 'fast.mp4'
  with videos.writing(path, size=(40, 40), fps=240.0) as append:
    for n in range(4):
      append(np.full((40, 40, 3), 50 * n, np.uint8))
  for fps, expected in ((30.0, 30.0), (0.0, 240.0), (500.0, 240.0)):
    output = run(path, fps=fps)
    drawn = videos.probe(output / 'overlay.mp4')
    assert drawn.fps == expected and drawn.count == 4


def test_every_format_reads_back_as_the_same_points(run, video):
  forms = ('table', 'deeplabcut', 'lightning-pose', 'coco', 'pts')
  output = run(video, formats=forms, overlays=0)
  expected = None
  for form in forms:
    for kind in ('landmarks', 'annotations'):
      path = prediction_files.label_file(output, kind, form, 'clip')
      if form == 'pts':  # which names no image
        assert len(list(path.rglob('*.pts'))) == 14
        continue
      poses = formats.read(path, form)
      # So that the frames are found again by `dataset.labels`.
      assert poses.images == tuple(
          f'clip/img{number:08d}.png' for number in range(14)
      )
      if kind == 'landmarks':
        expected = poses.points if expected is None else expected
        np.testing.assert_allclose(poses.points, expected, atol=1e-3)
  # Files that were written a moment ago are replaced, the folder of .pts too.
  run(video, formats=forms, overlays=0, uncertain=1)


def test_a_missing_library_is_found_out_first(
    run, photos, tmp_path, monkeypatch
):
  monkeypatch.setitem(sys.modules, 'sleap_io', None)
  monkeypatch.setattr(Predictor, '_predict_batch', None)
  said = one_line(run, photos, formats=('table', 'sleap'))
  assert 'pip install sleap-io' in said
  assert not (tmp_path / 'out').exists()


def test_one_frame_is_a_video(run, tmp_path):
  path = tmp_path / 'still.mp4'
  with videos.writing(path, size=(40, 40), fps=5.0) as append:
    append(np.full((40, 40, 3), 90, np.uint8))
  output = run(path)
  assert len(_rows(output / 'landmarks.csv')) == 1
  assert videos.probe(output / 'overlay.mp4').count == 1


def _interrupt_at(monkeypatch, number):
  """Lets batch `number` be interrupted; returns what counts the batches."""
  batches, predict = [], Predictor._predict_batch

  def interrupted(self, batch):
    batches.append([name for name, _ in batch])
    if len(batches) == number:
      raise KeyboardInterrupt
    return predict(self, batch)

  monkeypatch.setattr(Predictor, '_predict_batch', interrupted)
  return batches


@pytest.mark.parametrize('kind', ['photos', 'video'])
def test_an_interrupted_prediction_goes_on(
    run, photos, video, kind, tmp_path, monkeypatch, small_parts
):
  what = {'photos': photos, 'video': video}[kind]
  whole = run(what, output=str(tmp_path / 'whole'))
  batches = _interrupt_at(monkeypatch, 3)
  with pytest.raises(KeyboardInterrupt):
    run(what)
  output = tmp_path / 'out'
  assert not (output / 'predictions.json').exists()
  assert not (output / 'landmarks.csv').exists()
  # As if killed while a part was written.
  (output / '.parts/000000008.npz.partial').write_bytes(b'half')
  (output / '.parts/000000008.npz').write_bytes(b'spoilt by a failing disk')
  run(what)
  seen = [name for batch in batches[3:] for name in batch]
  assert len(seen) == {'photos': 2, 'video': 6}[kind]  # two batches are kept
  kept, again = contents(whole), contents(output)
  again.pop('.parts/000000008.npz.partial', None)
  assert kept.keys() == again.keys()
  for name in kept:
    if not name.endswith('.npz'):  # the time of writing is inside
      assert again[name] == kept[name], name


def test_an_interrupted_drawing_is_not_taken_for_whole(
    run, video, tmp_path, monkeypatch
):
  drawn, draw = [], overlays.draw

  def interrupted(*arguments, **keywords):
    drawn.append(1)
    if len(drawn) == 5:
      raise KeyboardInterrupt
    return draw(*arguments, **keywords)

  monkeypatch.setattr(overlays, 'draw', interrupted)
  with pytest.raises(KeyboardInterrupt):
    run(video)
  names = {path.name for path in (tmp_path / 'out').iterdir()}
  assert names == {'.parts', 'annotations.csv', 'landmarks.csv'}
  monkeypatch.setattr(Predictor, '_predict_batch', None)  # all are there
  output = run(video)
  assert len(list(videos.frames(output / 'overlay.mp4'))) == 14


def test_a_second_call_does_nothing_and_another_wish_only_that(
    run, photos, monkeypatch
):
  output = run(photos, overlays=2, uncertain=1)
  before = contents(output)
  monkeypatch.setattr(Predictor, '_predict_batch', None)
  with monkeypatch.context() as patch:
    patch.setattr(prediction_files.Files, '_write_labels', None)
    run(photos, overlays=2, uncertain=1)
  assert contents(output) == before
  (output / 'landmarks.csv').unlink()
  run(photos, overlays=0, uncertain=1)
  assert (output / 'landmarks.csv').read_bytes() == before['landmarks.csv']
  assert not (output / 'overlays').exists()


def test_another_input_or_model_isone_line(
    run, photos, video, workdir, tmp_path
):
  output = run(photos, overlays=0)
  before = contents(output)
  assert 'other input: ' in one_line(run, video)
  moved = tmp_path / 'photos'
  shutil.copytree(photos, moved)  # copies keep their times, so they are equal
  run(moved, overlays=0)
  Image.new('RGB', (50, 50)).save(moved / 'image 3.png')
  assert 'other files: ' in one_line(run, moved)
  about = output / '.parts/about.json'
  kept = about.read_text()
  about.write_text(json.dumps({**json.loads(kept), 'parameters': 'another'}))
  assert 'other parameters: ' in one_line(run, photos)
  for damaged in ('[]', '{', '[' * 200_000):
    about.write_text(damaged)
    said = one_line(run, photos)
    assert 'about.json is damaged' in said and 'remove the folder' in said
  about.write_text(kept)
  changed = {k: v for k, v in before.items() if k != 'predictions.json'}
  assert changed.items() <= contents(output).items()


def test_folders_that_are_not_ours_stay_as_they_are(run, photos, tmp_path):
  output = tmp_path / 'out'
  (output / 'overlays').mkdir(parents=True)
  (output / 'overlays/mine.png').write_bytes(b'precious')
  assert 'holds other files' in one_line(run, photos)
  assert contents(output) == {'overlays/mine.png': b'precious'}
  inside = photos / 'more/out'
  said = one_line(run, photos, output=str(inside))
  assert 'lies in the folder of the images' in said
  assert not inside.exists()


def test_where_nothing_can_be_written(run, photos, tmp_path):
  (tmp_path / 'file').write_text('')
  said = one_line(run, photos, output=str(tmp_path / 'file/out'))
  assert 'cannot be written' in said
  assert 'config.predict.output' in said


def test_failing_at_the_first_image_leaves_nothing(run, tmp_path):
  (tmp_path / 'bad').mkdir()
  (tmp_path / 'bad/a.png').write_bytes(b'')
  said = one_line(run, tmp_path / 'bad')
  assert 'a.png: does not decode' in said
  assert not (tmp_path / 'out').exists()
  said = one_line(run, tmp_path / 'bad', skip_bad=True)
  assert 'none of 1 images decodes' in said


def test_failing_later_is_gone_on_with(run, photos, tmp_path, capsys):
  images = tmp_path / 'images'
  shutil.copytree(photos, images)
  (images / 'image 6.png').write_bytes(b'')
  assert 'image 6.png' in one_line(run, images)
  capsys.readouterr()
  output = run(images, skip_bad=True)
  said = capsys.readouterr()
  assert 'resuming after 4 images' in said.err
  assert '1 images do not decode and are left out' in said.out
  done = json.loads((output / 'predictions.json').read_text())
  assert done['skipped'] == ['image 6.png']
  assert len(_rows(output / 'landmarks.csv')) == 9


def test_no_dataset_is_needed(run, photos, video, workdir, tmp_path):
  away = photos.with_name('away')
  photos.rename(away)
  (workdir / 'data').rename(workdir / 'no data')
  try:
    assert len(_rows(run(video) / 'landmarks.csv')) == 14
  finally:
    away.rename(photos)
    (workdir / 'no data').rename(workdir / 'data')


def test_the_folder_by_default(run, workdir, photos):
  run(photos / 'image 2.png', output='')
  output = workdir / 'predictions/image 2'
  assert (output / 'landmarks.csv').exists()
  assert (output / 'overlays/image 2.png').exists()


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'formats': ()}, 'config.predict.formats is ()'),
        ({'batch_size': 0}, 'config.predict.batch_size is 0'),
        ({'overlays': -1}, 'config.predict.overlays is -1'),
        ({'trail': -1}, 'config.predict.trail is -1'),
        ({'uncertain': -1}, 'config.predict.uncertain is -1'),
        ({'method': 'magic'}, "config.predict.method is 'magic'"),
        ({'method': 'unfrozen'}, "method is 'unfrozen'"),
    ],
)
def test_bad_fields_are_named_and_leave_nothing(
    run, photos, tmp_path, fields, said
):
  assert said in one_line(run, photos, **fields)
  assert not (tmp_path / 'out').exists()


def test_another_config(photos, workdir):
  config = fresh_run.make_config(photos)
  config.predict.input = str(photos)
  config.num_landmarks = 9
  said = one_line(modes.run, config, str(workdir), 'predict')
  assert 'num_landmarks (10 there, 9 asked)' in said


def test_least_sure_and_jumps_by_hand():
  found = fresh_run.make_prediction(
      [[[0, 0], [9, 9]], [[3, 4], [9, 9]], [[3, 4], [9, 21]]],
      [[0.9, 0.9], [0.2, 0.6], [0.4, 0.4]],
  )
  # Means .9, .4, .4: of equals, the earlier one comes first.
  unsure = prediction_files.least_sure(found, 3, video=True)
  assert [entry['id'] for entry in unsure] == ['1', '2', '0']
  assert [entry['jump'] for entry in unsure] == [5.0, 12.0, None]
  images = prediction_files.least_sure(found, 2, video=False)
  assert [entry['id'] for entry in images] == ['1', '2']
  assert 'jump' not in images[0]


def test_a_cut_video_leaves_no_labels(run, video, tmp_path, monkeypatch):
  cut = tmp_path / 'cut.mp4'
  cut.write_bytes(video.read_bytes())
  monkeypatch.setattr(
      video_lengths, 'check_read',
      lambda path, *_: (_ for _ in ()).throw(errors.UserError(f'{path}: cut')),
  )  # fmt: skip
  assert 'cut.mp4: cut' in one_line(run, cut)
  assert not (tmp_path / 'out/landmarks.csv').exists()
  assert not (tmp_path / 'out/predictions.json').exists()


def test_a_full_disk_is_named(run, photos, tmp_path, monkeypatch):
  def full(*_, **__):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(np, 'savez', full)
  said = one_line(run, photos)
  assert 'No space left on device' in said and 'config.predict.output' in said


def test_one_other_digit_of_the_records_is_named(workdir, tmp_path):
  copy = Workdir(shutil.copytree(workdir, tmp_path / 'copy'))
  path = copy.path / 'two_stage/records.json'
  assert copy.records('two_stage')
  content = path.read_text()
  path.write_text(content.replace('"seed": 0', '"seed": 1', 1))
  assert path.read_text() != content
  said = one_line(copy.records, 'two_stage')
  assert 'records.json is damaged (its SHA-256 differs)' in said


def test_other_names_in_the_config_are_named(workdir, tmp_path):
  copy = shutil.copytree(workdir, tmp_path / 'copy')
  path = copy / 'config.json'
  path.write_text(path.read_text().replace('"contrast"', '"co.trast"', 1))
  assert 'config.json: ' in one_line(Predictor.from_checkpoint, copy)
