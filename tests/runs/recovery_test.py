"""Whole runs that are told to stop, and runs that keep their best state."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from configs import signer
from eqlandmarks.predictor import Predictor
from eqlandmarks.program import modes
from eqlandmarks.system import fingerprints
from eqlandmarks.training import stage_folder

ROOT = pathlib.Path(__file__).parent.parent.parent


def _start(workdir, *arguments):
  return subprocess.Popen(
      [
          sys.executable, 'main.py', '--config=configs/signer.py:tiny',
          f'--workdir={workdir}', '--config.pretrain.num_epochs=8',
          '--config.discover.num_epochs=8', *arguments,
      ],
      cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
  )  # fmt: skip


def _until(process, path):
  for _ in range(2400):
    if path.exists() or process.poll() is not None:
      return
    time.sleep(0.05)


@pytest.mark.slow
def test_sigterm_in_both_stages_loses_no_step(tmp_path):
  cut, whole = tmp_path / 'cut', tmp_path / 'whole'
  never = '--config.checkpoint.every_seconds=1e9'
  for stage in ('pretrain', 'two_stage'):
    process = _start(cut, never)
    _until(process, cut / stage / 'metrics.csv')
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 143, said
    (saved,) = (cut / stage / 'checkpoints').iterdir()
    assert f'SIGTERM: {stage} stops at step {saved.name}, which is' in said
    assert 'Traceback' not in said
    assert not (cut / stage / 'done.json').exists()
  for workdir in (cut, whole):
    process = _start(workdir)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
  for name in (
      'pretrain/metrics.csv', 'two_stage/metrics.csv', 'results.json'
  ):
    assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
  digests = [
      {name: each['sha256'] for name, each in json.loads(
          (workdir / 'run.json').read_text())['methods'].items()}
      for workdir in (cut, whole)
  ]  # fmt: skip
  assert digests[0] == digests[1]


@pytest.mark.slow
def test_sigterm_before_the_first_step(tmp_path):
  process = _start(tmp_path / 'w')
  _until(process, tmp_path / 'w/lock')  # the data are being prepared
  process.send_signal(signal.SIGTERM)
  _, said = process.communicate(timeout=300)
  assert process.returncode == 143
  assert said.endswith('interrupted: the same command resumes from here\n')
  assert 'Traceback' not in said


@pytest.mark.slow
def test_the_best_state_is_measured_and_used(tmp_path, monkeypatch):
  monkeypatch.setattr(jax, 'local_devices', lambda: jax.devices()[:2])
  config = signer.get_config('tiny')
  # The variance rises, and its first row is the lowest.
  config.discover.update(learning_rate=0.1, num_epochs=6)
  config.checkpoint.update(every_steps=1, keep=1, best='variance')
  config.evaluation.update(checkpoint='best', layers=(1,))
  modes.run(config, str(tmp_path), 'train')
  stage = stage_folder.StageFolder(tmp_path / 'two_stage')
  best = stage.summary()['best']
  assert best['metric'] == 'variance'
  assert 0 < best['step'] < stage.summary()['steps']
  # Stage 1 has no such metric.
  first = stage_folder.StageFolder(tmp_path / 'pretrain')
  assert first.summary()['best'] is None
  last, lowest = (
      fingerprints.of_parameters(stage.load_variables(which))
      for which in ('last', 'best')
  )
  assert last == stage.summary()['sha256'] != lowest
  assert Predictor.from_checkpoint(tmp_path).digest == lowest
  of_best = (tmp_path / 'results.json').read_text()
  config.evaluation.checkpoint = 'last'
  modes.run(config, str(tmp_path), 'evaluate')
  assert (tmp_path / 'results.json').read_text() != of_best
  assert Predictor.from_checkpoint(tmp_path).digest == last
