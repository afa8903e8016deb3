"""The loop: nothing waits for the devices, and what is kept is finite."""

import itertools
import json
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import signer
from eqlandmarks import errors
from eqlandmarks.system import signals
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import loop
from eqlandmarks.training import methods
from eqlandmarks.training import metric_files
from eqlandmarks.training import stage_folder
from eqlandmarks.training import stages
from eqlandmarks.training.objectives import base as objectives

DEVICES = 2


def _step(state, images, key):
  del key
  total = jax.lax.psum(images.astype(jnp.float32).sum(), devices_lib.AXIS)
  w = state['w'] + total
  return {'step': state['step'] + 1, 'w': w}, {'loss': w}


def _guarded(step, traces):
  """The mapped step, in which no value moves without being asked to."""

  def counted(*args):
    traces.append(1)
    return step(*args)

  mapped = devices_lib.parallelize(counted, jax.devices()[:DEVICES])

  def call(*args):
    with jax.transfer_guard('disallow'):
      return mapped(*args)

  return call


def _batches(start):
  devices = jax.devices()[:DEVICES]
  for number in itertools.count(start):
    rows = np.full((DEVICES, 1, 2, 2, 3), number % 5, np.uint8)
    yield devices_lib.share(rows, devices)


def _train(
    folder, num_steps, *, step=_step, traces=None, checkpoint=None, **changes
):
  settings = {'every_seconds': 0.0, 'every_steps': 0, 'keep': 2, 'best': ''}
  arguments = dict(
      title='stage',
      step=_guarded(step, [] if traces is None else traces),
      state={'step': jnp.zeros((), jnp.int32), 'w': jnp.zeros(())},
      batches=_batches,
      key=jax.random.key(0),
      num_steps=num_steps,
      devices=jax.devices()[:DEVICES],
  )
  return loop.train(
      loop.Stage(**{**arguments, **changes}),
      folder=stage_folder.StageFolder(folder),
      checkpoint=ConfigDict({**settings, **(checkpoint or {})}),
  )


def _kept(folder):
  names = [path.name for path in (folder / 'checkpoints').iterdir()]
  return sorted(map(int, names))


def _stop_at(monkeypatch, step, signal):
  """The signal comes while the batch of a step is being made."""

  def batches(start):
    for number, batch in enumerate(_batches(start), start):
      if number == step - 1:
        monkeypatch.setattr(signals, '_asked', signal)
      yield batch

  return batches


def test_rows_are_means_of_ten_steps_and_the_rest(tmp_path):
  traces = []
  end = _train(
      tmp_path, 25, traces=traces, checkpoint={'every_seconds': 1e9}
  )
  assert len(traces) == 1
  # Each batch adds 24 times its number modulo 5.
  loss = np.cumsum(24.0 * (np.arange(25) % 5))
  rows = metric_files.read_metrics(tmp_path)
  assert [row['step'] for row in rows] == [10, 20, 25]
  expected = [loss[:10].mean(), loss[10:20].mean(), loss[20:].mean()]
  np.testing.assert_allclose([row['loss'] for row in rows], expected, rtol=1e-6)
  assert float(end.state['w']) == loss[-1]
  assert end.seconds_per_step > 0.0


def test_a_resumed_run_is_the_undisturbed_one_and_compiles_once(tmp_path):
  _train(tmp_path / 'whole', 45)

  def cut(start):
    for number, batch in enumerate(_batches(start), start):
      if number == 33:
        raise KeyboardInterrupt
      yield batch

  with pytest.raises(KeyboardInterrupt):
    _train(tmp_path / 'cut', 45, batches=cut)
  assert _kept(tmp_path / 'cut')[-1] == 30
  traces, starts = [], []

  def noted(start):
    starts.append(start)
    return _batches(start)

  _train(tmp_path / 'cut', 45, traces=traces, batches=noted)
  assert (starts, len(traces)) == ([30], 1)
  whole, cut_one = (tmp_path / n / 'metrics.csv' for n in ('whole', 'cut'))
  assert whole.read_bytes() == cut_one.read_bytes()


def test_a_state_that_is_not_finite_is_never_saved(tmp_path):

  def fails(state, images, key):
    state, metrics = _step(state, images, key)
    late = state['step'] > 14
    return state, {'loss': jnp.where(late, jnp.nan, metrics['loss'])}

  with pytest.raises(errors.UserError, match='loss is nan at step 15'):
    _train(tmp_path, 40, step=fails)
  # 14 is the state before, made anew from 10.
  assert _kept(tmp_path) == [10, 14]
  with pytest.raises(errors.UserError, match='loss is nan at step 15'):
    _train(tmp_path, 40, step=fails)
  assert _kept(tmp_path) == [10, 14]


