"""What the benchmarks of killed, damaged and long runs conclude."""

import importlib
import json
import pathlib
import random
import signal
import threading

import pytest

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def parts(monkeypatch):
  """Imports one of benchmarks/parts, as the scripts do."""
  monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
  return lambda name: importlib.import_module(f'parts.{name}')


def _fill(workdir, *, digest='a', loss='1.0'):
  """What a finished run leaves, as far as it is compared."""
  for stage in ('pretrain', 'two_stage'):
    (workdir / stage / 'checkpoints').mkdir(parents=True)
    (workdir / stage / 'done.json').write_text(json.dumps({'sha256': digest}))
    (workdir / stage / 'metrics.csv').write_text(f'step,loss\n10,{loss}\n')
  (workdir / 'results.json').write_text('[]\n')
  return workdir


def test_differences_are_named(tmp_path, parts):
  runs = parts('whole_runs')
  one = _fill(tmp_path / 'one')
  assert runs.differences(_fill(tmp_path / 'same'), one) == []
  assert runs.differences(_fill(tmp_path / 'other', digest='b'), one) == [
      'parameters of pretrain', 'parameters of two_stage',
  ]  # fmt: skip
  assert runs.differences(_fill(tmp_path / 'third', loss='1.00'), one) == [
      'pretrain/metrics.csv', 'two_stage/metrics.csv',
  ]  # fmt: skip
  # Nothing equals nothing, but it is no run that came to its end.
  assert len(runs.differences(tmp_path / 'none', tmp_path / 'none')) == 5


def test_the_last_whole_row_counts(tmp_path, parts):
  runs = parts('whole_runs')
  assert runs.logged_step(tmp_path, 'pretrain') == 0
  workdir = _fill(tmp_path / 'run')
  assert runs.logged_step(workdir, 'pretrain') == 10
  rows = ''.join(f'{10 * n},0.5\n' for n in range(1, 2001))
  path = workdir / 'pretrain/metrics.csv'
  path.write_text('step,loss\n' + rows + '20010,0.')
  assert runs.logged_step(workdir, 'pretrain') == 20_000


_LOG = 'T --mode=train begins\nT pretrain begins: 20 epochs\n'


@pytest.mark.parametrize(
    ('log', 'stage'),
    [
        ('', 'start-up'),
        ('T --mode=train begins\n', 'start-up'),
        (_LOG, 'pretrain'),
        (_LOG + 'T pretrain resumes from step 10\n', 'pretrain'),
        (_LOG + 'T two_stage begins: 20 epochs\n', 'two_stage'),
        (_LOG + 'T evaluating two_stage\n', 'evaluation'),
        ('T two_stage is done already\n', 'evaluation'),
    ],
)
def test_where_a_signal_came(parts, log, stage):
  assert parts('kill_notes').stage_of(log) == stage


def test_from_where_the_next_process_goes_on(parts):
  goes_on = parts('kill_notes').goes_on
  assert goes_on(_LOG + 'T pretrain resumes from step 40', 'pretrain', 50,
                 saved=True) == 40  # fmt: skip
  # It was killed before it had read the checkpoint, or had none to read.
  assert goes_on(_LOG, 'pretrain', 50, saved=True) is None
  assert goes_on(_LOG, 'pretrain', 50, saved=False) == 0
  assert goes_on('', 'pretrain', 50, saved=False) is None
  done = 'T stage 1 (pretrain) is done already\n'
  assert goes_on(done, 'pretrain', 50, saved=True) == 50
  assert goes_on(done, 'two_stage', 50, saved=True) is None


def test_steps_lost_are_found_in_a_later_process(tmp_path, parts):
  notes = parts('kill_notes').Notes(tmp_path)
  log, said = tmp_path / 'log.txt', tmp_path / 'said'
  said.write_text('\rpretrain:   3%|▎         | 80/2560 [00:00<00:12, 5 ima')
  notes.before()
  log.write_text(_LOG + 'T SIGTERM: pretrain stops at step 9, which is saved\n')
  kill = notes.killed(signal.SIGTERM, 143, 0.1, said)
  assert (kill.stage, kill.reached, kill.goes_on) == ('pretrain', 10, None)
  (tmp_path / 'pretrain/checkpoints/9').mkdir(parents=True)
  notes.before()
  log.write_text(log.read_text() + 'T --mode=train begins\n')
  assert notes.killed(signal.SIGTERM, -15, 0.1, said).stage == 'start-up'
  assert kill.goes_on is None
  notes.before()
  log.write_text(log.read_text() + _LOG + 'T pretrain resumes from step 9\n')
  notes.after()
  assert (kill.goes_on, kill.lost) == (9, 1)
  assert '1 steps lost' in parts('kill_notes').fault(kill)


