"""The loop: nothing waits for the devices, and what is kept is finite."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import signer
from eqlandmarks import errors
from eqlandmarks.training import checkpoints
from eqlandmarks.training import logs
from eqlandmarks.training import loop
from eqlandmarks.training import objectives
from eqlandmarks.training import parallel
from eqlandmarks.training import stages

DEVICES = 2


def _step(state, images, key):
  del key
  total = jax.lax.psum(images.astype(jnp.float32).sum(), parallel.AXIS)
  w = state['w'] + total
  return {'step': state['step'] + 1, 'w': w}, {'loss': w}


def _guarded(step, traces):
  """The mapped step, in which no value moves without being asked to."""

  def counted(*args):
    traces.append(1)
    return step(*args)

  mapped = parallel.parallelize(counted, jax.devices()[:DEVICES])

  def call(*args):
    with jax.transfer_guard('disallow'):
      return mapped(*args)

  return call


def _batches(start):
  devices = jax.devices()[:DEVICES]
  for number in itertools.count(start):
    rows = np.full((DEVICES, 1, 2, 2, 3), number % 5, np.uint8)
    yield parallel.share(rows, devices)


def _train(folder, num_steps, *, step=_step, traces=None, every=0.0, **changes):
  state = {'step': jnp.zeros((), jnp.int32), 'w': jnp.zeros(())}
  arguments = dict(
      step=_guarded(step, [] if traces is None else traces),
      state=state,
      batches=_batches,
      key=jax.random.key(0),
      num_steps=num_steps,
      folder=checkpoints.StageFolder(folder),
      checkpoint=ConfigDict({'every_seconds': every, 'keep': 2}),
      devices=jax.devices()[:DEVICES],
  )
  return loop.train('stage', **{**arguments, **changes})


def test_rows_are_means_of_ten_steps_and_the_rest(tmp_path):
  traces = []
  end = _train(tmp_path, 25, traces=traces, every=1e9)
  assert len(traces) == 1
  # Each batch adds 24 times its number modulo 5.
  loss = np.cumsum(24.0 * (np.arange(25) % 5))
  rows = logs.read_metrics(tmp_path)
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
  saved = [p.name for p in (tmp_path / 'cut/checkpoints').iterdir()]
  assert max(map(int, saved)) == 30
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
  saved = [p.name for p in (tmp_path / 'checkpoints').iterdir()]
  assert saved == ['10']


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

  fields = ('batch_size', 'pretrain.num_locations')
  with pytest.raises(errors.UserError) as caught:
    _train(tmp_path, 5, batches=fails, memory_fields=fields)
  assert str(caught.value).startswith(said)
  assert 'lower config.batch_size, config.pretrain.num_locations' in str(
      caught.value
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
  monkeypatch.setattr(parallel, 'local_devices', lambda: devices)
  traces = []
  mapped = parallel.parallelize

  def guarded(step, on):
    inner = mapped(step, on)

    def call(*args):
      with jax.transfer_guard('disallow'):
        return inner(*args)

    return call

  monkeypatch.setattr(parallel, 'parallelize', guarded)
  for name in ('pretrain', 'discover'):
    plain = getattr(objectives, name)

    def counted(*args, plain=plain, name=name, **kwargs):
      traces.append(name)
      return plain(*args, **kwargs)

    monkeypatch.setattr(objectives, name, counted)
  config = signer.get_config('tiny')
  config.batch_size = 8
  images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
  first, second = (
      checkpoints.StageFolder(tmp_path / n) for n in ('pretrain', 'discover')
  )
  stages.pretrain(config, images, first, num_epochs=6)
  assert traces == ['pretrain']
  features = first.load_variables()['features']
  stages.discover(
      config, images, second, title='discover', features=features,
      train_features=True, num_epochs=6,
  )  # fmt: skip
  assert traces == ['pretrain', 'discover']
  assert json.loads((second.path / 'done.json').read_text())['steps'] == 12
