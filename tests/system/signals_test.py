"""Signals: the first is answered with care, the second ends the process."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

# Says what happens in lines, after which the test sends signals.
_START = """
import signal, sys, time
from eqlandmarks.system import signals

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may be under `nohup`

def say(word):
  print(word, flush=True)

def wait():
  for _ in range(3000):
    time.sleep(0.01)

def run():
"""
_END = """
try:
  with signals.handled():
    run()
except signals.Interrupted as error:
  say(f'raised {error}')
  sys.exit(error.code)
"""


def _start(body):
  lines = ''.join(f'  {line}\n' for line in body.strip().splitlines())
  return subprocess.Popen(
      [sys.executable, '-c', _START + lines + _END],
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
  )  # fmt: skip


def _end(process):
  out, err = process.communicate(timeout=60)
  return process.returncode, out.split('\n')[:-1], err


@pytest.mark.parametrize(
    'number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
)
def test_the_first_signal_raises(number):
  process = _start("say('on')\nwait()")
  process.stdout.readline()
  process.send_signal(number)
  code, out, err = _end(process)
  assert (code, out) == (128 + number, [f'raised {number.name}'])
  # Said where the process has the time to.
  assert err in ('', f'\n{number.name}: stopping; once more to stop at once\n')


def test_within_a_deferred_block_it_is_asked_for():
  process = _start("""
with signals.deferred() as asked:
  say(asked())
  while not asked():
    time.sleep(0.01)
  say(asked())
  say('saved')
say('not reached')
""")
  process.stdout.readline()
  process.send_signal(signal.SIGTERM)
  code, out, _ = _end(process)
  assert (code, out) == (143, ['15', 'saved', 'raised SIGTERM'])


def test_deferred_blocks_within_each_other():
  process = _start("""
with signals.deferred():
  with signals.deferred() as asked:
    say('on')
    while not asked():
      time.sleep(0.01)
  say('inner')
say('not reached')
""")
  process.stdout.readline()
  process.send_signal(signal.SIGINT)
  assert _end(process)[:2] == (130, ['inner', 'raised SIGINT'])


def test_an_error_of_the_block_is_not_replaced():
  process = _start("""
try:
  with signals.deferred() as asked:
    say('on')
    while not asked():
      time.sleep(0.01)
    raise ValueError('mine')
except ValueError:
  say('caught')
""")
  process.stdout.readline()
  process.send_signal(signal.SIGTERM)
  code, out, _ = _end(process)
  assert (code, out) == (0, ['caught'])


def test_the_second_signal_ends_even_what_python_cannot_interrupt():
  # A lock that the main thread waits for in C runs no handler of Python's.
  process = _start("""
import numpy as np
with signals.deferred():
  say('on')
  large = np.ones((4000, 4000))
  for _ in range(1000):
    large = large @ large / 4000
say('not reached')
""")
  process.stdout.readline()
  process.send_signal(signal.SIGTERM)
  time.sleep(0.5)
  assert process.poll() is None
  process.send_signal(signal.SIGTERM)
  assert _end(process)[:2] == (143, [])


def test_one_that_is_sent_twice_is_one():
  process = _start("""
with signals.deferred() as asked:
  say('on')
  while not asked():
    time.sleep(0.01)
  time.sleep(1)
  say('saved')
""")
  process.stdout.readline()
  process.send_signal(signal.SIGTERM)
  process.send_signal(signal.SIGTERM)
  assert _end(process)[:2] == (143, ['saved', 'raised SIGTERM'])


def test_one_that_comes_where_errors_are_dropped_is_not_lost():
  process = _start("""
import gc
def slow(phase, info):
  if phase == 'start':
    say('on')
    wait()
gc.callbacks.append(slow)
gc.collect()
gc.callbacks.clear()
wait()
""")
  process.stdout.readline()
  process.send_signal(signal.SIGTERM)
  code, out, err = _end(process)
  assert (code, out) == (143, ['raised SIGTERM'])
  assert 'Traceback' not in err


def test_afterwards_all_is_as_it_was():
  process = _start("pass")
  assert _end(process)[:2] == (0, [])
  done = subprocess.run(
      [
          sys.executable,
          '-c',
          'import signal\nfrom eqlandmarks.system import signals\n'
          'before = [signal.getsignal(n) for n in (15, 2)]\n'
          'with signals.handled():\n  pass\n'
          'assert [signal.getsignal(n) for n in (15, 2)] == before\n'
          'assert signal.set_wakeup_fd(-1) == -1\n',
      ],
      cwd=ROOT,
      check=False,
  )
  assert done.returncode == 0
