"""When a workdir takes another config or other images, and what it says."""

import json

import numpy as np
import pytest

from configs import signer
from eqlandmarks import errors
from eqlandmarks.datasets.base import contents
from eqlandmarks.runs import workdir_checks
from eqlandmarks.runs.workdir import Workdir

OTHER = 'in another --workdir with --config.pretrained='


def _config(**fields):
  config = signer.get_config('tiny')
  config.update_from_flattened_dict(fields)
  return config


def _content(names='abc', first=0, labels='x'):
  prints = np.arange(first, first + len(names), dtype=np.uint64)
  return contents.Content(
      np.array([*names]), prints, f'{names} from {first}', labels
  )


def _begin(workdir, *stages):
  for name in stages:
    (workdir.path / name / 'checkpoints/5').mkdir(parents=True)


def _finish(workdir, *stages):
  for name in stages:
    (workdir.path / name).mkdir(parents=True)
    (workdir.path / name / 'done.json').write_text('{"steps": 1}')


@pytest.fixture
def workdir(tmp_path):
  made = Workdir(tmp_path / 'w')
  workdir_checks.take(made, _config(), _content())
  return made


def _run(workdir):
  return json.loads((workdir.path / 'run.json').read_text())


def _refusal(workdir, config):
  with pytest.raises(errors.UserError) as caught:
    workdir_checks.check(workdir, config)
  return str(caught.value)


def test_without_a_begun_stage_any_config_is_taken(workdir, capsys):
  # Stopped before anything was saved.
  for name in ('pretrain', 'ablation/seed0/end_to_end_4_epochs'):
    half = workdir.path / name
    (half / 'checkpoints').mkdir(parents=True)
    (half / 'metrics.csv').write_text('step,loss\n')
  (workdir.path / 'mine').mkdir()
  (workdir.path / 'mine/metrics.csv').write_text('')
  other = _config(batch_size=4, seed=3)
  workdir_checks.check(workdir, other)
  assert half.exists()  # nothing is changed by looking
  workdir_checks.take(workdir, other, _content('ab'))
  said = capsys.readouterr().err
  assert 'takes a new config: batch_size (8 there, 4 asked), seed (0' in said
  assert workdir.config()['batch_size'] == _run(workdir)['config']['batch_size']
  assert workdir.config()['batch_size'] == 4
  assert _run(workdir)['data'] == {'images': 'ab from 0', 'labels': 'x'}
  assert not half.exists() and not (workdir.path / 'pretrain').exists()
  assert (workdir.path / 'mine/metrics.csv').exists()


@pytest.mark.parametrize(
    ('begun', 'may', 'may_not'),
    [
        ('pretrain',
         {'discover.learning_rate': 1.0, 'num_landmarks': 3,
          'model.landmark_width': 2, 'end_to_end.num_epochs': 3,
          'ablation.share': 0.5, 'pretrained': 'x'},
         {'batch_size': 4, 'pretrain.clip_norm': 1.0, 'remat': True,
          'accumulate': 2, 'seed': 1, 'dataset.seed': 1, 'model.features': 3}),
        ('two_stage',
         {'end_to_end.num_epochs': 3, 'dataset.num_test': 3,
          'discover.features_rate': 1.0},
         {'discover.clip_norm': 1.0, 'pretrain.num_epochs': 7,
          'pretrained': 'x', 'model.heatmap_scale': 2.0}),
        ('end_to_end',
         {'pretrain.num_epochs': 7, 'discover.num_epochs': 7},
         {'discover.clip_norm': 1.0, 'end_to_end.num_epochs': 7}),
        ('ablation/seed1/pretrain',
         {'discover.learning_rate': 1.0}, {'ablation.share': 0.5}),
        ('ablation/seed0/end_to_end_4_epochs',
         {'end_to_end.num_epochs': 9},
         {'ablation.share': 0.5, 'pretrain.num_epochs': 7}),
    ],
)  # fmt: skip
def test_what_a_begun_stage_depends_on_stays(workdir, begun, may, may_not):
  _begin(workdir, begun)
  for name, value in may.items():
    workdir_checks.check(workdir, _config(**{name: value}))
  for name, value in may_not.items():
    assert f'{name} (' in _refusal(workdir, _config(**{name: value}))


def test_a_refusal_names_what_works(workdir):
  _begin(workdir, 'pretrain')
  changed = _config(batch_size=4)
  assert _refusal(workdir, changed).endswith('fields, or another --workdir.')
  _finish(workdir, 'two_stage')
  (workdir.path / 'pretrain/done.json').write_text('{}')
  offered = (
      f'another --workdir (with --config.pretrained={workdir.path}, its '
      'stage 1 is used again, but not by --mode=ablation).'
  )
  assert _refusal(workdir, changed).endswith(offered)
  # Another size would not fit, and another stage 1 is wanted.
  for name, value in (('image_size', 64), ('pretrain.num_epochs', 9)):
    assert 'pretrained' not in _refusal(workdir, _config(**{name: value}))
  with pytest.raises(errors.UserError, match=f'pretrained={workdir.path}'):
    workdir_checks.check_images(workdir, _config(), _content('abd'))


