"""Who of the processes is gone: a connection from each of them to the first.

The system closes a connection when the process at its other end dies, by
whatever cause, and finds out within a minute that a machine or the network
between is gone. A process that ends well says so before.
"""

import json
import os
import secrets
import socket
import sys
import threading
import time
from typing import Any

from eqlandmarks import errors
from eqlandmarks.system import data_files

# Seconds in which a process that connects must say who it is, and bytes that it
# may take for that, or for any message.
_HELLO = 30.0
_LONGEST = 1000
# Seconds that a process which stops gives the others, to hear why. The first
# one's end alone would make JAX end them without a word of ours.
_LINGER = 5.0


class Watch:
  """The connections of process `number` of `count`."""

  _line_end = ''

  def __init__(self, number: int, count: int):
    self._me = f'process {number} of {count} (on {socket.gethostname()})'
    self._count = count
    self._peers: dict[socket.socket, threading.Thread] = {}
    self._ending = threading.Lock()

  def finish(self) -> None:
    """Says good-bye: all is done, and what closes now closes well."""
    self._ending.acquire(blocking=False)
    self._tell({'done': True})

  def leave(self) -> None:
    """Tells the others that this process stops, and waits till they have."""
    if self._ending.acquire(blocking=False):
      self._tell({'gone': self._me})
      self._linger()

  def _add(self, peer: socket.socket, name: str) -> None:
    """Begins to listen to another process."""
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ('TCP_KEEPIDLE', 10), ('TCP_KEEPINTVL', 10), ('TCP_KEEPCNT', 3),
    ):  # fmt: skip
      if hasattr(socket, option):  # not on every system
        peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    thread = threading.Thread(
        target=self._listen, args=(peer, name), daemon=True
    )
    thread.start()
    self._peers[peer] = thread  # begun: others may wait for its end

  def _listen(self, peer: socket.socket, name: str) -> None:
    try:
      with peer.makefile('rb') as lines:
        while line := lines.readline(_LONGEST):
          message = data_files.parse_json(line)
          if message.get('done'):
            return
          name = str(message['gone'])
    # A connection that is lost, or brings nothing that we say.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
      pass
    self._stop(name)

  def _stop(self, gone: str) -> None:
    """Ends this process, since another one is gone."""
    if not self._ending.acquire(blocking=False):
      return
    print(
        f'{self._line_end}error: {errors.printable(gone)} is gone, so this '
        'one stops; the same command for all processes resumes from the last '
        'checkpoint',
        file=sys.stderr,
        flush=True,
    )
    self._tell({'gone': gone})
    self._linger()
    os._exit(1)  # the main thread waits for the lost process

  def _tell(self, message: dict[str, Any]) -> None:
    for peer in list(self._peers):
      try:
        peer.sendall(json.dumps(message).encode() + b'\n')
        peer.shutdown(socket.SHUT_WR)
      except OSError:
        pass  # that one is gone itself

  def _linger(self) -> None:
    end = time.monotonic() + _LINGER
    for thread in list(self._peers.values()):
      if thread is not threading.current_thread():
        thread.join(max(0.0, end - time.monotonic()))


class Server(Watch):
  """The first process's end, to which all others connect.

  Args:
    count: how many processes there are.

  Attributes:
    address: what the others need to connect: host, port, and a secret.
  """

  _line_end = '\n'  # of the progress bar, which this process shows

  def __init__(self, count: int):
    super().__init__(0, count)
    self._secret = secrets.token_hex(16)
    self._socket = socket.create_server(('', 0))
    self._socket.settimeout(1.0)  # to find out that all are there
    self._adding = threading.Lock()
    port = self._socket.getsockname()[1]
    self.address = f'{_own_host()} {port} {self._secret}'
    threading.Thread(target=self._accept, daemon=True).start()

  def _accept(self) -> None:
    with self._socket:
      while len(self._peers) < self._count - 1:
        try:
          peer, _ = self._socket.accept()
        except OSError:  # nobody yet, or too many files are open
          time.sleep(0.1)
          continue
        # A silent stranger must not keep the others waiting.
        threading.Thread(target=self._greet, args=(peer,), daemon=True).start()

  def _greet(self, peer: socket.socket) -> None:
    """Takes a connection for a process of ours, or closes it."""
    try:
      hello = data_files.parse_json(_first_line(peer))
      if not secrets.compare_digest(str(hello['secret']), self._secret):
        raise ValueError('a stranger')
      name = str(hello['name'])
    except (OSError, ValueError, KeyError, TypeError):
      peer.close()
      return
    with self._adding:
      self._add(peer, name)


def _first_line(peer: socket.socket) -> bytes:
  """What a connection says first, and not a byte of what comes after it.

  Raises:
    OSError: it takes too long, or is lost.
  """
  line, end = b'', time.monotonic() + _HELLO
  while not line.endswith(b'\n') and len(line) < _LONGEST:
    # As a whole: a byte now and then does not prolong it.
    peer.settimeout(max(end - time.monotonic(), 1e-3))
    byte = peer.recv(1)
    if not byte:
      break
    line += byte
  return line


def _own_host() -> str:
  """Where the others find this machine."""
  try:
    # Nothing is sent: it tells the interface that would be used. The machine's
    # own name often stands for one that only itself can reach.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outwards:
      outwards.connect(('192.0.2.1', 9))
      return outwards.getsockname()[0]
  except OSError:  # no network
    return socket.gethostname()


def connect(
    address: str, number: int, count: int, *, host: str | None
) -> Watch:
  """The end of process `number` of `count`, any but the first.

  Args:
    address: see `Server`.
    number: of this process.
    count: how many processes there are.
    host: where the first process is; None takes its own word for it.
  """
  own_host, port, secret = address.split()
  watch = Watch(number, count)
  try:
    peer = socket.create_connection((host or own_host, int(port)), _HELLO)
    hello = {'secret': secret, 'name': watch._me}
    peer.sendall(json.dumps(hello).encode() + b'\n')
  except OSError as error:
    print(
        f'note: process {number} cannot watch process 0 on {host or own_host}, '
        f'port {port} ({error}); JAX notices a lost process within 100 seconds',
        file=sys.stderr,
    )
    return watch
  watch._add(peer, f'process 0 of {count} (on {host or own_host})')
  return watch
