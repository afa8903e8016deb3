"""Connections between processes, from whoever makes them."""

import contextlib
import json
import socket
import time

import pytest

from eqlandmarks.training import peers


@pytest.fixture
def server(monkeypatch):
  """The end of the first of two processes."""
  missed = []
  monkeypatch.setattr(peers.Watch, '_stop', lambda _, gone: missed.append(gone))
  end = peers.Server(2)
  end.missed = missed
  yield end
  for peer, thread in list(end._peers.items()):
    with contextlib.suppress(OSError):
      peer.shutdown(socket.SHUT_RDWR)
    thread.join(5.0)  # it ends the process, once nothing is patched


@pytest.fixture
def dial(server):
  """Connects to it, and says something."""
  with contextlib.ExitStack() as stack:

    def connect(said=b''):
      port = int(server.address.split()[1])
      peer = socket.create_connection(('127.0.0.1', port), 5.0)
      stack.enter_context(peer)
      with contextlib.suppress(OSError):  # it need not hear all of it
        peer.sendall(said)
      return peer

    yield connect


def _hello(server, **changes):
  hello = {'secret': server.address.split()[2], 'name': 'process 1', **changes}
  return json.dumps(hello).encode() + b'\n'


def _until(true):
  for _ in range(500):
    if true():
      return
    time.sleep(0.02)
  raise AssertionError('nothing happened')


def _is_closed(peer):
  try:
    return peer.recv(1) == b''
  except ConnectionResetError:
    return True


@pytest.mark.parametrize(
    'said',
    [b'[' * 900 + b'\n', b'[' * 100_000, b'x' * 100_000, b'\xff\n', b'[]\n',
     b'null\n', b'{"secret": "\xc3\xa9", "name": "x"}\n', b'{}\n', b'\n'],
)  # fmt: skip
def test_whatever_a_stranger_says_only_he_is_dropped(server, dial, said):
  assert _is_closed(dial(said))
  dial(_hello(server))
  _until(lambda: server._peers)
  assert server.missed == []


def test_the_silent_keep_nobody_waiting(server, dial):
  strangers = [dial() for _ in range(5)] + [dial(b'{"secret":')]
  dial(_hello(server))
  _until(lambda: server._peers)
  assert len(strangers) == 6


def test_a_byte_now_and_then_does_not_prolong_a_hello(monkeypatch):
  now = iter([0.0, 1.0, 29.0, 31.0])
  monkeypatch.setattr(time, 'monotonic', lambda: next(now))
  waited = []

  class Peer:

    def settimeout(self, seconds):
      waited.append(seconds)

    def recv(self, count):
      assert count == 1
      if waited[-1] < 0.1:
        raise TimeoutError
      return b'x'

  with pytest.raises(TimeoutError):
    peers._first_line(Peer())
  assert waited == [29.0, 1.0, 1e-3]


def test_what_follows_a_hello_is_not_lost(server, dial):
  said = _hello(server) + b'{"gone": "process 7"}\n'
  dial(said).shutdown(socket.SHUT_WR)
  _until(lambda: server.missed)
  assert server.missed == ['process 7']


@pytest.mark.parametrize('said', [b'[]\n', b'[' * 5000, b'{"gone": 1', b'3\n'])
def test_a_process_that_says_nonsense_is_missed(server, dial, said):
  dial(_hello(server) + said).shutdown(socket.SHUT_WR)
  _until(lambda: server.missed)
  assert server.missed == ['process 1']
