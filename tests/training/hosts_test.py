"""Several processes: the numbers of one, and what happens to a lost one."""

import contextlib
import json
import os
import pathlib
import pickle
import signal
import socket
import subprocess
import sys
import time

import double
import jax
import numpy as np
import pytest

from eqlandmarks import errors
from eqlandmarks.training import devices as devices_lib
from eqlandmarks.training import hosts
from eqlandmarks.training import peers

ROOT = pathlib.Path(__file__).parent.parent.parent

# main.py on a machine that seems to have so many cores: one device for each.
_MAIN = """
import os, runpy, sys
os.sched_getaffinity = lambda _: range({cores})
sys.argv = ['main.py', *{arguments}]
runpy.run_path('main.py', run_name='__main__')
"""


def _start(workdir, cores, *arguments):
  arguments = [
      '--config=configs/signer.py:tiny', f'--workdir={workdir}',
      '--config.batch_size=8', '--mode=pretrain', *arguments,
  ]  # fmt: skip
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  return subprocess.Popen(
      [sys.executable, '-c', _MAIN.format(cores=cores, arguments=arguments)],
      cwd=ROOT, env=environment, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
  )  # fmt: skip


def _free_port():
  with socket.create_server(('', 0)) as free:
    return free.getsockname()[1]


def _start_two(workdir, *arguments):
  port = _free_port()
  arguments += f'--coordinator_address=127.0.0.1:{port}', '--num_processes=2'
  return [
      _start(workdir, 2, *arguments, f'--process_id={number}')
      for number in range(2)
  ]


def _end_well(processes):
  for process in processes:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def _digest(workdir):
  run = json.loads((workdir / 'run.json').read_text())
  return run['methods']['pretrain']['sha256']


# Ten steps of both stages in float64, by plain gradient descent: Adam divides a
# gradient by its own size, and so makes whole steps of the rounding where it is
# zero.
_STEPS = """
import pickle, sys
import jax, optax
number, count, port, out = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
jax.config.update('jax_num_cpu_devices', 4 // count)
from eqlandmarks.training import hosts
from eqlandmarks.training import devices
sys.path[:0] = ['tests', 'tests/training']
import step_test
if count > 1:
  hosts.join(False, 'localhost:' + port, count, int(number))
mine, found = devices.local_devices(), {}
for name, rate in ('pretrain', 1e-5), ('discover', 1e-6):
  step, state = step_test._build(step_test._config(), name, optax.sgd(rate))
  mapped = devices.parallelize(step, devices.all_devices())
  before = jax.device_get(state.params)
  state, key = devices.replicate((state, jax.random.key(1)), mine)
  rows = 8 // count
  images = step_test._images()[rows * int(number):][:rows]
  images = images.reshape(len(mine), -1, *images.shape[1:])
  for _ in range(10):
    state, metrics = mapped(state, devices.share(images, mine), key)
  after = jax.device_get(state.params)
  found[name] = jax.device_get(metrics), before, after
hosts.finish()
if hosts.is_first():
  pickle.dump(found, open(out, 'wb'))
"""


