"""The benchmarks at a tiny size, as a user runs them, and their conclusions."""

import importlib
import importlib.util
import json
import os
import pathlib
import random
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from absl import flags

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


def _speed(script, *arguments):
  """What it prints above the last line, and that line's object."""
  done = _start(f'speed/{script}', *arguments, '--json')
  assert done.returncode == 0, done.stderr
  *lines, last = done.stdout.splitlines()
  return '\n'.join(lines), json.loads(last)


@pytest.fixture
def load(monkeypatch):
  """Imports a module beside the scripts of a folder, as they do."""

  def load(folder, name):
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks' / folder))
    module = importlib.import_module(name)
    for flag in flags.FLAGS.get_flags_for_module(name):
      delattr(flags.FLAGS, flag.name)  # two scripts may have the same
    return module

  return load


@pytest.mark.slow
def test_step_in_parts_and_traced(tmp_path):
  text, figures = _speed(
      'step', TINY, '--repeats=2', f'--profile={tmp_path}', '--stage=stage1',
      '--stage=stage2',
  )  # fmt: skip
  assert 'the operations that take longest' in text
  assert list(tmp_path.rglob('*.trace.json.gz'))
  assert figures['peak_gflop_per_second'] > 0
  for stage in ('stage1', 'stage2'):
    parts = figures[stage]['parts']
    assert set(parts) == {
        'augment', 'forward', 'backward', 'losses, update', 'whole',
        'all but the nets',
    }  # fmt: skip
    for name in ('augment', 'forward', 'backward'):
      assert 0 < parts[name]['gflop'] < parts['whole']['gflop'], name


@pytest.mark.slow
def test_growth():
  text, figures = _speed(
      'growth', TINY, '--repeats=1', '--what=num_landmarks'
  )
  assert 'ms per step, by num_landmarks' in text
  times = figures['num_landmarks']['stage2']
  assert [*times] == ['10', '20', '40', '80'] and min(times.values()) > 0


@pytest.mark.slow
def test_loss_memory():
  text, figures = _speed(
      'loss_memory', '--num_correspondences=2048', '--plain=256,512',
      '--block_size=64', '--pairs=1',
  )  # fmt: skip
  assert '2,048' in text
  assert set(figures) == {'256', '512', '2048'}
  assert 0 <= figures['512']['error'] < 1e-3  # of rounding in float32
  # Of 64 MiB of similarities, which are never held.
  assert 0 < figures['2048']['mib'] < 64


@pytest.mark.slow
def test_loader(tmp_path):
  text, figures = _speed(
      'loader', f'--folder={tmp_path}', '--images=64', '--size=16',
      '--repeats=1',
  )  # fmt: skip
  assert 'disk, cold' in text
  assert min(figures['images_per_second'].values()) > 0


@pytest.mark.slow
def test_group_norm():
  _, figures = _speed('group_norm', TINY, '--pairs=1')
  assert figures['ratio'] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ('script', 'arguments', 'text'),
    [
        ('kills', ('--kills=2', '--terms=0', '--epochs=2'), 'SIGKILL'),
        ('damage', ('--cuts=1', '--flips=1', '--tmpfs_kib='), 'same end'),
        # So few steps are all warm-up: no bound would be of any use.
        ('endurance', ('--steps=400', '--most_kib=1e9'), 'open files'),
    ],
)
def test_robustness(script, arguments, text):
  done = _start(f'robustness/{script}', *arguments)
  assert done.returncode == 0, (done.stdout, done.stderr)
  assert text in done.stdout


_PEERS = all(importlib.util.find_spec(name) for name in ('torch', 'kornia'))


@pytest.mark.slow
@pytest.mark.skipif(not _PEERS, reason='needs the extra torch')
@pytest.mark.parametrize('negatives', ['batch', 'image'])
def test_against_torch(negatives):
  text, figures = _speed(
      'against_torch', TINY, f'--config.pretrain.negatives={negatives}',
      '--pairs=1', '--seconds=0.01',
  )  # fmt: skip
  assert 'stage1' in text
  assert (figures['size'], figures['batch_size']) == (32, 8)
  assert set(figures['ratios']) == {'stage1', 'stage2', 'features_gradient'}
  assert min(figures['ratios'].values()) > 0


@pytest.mark.slow
@pytest.mark.skipif(_PEERS, reason='for where the extra torch is missing')
def test_names_the_packages_that_are_missing():
  done = _start('speed/against_torch', TINY)
  assert done.returncode == 2
  assert done.stderr.startswith('error: found no ')
  assert 'pip install torch kornia' in done.stderr
  assert done.stderr.count('\n') == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ('script', 'arguments', 'message'),
    [
        ('step', (TINY, '--devices=3'),
         '--devices is 3, expected a divisor of the batch size, 8.'),
        ('convolutions', ('--size=5',),
         '--size is 5, expected an even number.'),
    ],
)  # fmt: skip
def test_wrong_flags_are_named(script, arguments, message):
  done = _start(f'speed/{script}', *arguments)
  assert done.returncode == 2
  assert done.stderr == f'error: {message}\n'


