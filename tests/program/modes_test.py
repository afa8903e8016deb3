"""Whole runs at a tiny size, as a user starts them."""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from configs import common
from configs import folder
from configs import signer
from eqlandmarks import errors
from eqlandmarks.datasets import by_name
from eqlandmarks.program import modes
from eqlandmarks.runs import config_checks
from eqlandmarks.runs import config_fields
from eqlandmarks.training import loop
from eqlandmarks.training import metric_files
from eqlandmarks.training import progress
from eqlandmarks.training import stage_folder
from eqlandmarks.training.objectives import base as objectives

METHODS = ('two_stage', 'end_to_end', 'mean_shape', 'random')


def _config():
  config = signer.get_config('tiny')
  config.batch_size = 8
  config.dataset.num_train = 24
  config.dataset.num_validation = 12
  config.dataset.num_test = 12
  config.pretrain.num_epochs = 2
  config.discover.num_epochs = 1
  config.end_to_end.num_epochs = 1
  config.evaluation.batch_size = 8
  return config


@pytest.fixture(scope='module', autouse=True)
def _two_devices():
  """Two of the eight: enough here, and quicker to compile for."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
    yield


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A workdir after --mode=train and --mode=end_to_end."""
  workdir = tmp_path_factory.mktemp('run') / 'signer'
  modes.run(_config(), str(workdir), 'train')
  modes.run(_config(), str(workdir), 'end_to_end')
  return workdir


def _digest(workdir, method='two_stage'):
  run = json.loads((workdir / 'run.json').read_text())
  return run['methods'][method]['sha256']


def _last_step(path):
  return path.read_text().splitlines()[-1].partition(',')[0]


def test_everything_promised_is_there(finished):
  for name in (
      'config.json', 'run.json', 'results.json', 'results.csv',
      'pretrain/metrics.csv', 'two_stage/metrics.csv',
      'figures/losses_two_stage.png', 'report.html',
      'figures/two_stage/landmarks.png', 'figures/two_stage/predictions.svg',
      'figures/two_stage/warped_pairs_layer1.pdf',
      'figures/end_to_end/landmarks.png', 'figures/equivariance_layer1.pdf',
      'figures/accuracy_curve.svg', 'figures/sample_efficiency.png',
  ):
    assert (finished / name).stat().st_size > 0, name
  assert not (finished / 'ablation').exists()
  assert list((finished / 'pretrain/events').glob('events.*'))


def test_nothing_is_said_of_a_collapse_where_there_is_none(finished):
  assert 'collapsed' not in (finished / 'log.txt').read_text()
  assert 'class="warning collapsed"' not in _report(finished)
  records = json.loads((finished / 'results.json').read_text())
  found = {
      (r['method'], r['metric']): r['value']
      for r in records if r['metric'] in ('extent_px', 'alignment')
  }
  assert len(found) == 4  # two methods
  assert found['two_stage', 'alignment'] < 0.99
  assert found['end_to_end', 'extent_px'] > 6.4
  for stage in ('pretrain', 'two_stage'):
    assert _collapsed(_config(), finished, stage) is None


def _collapsed(config, workdir, stage):
  """What the last row of a stage is a sign of."""
  section = config.get(stage, config.discover)
  row = metric_files.read_metrics(workdir / stage)[-1]
  return objectives.load(section.objective).collapsed(config, section, row)


@pytest.mark.slow
def test_a_collapse_is_told_in_log_and_report(tmp_path, capsys):
  config, workdir = _config(), tmp_path / 'w'
  # All weights shrink to nothing, and what is left is the same everywhere.
  config.model.norm = 'none'
  config.pretrain.l2, config.pretrain.learning_rate = 1e6, 0.01
  config.pretrain.num_epochs = 6
  # Flat heatmaps: all landmarks in the middle, and nothing drives them apart.
  config.model.heatmap_scale = 1e-3
  config.discover.weights.diversity = 0.0
  modes.run(config, str(workdir), 'train')
  report, log = _report(workdir), (workdir / 'log.txt').read_text()
  assert 'Collapsed: two-stage, seed 0' in report
  for told in (capsys.readouterr().err, log, report):
    assert 'the features of F all point the same way' in told
    assert 'all landmarks of an image lie within 0.0 px' in told
  for stage in ('pretrain', 'two_stage'):
    assert _collapsed(config, workdir, stage), stage


def _report(workdir):
  return (workdir / 'report.html').read_text()