@pytest.mark.slow
def test_two_processes_with_two_devices_are_one_with_four(tmp_path):
  found = []
  for count in (1, 2):
    port, out = str(_free_port()), tmp_path / str(count)
    environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
    environment['JAX_ENABLE_X64'] = '1'
    _end_well([
        subprocess.Popen(
            [sys.executable, '-c', _STEPS, str(i), str(count), port, str(out)],
            cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for i in range(count)
    ])  # fmt: skip
    found.append(pickle.loads(out.read_bytes()))
  for name in ('pretrain', 'discover'):
    (one, before, after), (two, _, other) = (each[name] for each in found)
    for metric in one:
      np.testing.assert_allclose(one[metric], two[metric], rtol=1e-9)
    moved = double.apart(after, before)
    assert moved > 0.0
    assert double.apart(after, other) <= 1e-9 * moved


@pytest.mark.slow
@pytest.mark.parametrize('victim', [1, 0])
def test_a_killed_process_ends_the_other_and_the_run_goes_on(tmp_path, victim):
  long = '--config.pretrain.num_epochs=8'
  processes = _start_two(
      tmp_path / 'cut', long, '--config.checkpoint.every_seconds=0'
  )
  saved = tmp_path / 'cut/pretrain/checkpoints/20/seal.json'
  for _ in range(600):
    if saved.exists() or processes[0].poll() is not None:
      break
    time.sleep(0.1)
  processes[victim].send_signal(signal.SIGKILL)
  killed = time.monotonic()
  _, said = processes[1 - victim].communicate(timeout=60)
  assert time.monotonic() - killed < 30
  processes[victim].communicate()
  assert processes[1 - victim].returncode != 0
  assert f'error: process {victim} of 2' in said
  # The end of process 0 takes JAX's coordinator away: it has its say, too.
  if victim == 1:
    assert said.count('error: ') == 1, said
    assert said.strip().splitlines()[-1].startswith('error: process 1 of 2')
  assert not (tmp_path / 'cut/pretrain/done.json').exists()
  _end_well(_start_two(tmp_path / 'cut', long))
  _end_well(_start_two(tmp_path / 'whole', long))
  assert _digest(tmp_path / 'cut') == _digest(tmp_path / 'whole')
  cut, whole = (
      (tmp_path / name / 'pretrain/metrics.csv').read_bytes()
      for name in ('cut', 'whole')
  )
  assert cut == whole


@pytest.mark.slow
@pytest.mark.parametrize('told', [[0], [1], [0, 1]])
def test_all_stop_together_when_any_is_told_to(tmp_path, told):
  long = '--config.pretrain.num_epochs=8'
  cut = tmp_path / 'cut'
  processes = _start_two(cut, long, '--config.checkpoint.every_seconds=1e9')
  for _ in range(1200):
    if (cut / 'pretrain/metrics.csv').exists() or processes[0].poll():
      break
    time.sleep(0.05)
  for number in told:
    processes[number].send_signal(signal.SIGTERM)
  ends = [process.communicate(timeout=120) for process in processes]
  assert [process.returncode for process in processes] == [143, 143], ends
  (saved,) = (cut / 'pretrain/checkpoints').iterdir()
  said = ends[0][1]
  assert f'SIGTERM: pretrain stops at step {saved.name}, which is saved' in said
  assert 'error' not in ''.join(err for _, err in ends)
  _end_well(_start_two(cut, long))
  log = (cut / 'log.txt').read_text()
  assert f'pretrain resumes from step {saved.name}' in log
  _end_well(_start_two(tmp_path / 'whole', long))
  assert _digest(cut) == _digest(tmp_path / 'whole')


@pytest.mark.slow
def test_what_is_not_finite_ends_all_with_the_same_line(tmp_path):
  # Process 0 alone saves at each log step, and looks at the metrics for that.
  processes = _start_two(
      tmp_path, '--config.checkpoint.every_seconds=0',
      '--config.pretrain.num_epochs=8', '--config.pretrain.learning_rate=1e18',
  )  # fmt: skip
  ends = [process.communicate(timeout=120)[1] for process in processes]
  assert 'error: pretrain: update_norm is inf at step 1, in the opti' in ends[0]
  assert 2 in [process.returncode for process in processes], ends
  assert 0 not in [process.returncode for process in processes]


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other(tmp_path):
  one, other = _start_two(tmp_path, '--config.dataset.num_train=4')
  _, first = one.communicate(timeout=120)
  _, second = other.communicate(timeout=60)
  assert (one.returncode, other.returncode) == (2, 1)
  assert 'config.batch_size is 8, but the training images are only 4' in first
  assert second.strip().startswith('error: process 0 of 2')
  assert len(second.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ((False, 'a:1', None, 0), '--num_processes is missing'),
        ((False, None, 2, 0), '--coordinator_address is missing'),
        ((False, 'a', 2, 0), "--coordinator_address is 'a', expected HOST"),
        ((False, 'a:1', 2, 2), '--process_id is 2, expected a number from 0'),
        ((True, 'a:1', 2, 1), '--distributed asks JAX to find'),
    ],
)
def test_flags_that_do_not_say_who_joins_whom(arguments, said):
  with pytest.raises(errors.UserError) as caught:
    hosts.join(*arguments)
  assert said in str(caught.value)


def test_others_are_not_waited_for_in_silence(monkeypatch):
  said = []
  monkeypatch.setattr(hosts, '_PATIENCE', 0.01)
  monkeypatch.setattr(hosts.journal, 'say', said.append)
  with hosts._announced('a:1'):
    _until(lambda: said)
  assert said == [
      'waiting for the other processes, at a:1, for 5 minutes at most'
  ]