@pytest.mark.slow
def test_convolutions():
  text, figures = _speed('convolutions', '--size=4', '--images=2', '--pairs=1')
  # Three passes of eight layers, and the max-pool.
  assert len(figures['ratios']) == 25
  assert min(figures['ratios'].values()) > 0
  assert '16 to 16 channels, 3 x 3: gradient of the kernel' in text


def test_operations_by_hand(load):
  timing = load('speed', 'shared.timing')

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


def test_operations_of_a_widened_kernel_are_those_of_the_given_one(load):
  x, kernel = jnp.ones((8, 1, 32, 32, 16)), jnp.ones((8, 3, 3, 16, 16))
  mapped = jax.pmap(_convolutions.convolve)
  # 9 taps of 16 channels on 8 devices; a kernel for two columns has 12 taps.
  expected = 8 * 2 * (32 * 32 * 16) * 9 * 16
  assert load('speed', 'shared.timing').flops(mapped, x, kernel) == expected


def _fill(workdir, *, digest='a', loss='1.0'):
  """What a finished run leaves, as far as it is compared."""
  for stage in ('pretrain', 'two_stage'):
    (workdir / stage).mkdir(parents=True)
    (workdir / stage / 'done.json').write_text(json.dumps({'sha256': digest}))
    (workdir / stage / 'metrics.csv').write_text(f'step,loss\n10,{loss}\n')
  (workdir / 'results.json').write_text('[]\n')
  return workdir


def test_differences_between_runs_are_named(tmp_path, load):
  differences = load('robustness', 'whole_runs').differences
  one = _fill(tmp_path / 'one')
  assert differences(_fill(tmp_path / 'same'), one) == []
  assert differences(_fill(tmp_path / 'other', digest='b'), one) == [
      'parameters of pretrain differs', 'parameters of two_stage differs',
  ]  # fmt: skip
  assert differences(_fill(tmp_path / 'third', loss='1.00'), one) == [
      'pretrain/metrics.csv differs', 'two_stage/metrics.csv differs',
  ]  # fmt: skip
  # Nothing equals nothing, but it is no run that came to its end.
  assert len(differences(tmp_path / 'none', tmp_path / 'none')) == 5


@pytest.mark.parametrize(
    ('log', 'saved', 'lost'),
    [
        ('pretrain begins', 10, 0),
        ('pretrain begins\nSIGTERM: pretrain stops at step 12, saved', 12, 0),
        ('pretrain begins\nSIGTERM: pretrain stops at step 12, saved', 9, 3),
        ('pretrain begins', None, 10),
    ],
)
def test_steps_that_a_kill_costs(tmp_path, load, log, saved, lost):
  kills = load('robustness', 'kills')
  workdir = _fill(tmp_path / 'run')
  assert kills.lost_steps(workdir, 'pretrain', log) == 0  # it is done
  (workdir / 'pretrain/done.json').unlink()
  if saved:
    seal = workdir / f'pretrain/checkpoints/{saved}/seal.json'
    seal.parent.mkdir(parents=True)
    seal.touch()
  assert kills.lost_steps(workdir, 'pretrain', log) == lost


@pytest.mark.parametrize('kind', ['cut', 'flipped'])
def test_damage_changes_one_file(tmp_path, load, kind):
  damage = load('robustness', 'damage').damage
  (tmp_path / '10/state').mkdir(parents=True)
  before = {'seal.json': b'{"files": 1}', 'state/d': bytes(range(256))}
  for name, content in before.items():
    (tmp_path / '10' / name).write_bytes(content)
  (tmp_path / '10/empty').touch()  # nothing can be cut from it
  for seed in range(20):
    name, _ = damage(tmp_path / '10', kind, random.Random(seed))
    path = tmp_path / '10' / name
    after = path.read_bytes()
    assert after != before[name]
    assert (len(after) < len(before[name])) == (kind == 'cut')
    path.write_bytes(before[name])


def test_the_end_on_a_full_disk(load):
  fault = load('robustness', 'damage').disk_fault
  line = 'error: /t/run/lock: cannot be written'
  assert fault(2, f'pretrain: 3%\r{line}\n') == []
  assert fault(1, line) == ['exit code 1, expected 2']
  assert len(fault(2, f'Traceback (most recent call last):\n{line}')) == 1
  assert len(fault(2, f'{line}\n{line}')) == 1
  assert len(fault(1, 'Traceback')) == 2


def test_growth_of_memory_and_files_is_told(load):
  grown = load('robustness', 'endurance').grown

  def samples(kib, files):
    return [(100 * n, kib(n), files(n), 40) for n in range(200)]

  # 3 KiB a sample of 100 steps; checkpoints open some files for a while.
  rows = samples(lambda n: 1000 + 3 * n, lambda n: 9 + 5 * (n % 3 == 0))
  assert grown(rows, 31) == (pytest.approx(30), [])
  assert len(grown(rows, 29)[1]) == 1
  # What is only there at the start, and what a leak looks like.
  rows = samples(lambda n: 1000, lambda n: 9 if n < 3 else 12)
  assert grown(rows, 1)[1] == []
  rows = samples(lambda n: 1000, lambda n: 9 + n // 10)
  assert grown(rows, 1)[1] == ['open files: 11 at first, 20 later']