MEMORY = [
    ('lower', 'batch_size'), ('lower', 'model.landmark_width'),
    ('lower', 'model.widths'), ('raise', 'accumulate'),
]  # fmt: skip


def test_ways_to_change_fields(workdir):
  way = lambda of=workdir: workdir_checks.way(of, MEMORY)
  # Nothing is begun: the same workdir takes all of it.
  assert way() == (
      'lower config.batch_size, config.model.landmark_width, '
      'config.model.widths, or raise config.accumulate'
  )
  _begin(workdir, 'pretrain')
  assert way() == (
      'lower config.model.landmark_width; or in another --workdir, lower '
      'config.batch_size, config.model.widths, or raise config.accumulate'
  )
  (workdir.path / 'pretrain/done.json').write_text('{}')
  assert way() == (
      f'lower config.model.landmark_width; or {OTHER}{workdir.path}, lower '
      'config.batch_size, or raise config.accumulate; or in another --workdir, '
      'lower config.model.widths'
  )
  _begin(workdir, 'two_stage')
  assert way().startswith(f'{OTHER}{workdir.path}, lower config.batch_size, ')


def test_ways_in_a_comparison(workdir):
  _begin(workdir, 'ablation/seed0/two_stage')
  # No other stage 1 can be taken there.
  for of in (workdir, workdir.seed(0), workdir.seed(1)):
    assert workdir_checks.way(of, MEMORY[:1]) == (
        'in another --workdir, lower config.batch_size'
    )
  # Not even where the workdir itself holds one.
  (workdir.path / 'pretrain').mkdir()
  (workdir.path / 'pretrain/done.json').write_text('{}')
  assert 'pretrained' not in workdir_checks.way(workdir.seed(0), MEMORY)


def test_fields_of_labels_are_judged_by_the_data(workdir):
  _begin(workdir, 'pretrain')
  fields = {
      'dataset.num_validation': 5, 'dataset.num_test': 5, 'dataset.root': 'x',
  }  # fmt: skip
  workdir_checks.check(workdir, _config(**fields))
  changed = _config(**{'dataset.num_train': 2})
  assert 'dataset.num_train' in _refusal(workdir, changed)


@pytest.mark.parametrize(
    ('names', 'first', 'said'),
    [
        ('abcd', 0, '4 now, 3 then: 1 more, the first is d'),
        ('ab', 0, '2 now, 3 then: 1 fewer, the first is c'),
        ('abc', 1, '3 of other content, the first is a'),
    ],
)
def test_other_images(workdir, capsys, names, first, said):
  now = _content(names, first)
  workdir_checks.check_images(workdir, _config(), now)  # nothing is begun
  _begin(workdir, 'pretrain')
  workdir_checks.check_images(workdir, _config(), _content(labels='y'))
  with pytest.raises(errors.UserError) as caught:
    workdir_checks.check_images(
        workdir, _config(**{'dataset.num_test': 9}), now
    )
  assert said in str(caught.value) and '\n' not in str(caught.value)
  assert "dataset.num_test (32 there, 9 asked)" in str(caught.value)
  assert str(caught.value).endswith('same ones, or another --workdir.')
  # Less is known, and it is refused all the same.
  (workdir.path / 'images.npz').unlink()
  with pytest.raises(errors.UserError, match=f'{len(names)} others'):
    workdir_checks.check_images(workdir, _config(), now)


def test_other_labels_are_taken(workdir):
  _begin(workdir, 'pretrain')
  config = _config(**{'dataset.eyes': 'a,b'})
  workdir_checks.check(workdir, config)
  workdir_checks.take(workdir, config, _content(labels='y'))
  assert _run(workdir)['data'] == {'images': 'abc from 0', 'labels': 'y'}
  assert workdir.config()['dataset']['eyes'] == 'a,b'
  assert (workdir.path / 'pretrain/checkpoints/5').exists()


def test_a_workdir_of_another_format(workdir):
  run = _run(workdir)
  for run['format'] in (2, 'x', None):
    (workdir.path / 'run.json').write_text(json.dumps(run))
    said = _refusal(workdir, _config())
    assert f"run.json: format is {run['format']!r}, written by" in said
    assert 'expected 1: use that version, or another --workdir' in said


def test_the_same_again_writes_nothing(workdir):
  before = {p: p.stat().st_mtime_ns for p in workdir.path.iterdir()}
  workdir_checks.take(workdir, _config(), _content())
  assert {p: p.stat().st_mtime_ns for p in workdir.path.iterdir()} == before


def test_what_may_change_is_kept_for_later_modes(workdir):
  before = workdir.read_run()
  workdir_checks.take(workdir, _config(**{'evaluation.pck': 3.0}), _content())
  assert workdir.config()['evaluation']['pck'] == 3.0
  after = workdir.read_run()
  assert after.pop('config') == workdir.config()
  assert after == {k: v for k, v in before.items() if k != 'config'}