def test_records_have_the_documented_form(finished):
  records = json.loads((finished / 'results.json').read_text())
  for record in records:
    assert set(record) == {
        'dataset', 'split', 'method', 'budget', 'metric', 'at', 'point',
        'layer', 'fit_images', 'value', 'std', 'stderr', 'count', 'protocol',
        'variant', 'epochs', 'seeds',
    }
    assert record['method'] in METHODS
  pck = {
      (r['method'], r['point']): r for r in records if r['metric'] == 'pck'
  }
  assert pck['two_stage', 'all']['count'] == 12 * 7
  wrists = [pck['two_stage', f'{side}_wrist']['value'] for side in
            ('left', 'right')]
  np.testing.assert_allclose(
      pck['two_stage', 'wrists']['value'], np.mean(wrists), rtol=1e-6
  )
  acc = {
      (r['method'], r['layer'], r['at'])
      for r in records if r['metric'] == 'acc' and r['method'] != 'random'
  }
  assert ('end_to_end', 4, 20.0) in acc
  assert len(acc) == 2 * 4 * 4


def test_a_second_call_trains_nothing(finished, monkeypatch):
  before = (finished / 'results.json').read_bytes()
  monkeypatch.setattr(loop, 'train', None)  # any training would fail
  modes.run(_config(), str(finished), 'train')
  assert (finished / 'results.json').read_bytes() == before


def test_resume_is_bit_identical(finished, tmp_path, monkeypatch):
  workdir = tmp_path / 'again'
  shutil.copytree(finished / 'data', workdir / 'data')
  config = _config()
  config.checkpoint.every_seconds = 0.0
  monkeypatch.setattr(progress, 'LOG_EVERY', 1)
  saves = []

  def interrupt(title, done):
    saves.append((title, done))
    if saves.count((title, done)) == 1 and done == 2:
      raise KeyboardInterrupt

  record = progress.Tracker.record

  def recording(self, done, metrics, batch_size):
    interrupt(self._title, done)
    record(self, done, metrics, batch_size)

  monkeypatch.setattr(progress.Tracker, 'record', recording)
  for _ in range(2):
    with pytest.raises(KeyboardInterrupt):
      modes.run(config, str(workdir), 'train')
  modes.run(config, str(workdir), 'train')
  assert _digest(workdir) == _digest(finished)
  # Each stage was cut once, and went on from where it had been saved.
  assert saves.count(('pretrain', 1)) == 1
  assert saves.count(('two_stage', 1)) == 1
  same = [
      r for r in json.loads((finished / 'results.json').read_text())
      if r['method'] != 'end_to_end'
  ]
  found = json.loads((workdir / 'results.json').read_text())
  assert found == same
  for metrics in ('pretrain/metrics.csv', 'two_stage/metrics.csv'):
    # The undisturbed run logged every tenth step; here, every one.
    last = lambda folder, name=metrics: _last_step(folder / name)
    assert last(workdir) == last(finished)


def test_unfrozen_starts_from_stage_one_and_trains_features(finished):
  config = _config()
  config.discover.train_features = True
  modes.run(config, str(finished), 'discover')
  stage = lambda name: stage_folder.StageFolder(
    finished / name
  ).load_variables()
  first, frozen, unfrozen = map(stage, ('pretrain', 'two_stage', 'unfrozen'))
  kernel = lambda v: v['features']['params']['encoder1']['conv1']['kernel']
  np.testing.assert_array_equal(kernel(first), kernel(frozen))
  assert not np.array_equal(kernel(first), kernel(unfrozen))
  assert np.abs(kernel(first) - kernel(unfrozen)).max() < 0.1


@pytest.mark.slow
def test_stage_one_of_another_workdir(finished, tmp_path):
  config = _config()
  config.pretrained = str(finished)
  modes.run(config, str(tmp_path / 'b'), 'train')
  assert not (tmp_path / 'b/pretrain').exists()
  assert _digest(tmp_path / 'b') == _digest(finished)
  config.model.widths = (8, 8, 16, 8)
  with pytest.raises(errors.UserError, match='pretrained'):
    modes.run(config, str(tmp_path / 'c'), 'discover')
  assert not (tmp_path / 'c').exists()


def test_a_config_that_was_removed_is_known_all_the_same(finished, tmp_path):
  workdir = shutil.copytree(finished, tmp_path / 'w')
  (workdir / 'config.json').unlink()
  config = _config()
  config.seed = 7
  with pytest.raises(errors.UserError, match='0 there, 7 asked'):
    modes.run(config, str(workdir), 'train')


def test_another_config_is_refused_and_the_fields_are_named(finished):
  config = _config()
  config.model.features = 8
  config.discover.warp.rotation = 5.0
  with pytest.raises(errors.UserError) as caught:
    modes.run(config, str(finished), 'train')
  said = str(caught.value)
  assert 'model.features (16 there, 8 asked)' in said
  assert 'discover.warp.rotation (20.0 there, 5.0 asked)' in said
  assert 'seed' not in said