_JOIN = """
import os, sys, time
import jax
from eqlandmarks.training import hosts
number = int(sys.argv[1])
hosts.join(False, 'localhost:' + sys.argv[2], 2, number)
if number == 1:
  os._exit(9)
print('joined', flush=True)
jax.devices()  # which waits for all processes
"""


@pytest.mark.slow
def test_one_that_dies_before_devices_are_looked_for_is_missed():
  port = str(_free_port())
  first, second = (
      subprocess.Popen(
          [sys.executable, '-c', _JOIN, str(number), port],
          cwd=ROOT, text=True, env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      )
      for number in range(2)
  )  # fmt: skip
  out, said = first.communicate(timeout=60)
  second.communicate()
  assert (first.returncode, out) == (1, 'joined\n')
  (line,) = said.strip().splitlines()
  assert line.startswith('error: process 1 of 2 (on ') and 'is gone' in line


def test_one_process_needs_nobody():
  hosts.join(False, None, None, None)
  assert hosts.is_first()
  assert hosts.agreed(False) is False
  hosts.wait()
  hosts.finish()
  with pytest.raises(SystemExit) as caught:
    hosts.leave(2)
  assert caught.value.code == 2


class _Device:

  def __init__(self, process_index):
    self.process_index = process_index


@pytest.mark.parametrize(
    ('owners', 'batch_size', 'said'),
    [
        ([0, 0, 1, 1], 6, 'a multiple of 4, the number of devices of 2'),
        ([0, 0, 1], 6, r'the processes have \[2, 1\] devices'),
        ([0, 1, 2], 2, 'batch_size is 2, but there are 3 processes'),
        ([0, 0, 0], 4, r'expected a multiple of 3, the number of devices\.'),
    ],
)
def test_a_batch_that_cannot_be_spread(monkeypatch, owners, batch_size, said):
  devices = [_Device(owner) for owner in owners]
  monkeypatch.setattr(devices_lib, 'all_devices', lambda: devices)
  monkeypatch.setattr(jax, 'process_count', lambda: max(owners) + 1)
  with pytest.raises(errors.UserError, match=said):
    hosts.check_devices(batch_size, accumulate=1)


@pytest.fixture
def pair(monkeypatch):
  """Both ends of a run of two processes, and who was missed by which."""
  missed = []
  monkeypatch.setattr(
      peers.Watch, '_stop', lambda self, gone: missed.append((self, gone))
  )
  server = peers.Server(2)
  client = peers.connect(server.address, 1, 2, host='127.0.0.1')
  _until(lambda: server._peers)
  yield server, client, missed
  for end in (server, client):  # nobody is left to be missed in another test
    threads = list(end._peers.values())
    _close(end)
    for thread in threads:
      thread.join(5.0)


def _until(true):
  for _ in range(200):
    if true():
      return
    time.sleep(0.02)
  raise AssertionError('nothing happened')


def _close(end):
  for peer in list(end._peers):
    with contextlib.suppress(OSError):  # it may be closed
      peer.shutdown(socket.SHUT_RDWR)  # as the system does for a dead process


def test_a_process_that_dies_is_missed(pair):
  server, client, missed = pair
  _close(client)
  _until(lambda: any(end is server for end, _ in missed))
  (gone,) = (gone for end, gone in missed if end is server)
  assert gone.startswith('process 1 of 2 (on ')


def test_a_process_that_ends_well_is_not_missed(pair):
  server, client, missed = pair
  client.finish()
  server.finish()
  for end in pair[:2]:
    for thread in list(end._peers.values()):
      thread.join(5.0)
      assert not thread.is_alive()
  assert missed == []


def test_a_process_that_leaves_is_named(pair):
  server, client, missed = pair
  server.leave()
  _until(lambda: missed)
  assert missed[0] == (client, server._me)


def test_a_stranger_is_not_taken_for_a_process(pair):
  del pair
  server = peers.Server(2)
  host, port, _ = server.address.split()
  peers.connect(f'{host} {port} wrong', 1, 2, host='127.0.0.1')
  client = peers.connect(server.address, 1, 2, host='127.0.0.1')
  _until(lambda: server._peers)
  (stays,) = server._peers
  (own,) = client._peers
  assert stays.getpeername() == own.getsockname()
