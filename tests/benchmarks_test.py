"""The benchmarks at a tiny size, as a user runs them."""

import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from eqlandmarks import _convolutions

ROOT = pathlib.Path(__file__).parent.parent
TINY = '--config=configs/signer.py:tiny'


def _start(script, *arguments):
  environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
  environment.pop('XLA_FLAGS', None)  # its eight devices are not for scripts
  return subprocess.run(
      [sys.executable, f'benchmarks/{script}.py', *arguments],
      cwd=ROOT, env=environment, capture_output=True, text=True,
  )  # fmt: skip


def _run(script, *arguments):
  """What it prints above the last line, and that line's object."""
  done = _start(script, *arguments, '--json')
  assert done.returncode == 0, done.stderr
  *lines, last = done.stdout.splitlines()
  return '\n'.join(lines), json.loads(last)


@pytest.mark.slow
def test_step_in_parts_and_traced(tmp_path):
  text, found = _run(
      'step', TINY, '--repeats=2', f'--profile={tmp_path}', '--stage=stage1',
      '--stage=stage2',
  )  # fmt: skip
  assert 'the operations that take longest' in text
  assert list(tmp_path.rglob('*.trace.json.gz'))
  assert found['peak_gflop_per_second'] > 0
  for stage in ('stage1', 'stage2'):
    parts = found[stage]['parts']
    assert set(parts) == {
        'augment', 'forward', 'backward', 'loss', 'update', 'whole',
        'all but the nets',
    }  # fmt: skip
    for name in ('augment', 'forward', 'backward', 'loss', 'update'):
      assert 0 < parts[name]['gflop'] < parts['whole']['gflop'], name
    # The parts are all there is: the compiler counts nothing twice.
    summed = sum(
        parts[name]['gflop']
        for name in ('augment', 'forward', 'backward', 'loss', 'update')
    )
    assert summed == pytest.approx(parts['whole']['gflop'], rel=0.1)


@pytest.mark.slow
def test_eight_devices_do_what_one_does():
  text, found = _run('devices', TINY, '--counts=1,8')
  assert text.count('to one device') == 3
  assert len(found['cases']) == 3
  for case, by_count in found['cases'].items():
    one, eight = by_count['1'], by_count['8']
    assert one['loss_difference'] == one['parameter_difference'] == 0
    assert 0 < eight['points_used'] < 1, case  # some are masked
    # Of rounding in float32; tests/training/step_test.py compares in float64.
    assert eight['gradient_difference'] < 1e-2, case


@pytest.mark.slow
def test_loss_memory():
  text, found = _run(
      'loss_memory', '--num_correspondences=2048', '--plain=256,512',
      '--block_size=64', '--pairs=1',
  )  # fmt: skip
  assert '2,048' in text
  assert found['num_correspondences'] == 2048
  assert 0 <= found['relative_error'] < 1e-3  # of rounding in float32
  assert found['time_ratio_to_plain'] > 0
  # Of 64 MiB of similarities, which are never held.
  assert 0 < found['peak_mib_above_inputs'] < 64
  assert set(found['plain']) == {'256', '512'}


@pytest.mark.slow
def test_a_killed_run_comes_to_the_same_end():
  text, found = _run('kills', '--kills=2', '--terms=0', '--epochs=2')
  assert 'SIGKILL' in text
  assert found['faults'] == []
  assert found['SIGKILL']['all']['kills'] == 2


@pytest.mark.slow
def test_a_damaged_run_comes_to_the_same_end():
  text, found = _run('damage', '--cuts=1', '--flips=1', '--tmpfs_kib=')
  assert 'named, same end' in text
  for kind in ('cut', 'flipped'):
    assert [case['wrong'] for case in found[kind]] == ['']


@pytest.mark.slow
def test_a_long_run_is_sampled():
  # So few steps are all warm-up: no bound would be of any use.
  text, found = _run('endurance', '--steps=400', '--most_kib=1e9')
  assert 'open files' in text
  assert found['checkpoints'] > 1
  assert found['files_second_least'] <= found['files_first_least']


_PEERS = all(importlib.util.find_spec(name) for name in ('torch', 'kornia'))


@pytest.mark.slow
@pytest.mark.skipif(not _PEERS, reason='needs the extra torch')
@pytest.mark.parametrize('negatives', ['batch', 'image'])
def test_against_torch(negatives):
  text, found = _run(
      'against_torch', TINY, f'--config.pretrain.negatives={negatives}',
      '--pairs=1', '--seconds=0.01',
  )  # fmt: skip
  assert 'stage1' in text
  assert (found['size'], found['batch_size']) == (32, 8)
  for name in ('stage1', 'stage2', 'features_gradient'):
    assert found[f'ratio_{name}'] > 0


@pytest.mark.skipif(_PEERS, reason='for where the extra torch is missing')
def test_names_the_packages_that_are_missing():
  done = _start('against_torch', TINY)
  assert done.returncode == 2
  assert done.stderr.startswith('error: found no ')
  assert 'pip install torch kornia' in done.stderr
  assert done.stderr.count('\n') == 1


def test_names_a_wrong_number_of_devices():
  done = _start('step', TINY, '--devices=3')
  assert done.returncode == 2
  assert done.stderr.splitlines() == [
      'error: --devices is 3, expected a divisor of the batch size, 8.'
  ]


def test_convolutions():
  text, found = _run('convolutions', '--size=4', '--images=2', '--pairs=1')
  # Three passes of eight layers, and the max-pool.
  assert len(found['ratios']) == 25
  assert min(found['ratios'].values()) > 0
  assert '16 to 16 channels, 3 x 3: gradient of the kernel' in text


def test_convolutions_of_an_odd_size_are_refused():
  done = _start('convolutions', '--size=5')
  assert done.returncode == 2
  assert done.stderr == 'error: --size is 5, expected an even number.\n'


def test_operations_by_hand(monkeypatch):
  monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
  timing = importlib.import_module('parts.timing')

  def both(x, kernel):
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
    each = lambda total, row: (total + jnp.sum(row @ row.T), None)
    return jax.lax.scan(each, 0.0, y.reshape(2, -1, 5))[0]

  x, kernel = jnp.ones((2, 8, 8, 4)), jnp.ones((3, 3, 4, 5))
  counted = timing.multiplications(jax.make_jaxpr(jax.jit(both))(x, kernel))
  # 9 taps of 4 channels for each output; two products of [64, 5] and [5, 64].
  assert counted == 2 * (2 * 8 * 8 * 5) * 9 * 4 + 2 * (2 * 64 * 64 * 5)


def test_operations_of_a_widened_kernel_are_those_of_the_given_one(monkeypatch):
  monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
  timing = importlib.import_module('parts.timing')
  x, kernel = jnp.ones((8, 1, 32, 32, 16)), jnp.ones((8, 3, 3, 16, 16))
  mapped = jax.pmap(_convolutions.convolve)
  compiled = mapped.lower(x, kernel).compile()
  counted = timing.flops(mapped, (x, kernel), compiled)
  # 9 taps of 16 channels on 8 devices, some of them beyond the edge, which the
  # compiler does not count. A kernel for two columns has 12 taps.
  expected = 8 * 2 * (32 * 32 * 16) * 9 * 16
  assert 0.9 * expected < counted < 1.02 * expected