@pytest.mark.parametrize(
    ('sent', 'code', 'stage', 'passes'),
    [
        ('SIGTERM', 143, 'two_stage', True),
        ('SIGTERM', 143, 'start-up', True),
        ('SIGTERM', -15, 'start-up', True),
        ('SIGTERM', -15, 'two_stage', False),
        ('SIGTERM', 2, 'evaluation', False),
        ('SIGKILL', -9, 'two_stage', True),
    ],
)
def test_exit_codes(parts, sent, code, stage, passes):
  notes = parts('kill_notes')
  kill = notes.Kill(signal.Signals[sent], code, stage, 10, 0.1, goes_on=10)
  assert (notes.fault(kill) is None) == passes


@pytest.mark.parametrize('kind', ['cut', 'flipped'])
def test_damage_changes_one_file(tmp_path, parts, kind):
  damages = parts('damages')
  (tmp_path / '10/state').mkdir(parents=True)
  before = {'seal.json': b'{"files": 1}', 'state/d': bytes(range(256))}
  for name, content in before.items():
    (tmp_path / '10' / name).write_bytes(content)
  (tmp_path / '10/empty').touch()  # nothing can be cut from it
  for seed in range(20):
    name, _ = damages.damage(tmp_path / '10', kind, random.Random(seed))
    path = tmp_path / '10' / name
    found = path.read_bytes()
    assert found != before[name]
    assert (len(found) < len(before[name])) == (kind == 'cut')
    path.write_bytes(before[name])


def test_the_damaged_file_must_be_named(parts):
  is_named = parts('damages').is_named
  place = pathlib.Path('/x/two_stage/checkpoints/40')
  log = 'T /y/two_stage/checkpoints/40 is damaged: state/d has 3 bytes, exp'
  assert is_named(log, place, 'state/d')
  assert not is_named(log, place, 'state')
  assert not is_named(log, place.with_name('30'), 'state/d')


def test_the_end_on_a_full_disk(parts):
  fault = parts('full_disks').fault
  line = 'error: /t/run/lock: cannot be written'
  assert fault(2, f'pretrain: 3%\r{line}\n') == []
  assert fault(1, line) == ['exit code 1, expected 2']
  assert len(fault(2, f'Traceback (most recent call last):\n{line}')) == 1
  assert len(fault(2, f'{line}\n{line}')) == 1
  assert len(fault(1, 'Traceback')) == 3
  assert parts('full_disks').full_at(line) == 'lock'


def _samples(kib, files):
  return [(100 * n, kib(n), files(n), 40) for n in range(200)]


def test_growth_is_found(parts):
  sampling = parts('sampling')
  # 3 KiB a sample of 100 steps; checkpoints open some files for a while.
  rows = _samples(lambda n: 1000 + 3 * n, lambda n: 9 + 5 * (n % 3 == 0))
  found = sampling.summary(rows)
  assert found['kib_per_1000_steps'] == pytest.approx(30)
  assert found['files_second_least'] == 9
  assert sampling.faults(found, 31) == []
  assert len(sampling.faults(found, 29)) == 1
  # What is only there at the start, and what a leak looks like.
  rows = _samples(lambda n: 1000, lambda n: 9 if n < 3 else 12)
  assert sampling.faults(sampling.summary(rows), 1) == []
  rows = _samples(lambda n: 1000, lambda n: 9 + n // 10)
  assert sampling.faults(sampling.summary(rows), 1) == [
      'files: 11 at first, 20 later'
  ]
  assert [row[0] for row in sampling.thinned(rows, 3)] == [0, 10_000, 19_900]


def test_the_sampler_looks_every_so_many_steps(parts):
  steps, ended = iter(range(1000)), threading.Event()

  def step():
    number = next(steps)
    if number == 4:
      ended.set()
    return number

  with parts('sampling').Sampler(step, 2) as sampler:
    assert ended.wait(60)
  assert [row[0] for row in sampler.samples][:2] == [0, 2]
  assert all(min(row[1:]) > 0 for row in sampler.samples)