@pytest.mark.slow
def test_evaluation_fields_may_change(finished):
  config = _config()
  config.regression.origin = 'centre'
  modes.run(config, str(finished), 'evaluate')
  records = json.loads((finished / 'results.json').read_text())
  assert {r['protocol']['regression']['origin'] for r in records} == {'centre'}
  modes.run(_config(), str(finished), 'evaluate')


@pytest.mark.slow
def test_without_test_images_there_are_no_figures(tmp_path, capsys):
  root = tmp_path / 'photos'
  _write_images(root)
  rows = [f'image {i}.png,{i},{i}' for i in range(6)]
  (root / 'labels.csv').write_text('\n'.join(['path,a_x,a_y', *rows]))
  config = _folder_config(root)
  config.dataset.labels = 'labels.csv'
  config.dataset.test_share = 0.0
  modes.run(config, str(tmp_path / 'w'), 'train')
  records = json.loads((tmp_path / 'w/results.json').read_text())
  # What needs no labels: how far each landmark is to be trusted.
  assert {r['metric'] for r in records} == {
      'equivariance_px', 'spread_px', 'extent_px', 'alignment'
  }
  assert 'no labelled test images' in capsys.readouterr().err


def test_failing_leaves_no_folder_above_the_workdir_either(tmp_path):
  config = _config()
  config.batch_size = 48
  with pytest.raises(errors.UserError, match='only 24'):
    modes.run(config, str(tmp_path / 'a/b/c'), 'train')
  assert not list(tmp_path.iterdir())


def _folder_config(root: pathlib.Path):
  config = folder.get_config()
  tiny = signer.get_config('tiny')
  for name in ('image_size', 'num_landmarks', 'model', 'pretrain', 'discover'):
    config[name] = tiny[name]
  config.pretrain.num_epochs = config.discover.num_epochs = 1
  config.dataset.root = str(root)
  return config


def _write_images(root: pathlib.Path, count=12):
  root.mkdir(parents=True)
  rng = np.random.default_rng(0)
  for i in range(count):
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(root / f'image {i}.png')


def test_a_folder_without_labels(tmp_path, capsys):
  _write_images(tmp_path / 'photos')
  modes.run(
      _folder_config(tmp_path / 'photos'), str(tmp_path / 'w'), 'train'
  )
  records = json.loads((tmp_path / 'w/results.json').read_text())
  assert {r['split'] for r in records} == {'unlabelled'}
  report = _report(tmp_path / 'w')
  assert '<title>Landmarks of photos, split unlabelled</title>' in report
  assert 'that were trained on (split unlabelled)' in report
  assert (tmp_path / 'w/figures/two_stage/landmarks.png').exists()
  assert not (tmp_path / 'w/figures/two_stage/predictions.png').exists()
  assert 'no labelled test images' in capsys.readouterr().err


@pytest.mark.slow
def test_a_table_with_missing_points_and_eyes(tmp_path):
  root = tmp_path / 'photos'
  _write_images(root)
  rows = ['path,split,a_x,a_y,b_x,b_y']
  for i in range(12):
    split = 'train' if i < 6 else 'test' if i < 10 else ''
    b = f'{i},{2 * i}' if i % 3 else ','
    rows.append(f'image {i}.png,{split},' + (f'20,10,{b}' if split else ',,,'))
  (root / 'labels.csv').write_text('\n'.join(rows))
  config = _folder_config(root)
  config.dataset.labels = str(root / 'labels.csv')
  config.dataset.eyes = 'a,b'
  modes.run(config, str(tmp_path / 'w'), 'train')
  records = json.loads((tmp_path / 'w/results.json').read_text())
  pck = {
      r['point']: r for r in records
      if r['metric'] == 'pck' and r['method'] == 'two_stage'
  }
  assert (pck['a']['count'], pck['b']['count']) == (4, 2)
  assert pck['all']['protocol']['missing_in_fit'] == 2
  assert pck['all']['protocol']['missing_in_test'] == 2
  iod = [r for r in records if r['metric'] == 'error_iod']
  assert {r['method'] for r in iod} == {'two_stage', 'mean_shape'}
  assert iod[0]['protocol']['images_without_eyes'] == 2


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda c: c.update({'image_size': 31}), 'config.image_size is 31'),
        (lambda c: c.update({'batch_size': 12000}), 'batch_size is 12000'),
        (lambda c: c.evaluation.update({'layers': (1, 5)}),
         'config.evaluation.layers is (1, 5), expected layers out of'),
        (lambda c: c.evaluation.update({'samples': (5, 13)}),
         'fitted on 12 images'),
        (lambda c: c.ablation.update({'share': 0.0}), 'config.ablation.share'),
    ],
)
def test_bad_config_values_are_named_and_leave_nothing(tmp_path, change, said):
  config = _config()
  change(config)
  with pytest.raises(errors.UserError) as caught:
    modes.run(config, str(tmp_path / 'w'), 'train')
  assert said in str(caught.value)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'w').exists()