@pytest.mark.parametrize('steps', [(33,), (3, 4, 33, 39, 40, 44)])
def test_a_stopped_run_loses_no_step(tmp_path, monkeypatch, capsys, steps):
  _train(tmp_path / 'whole', 45)
  for step in steps:
    with pytest.raises(signals.Interrupted) as caught:
      _train(
          tmp_path / 'stopped', 45, checkpoint={'every_seconds': 1e9},
          batches=_stop_at(monkeypatch, step, signal.SIGTERM),
      )  # fmt: skip
    assert caught.value.code == 143
    assert _kept(tmp_path / 'stopped')[-1] == step
    said = capsys.readouterr().err
    assert f'SIGTERM: stage stops at step {step}, which is saved' in said
    monkeypatch.setattr(signals, '_asked', 0)
    monkeypatch.setattr(signals, '_answered', False)
  end = _train(tmp_path / 'stopped', 45)
  assert f'stopped resumes from step {steps[-1]}\n' in capsys.readouterr().err
  assert float(end.state['w']) == 24.0 * (np.arange(45) % 5).sum()
  # The means of ten steps are those of the undisturbed run, also of ten that
  # were made in two runs.
  whole, stopped = (tmp_path / n / 'metrics.csv' for n in ('whole', 'stopped'))
  assert whole.read_bytes() == stopped.read_bytes()


def test_a_signal_at_the_last_step_ends_a_finished_stage(tmp_path, monkeypatch):
  with pytest.raises(signals.Interrupted):
    _train(
        tmp_path, 12, batches=_stop_at(monkeypatch, 12, signal.SIGINT)
    )
  assert _kept(tmp_path)[-1] == 12


def test_checkpoints_by_steps(tmp_path):
  counted = {'every_seconds': 1e9, 'every_steps': 7, 'keep': 100}
  _train(tmp_path / 'some', 25, checkpoint=counted)
  assert _kept(tmp_path / 'some') == [7, 14, 21, 25]
  _train(tmp_path / 'none', 25, checkpoint={'every_seconds': 1e9})
  some, none = (tmp_path / n / 'metrics.csv' for n in ('some', 'none'))
  assert some.read_bytes() == none.read_bytes()


def test_the_best_checkpoint_stays(tmp_path):

  def valley(state, images, key):
    state, _ = _step(state, images, key)
    far = jnp.abs(state['step'] - 15).astype(jnp.float32)
    return state, {'loss': far}

  # Means of the rows that are newest then: 5 to 14 (of steps 1 to 10), 2.5 (of
  # 11 to 20), 10.5, 20.5.
  best = {'every_seconds': 1e9, 'every_steps': 10, 'keep': 1, 'best': 'loss'}
  end = _train(tmp_path, 40, step=valley, checkpoint=best)
  assert _kept(tmp_path) == [20, 40]
  assert end.best == {'step': 20, 'metric': 'loss', 'value': 2.5}


def test_a_resumed_run_keeps_the_best_of_before(tmp_path):
  best = {'every_seconds': 1e9, 'every_steps': 10, 'keep': 1, 'best': 'loss'}
  for num_steps in (20, 40):  # the loss rises in each
    end = _train(tmp_path, num_steps, checkpoint=best)
  assert _kept(tmp_path) == [10, 40]
  assert end.best['step'] == 10


@pytest.mark.parametrize('days', [-20, 20])
@pytest.mark.parametrize('call', [1, 6, 20])
def test_a_clock_that_jumps_costs_nothing(tmp_path, monkeypatch, days, call):
  counted = {'every_seconds': 1e9, 'every_steps': 10}
  _train(tmp_path / 'steady', 25, checkpoint=counted)
  steady, calls = time.time, []

  def jumping():
    calls.append(1)
    return steady() + 86_400 * days * (len(calls) >= call)

  def batches(start):
    for number, batch in enumerate(_batches(start), start):
      if number == 9:  # just before the first checkpoint
        monkeypatch.setattr(time, 'time', jumping)
      yield batch

  end = _train(tmp_path / 'jumps', 25, checkpoint=counted, batches=batches)
  assert len(calls) >= call
  assert float(end.state['w']) == 24.0 * (np.arange(25) % 5).sum()
  assert _kept(tmp_path / 'jumps')[-1] == 25
  steady, jumps = (tmp_path / n / 'metrics.csv' for n in ('steady', 'jumps'))
  assert steady.read_bytes() == jumps.read_bytes()


def test_a_bad_sign_is_said(tmp_path, capsys):
  sign = lambda row: f'{row["loss"]:.1f} is much' if row['step'] == 20 else None
  _train(tmp_path, 40, sign=sign)
  said = [x for x in capsys.readouterr().err.splitlines() if 'warning' in x]
  # 24 x (0, 1, 3, 6, 10) and 240 for each five: 480 + 24 x 4 and 720 + 96.
  assert said == ['warning: stage, step 20: 696.0 is much']


def test_the_guard_would_find_a_batch_that_is_sent_by_the_step(tmp_path):
  hidden = lambda start: (np.asarray(b) for b in _batches(start))
  with pytest.raises(Exception, match='Disallowed host-to-device'):
    _train(tmp_path, 5, batches=hidden)


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (MemoryError(), 'stage: out of memory; expected'),
        (
            jax.errors.JaxRuntimeError(
                'RESOURCE_EXHAUSTED: Out of memory while trying to allocate '
                '17179869184 bytes.'
            ),
            'stage: out of memory (asked for 17179869184 bytes); expected',
        ),
        (
            jax.errors.JaxRuntimeError(
                'RESOURCE_EXHAUSTED: Out of memory allocating 98304 bytes.'
            ),
            'stage: out of memory (asked for 98304 bytes); expected',
        ),
    ],
)
def test_out_of_memory_names_the_fields_to_lower(tmp_path, error, said):

  def fails(*_):
    raise error

  changes = (
      ('lower', 'batch_size'), ('lower', 'pretrain.num_locations'),
      ('raise', 'accumulate'),
  )  # fmt: skip
  with pytest.raises(errors.UserError) as caught:
    _train(tmp_path, 5, batches=fails, less_memory=changes)
  assert str(caught.value).startswith(said)
  assert str(caught.value).endswith(
      'expected less work at once: lower config.batch_size, '
      'config.pretrain.num_locations, or raise config.accumulate.'
  )


def test_xla_itself_says_that_memory_is_exhausted(tmp_path):

  def greedy(state, images, key):
    state, metrics = _step(state, images, key)
    large = jnp.sort(jnp.arange(1 << 42, dtype=jnp.uint8) + state['w'])
    return state, {'loss': metrics['loss'] + large[5]}

  with pytest.raises(errors.UserError, match='out of memory'):
    _train(tmp_path, 5, step=greedy)


def test_other_errors_of_the_runtime_are_left_alone(tmp_path):

  def fails(*_):
    raise jax.errors.JaxRuntimeError('INTERNAL: a bug')

  with pytest.raises(jax.errors.JaxRuntimeError, match='a bug'):
    _train(tmp_path, 5, batches=fails)


@pytest.mark.slow
def test_both_stages_trace_once_and_move_nothing_in_between(
    tmp_path, monkeypatch
):
  devices = jax.devices()[:DEVICES]
  monkeypatch.setattr(devices_lib, 'local_devices', lambda: devices)
  traces = []
  mapped = devices_lib.parallelize

  def guarded(step, on):
    inner = mapped(step, on)

    def call(*args):
      with jax.transfer_guard('disallow'):
        return inner(*args)

    return call

  monkeypatch.setattr(devices_lib, 'parallelize', guarded)
  plain = objectives.make_loss

  def make_loss(objective, *args):
    loss = plain(objective, *args)

    def counted(*args):
      traces.append(objective.trains)
      return loss(*args)

    return counted

  monkeypatch.setattr(objectives, 'make_loss', make_loss)
  config = signer.get_config('tiny')
  config.batch_size = 8
  images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
  first, second = (
      stage_folder.StageFolder(tmp_path / n) for n in ('pretrain', 'discover')
  )
  stages.train(config, images, first, num_epochs=6)
  assert traces == [('features',)]
  features = first.load_variables()['features']
  stages.train(
      config, images, second, method=methods.UNFROZEN, features=features,
      num_epochs=6,
  )  # fmt: skip
  assert traces == [('features',), ('landmarks',)]
  assert json.loads((second.path / 'done.json').read_text())['steps'] == 12