class _Recording:
  """A config that notes which of its fields are read."""

  def __init__(self, config, read, prefix=''):
    self.__dict__.update(_config=config, _read=read, _prefix=prefix)

  def __getitem__(self, name):
    value = self._config[name]
    if isinstance(value, ConfigDict):
      return _Recording(value, self._read, f'{self._prefix}{name}.')
    self._read.add(self._prefix + name)
    return value

  __getattr__ = __getitem__

  def __contains__(self, name):
    return name in self._config

  def get(self, name, default=None):
    return self[name] if name in self._config else default

  def keys(self):
    return self._config.keys()

  def to_dict(self):
    if self._prefix:  # the whole config is only written down
      for name in self.keys():
        self[name]
    return self._config.to_dict()


def test_every_field_of_every_config_is_read(tmp_path, monkeypatch):
  monkeypatch.setattr(config_checks, 'check', lambda config: None)
  read = set()
  _write_images(tmp_path / 'photos')
  configs = _config(), _folder_config(tmp_path / 'photos')
  for number, config in enumerate(configs):
    recording = _Recording(config, read)
    modes.run(recording, str(tmp_path / str(number)), 'train')
  modes.run(_Recording(configs[0], read), str(tmp_path / '0'), 'end_to_end')
  read |= {
      # Of modes that have tests of their own.
      'ablation.num_seeds', 'ablation.share', 'fit.labels', 'grid.presets',
      'label.frames',
  }
  for name in ('video', 'bbc_pose', 'cat_head', 'celeba'):
    other = _config()
    other.dataset = common.dataset(name)
    with pytest.raises(errors.UserError, match=r'config\.dataset\.root'):
      by_name.make_builder(
          _Recording(other, read).dataset, image_size=32, data_dir=''
      )
  configs[0].discover.train_features = True
  unfrozen = _Recording(configs[0], read)
  modes.run(unfrozen, str(tmp_path / '0'), 'discover')
  configs[0].predict.input = str(tmp_path / 'photos')
  modes.run(_Recording(configs[0], read), str(tmp_path / '0'), 'predict')
  modes.run(_Recording(configs[0], read), str(tmp_path / '0'), 'export')
  every = {
      f'dataset.{field}' for name in by_name.names()
      for field in by_name.defaults(name)
  }
  assert {*config_fields.flatten(configs[0].to_dict()), *every} == read


def test_what_a_comparison_needs_is_checked_before_it_trains(tmp_path):
  _write_images(tmp_path / 'photos')
  config = _folder_config(tmp_path / 'photos')
  with pytest.raises(errors.UserError, match='no labelled test images'):
    modes.run(config, str(tmp_path / 'w'), 'ablation')
  config.pretrained = 'other'
  with pytest.raises(errors.UserError, match='every seed trains its own'):
    modes.run(config, str(tmp_path / 'w'), 'ablation')
  config.pretrained, config.evaluation.samples = '', (5,)
  with pytest.raises(errors.UserError, match=r'evaluation\.samples'):
    modes.run(config, str(tmp_path / 'w'), 'train')
  assert not (tmp_path / 'w').exists()


def test_checkpoints_of_another_size_or_k_are_named(finished, tmp_path):
  config = _config()
  config.pretrained = str(finished)
  config.image_size = 48
  with pytest.raises(errors.UserError, match='images of 32 pixels'):
    modes.run(config, str(tmp_path / 'a'), 'discover')
  # A stage's folder put into the workdir of another K.
  config = _config()
  config.num_landmarks = 7
  workdir = tmp_path / 'b'
  shutil.copytree(finished / 'two_stage', workdir / 'two_stage')
  with pytest.raises(errors.UserError, match='neither config'):
    modes.run(config, str(workdir), 'evaluate')
  (workdir / 'config.json').write_text(json.dumps(config.to_dict()))
  with pytest.raises(errors.UserError, match=r'config\.num_landmarks'):
    modes.run(config, str(workdir), 'evaluate')


def test_images_that_show_nothing_are_named(tmp_path):
  _write_images(tmp_path / 'photos')
  Image.new('RGB', (30, 60)).save(tmp_path / 'photos/small.png')
  with pytest.raises(errors.UserError, match=r'small\.png with 30 x 60'):
    modes.run(
        _folder_config(tmp_path / 'photos'), str(tmp_path / 'w'), 'train'
    )
