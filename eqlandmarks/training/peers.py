"""Notices when a process is gone: each holds a connection to the first.

The system closes a connection when the process at its other end dies, from
whatever cause, and notices within a minute when a machine or the network is
gone. A process that ends well sends a message first.
"""

import contextlib
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

# Seconds in which a process that connects must identify itself, and the bytes
# of its longest message.
_HELLO = 30.0
_LONGEST = 1000
# Seconds for which a process that stops lingers, so that the others can report
# why. If the first one just ended, JAX would end them with its own log.
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
    """Tells the others that all is done: connections may close from now on."""
    self._ending.acquire(blocking=False)
    self._tell({'done': True})

  def leave(self) -> None:
    """Tells the others that this process stops, and waits until they stop."""
    self._end(self._me)

  def _add(self, peer: socket.socket, name: str) -> None:
    """Starts listening to another process."""
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
    # The connection is lost, or sends what is no message of ours.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
      pass
    self._stop(name)

  def _stop(self, gone: str) -> None:
    """Ends this process, since another one is gone."""
    reason = (
        f'{self._line_end}error: {errors.printable(gone)} is gone, so this '
        'one stops; the same command for all processes resumes from the last '
        'checkpoint'
    )
    if self._end(gone, reason):
      os._exit(1)  # the main thread waits for the lost process

  def _end(self, gone: str, reason: str = '') -> bool:
    """Reports a lost process once, then waits; False if the end has begun."""
    if not self._ending.acquire(blocking=False):
      return False
    if reason:
      print(reason, file=sys.stderr, flush=True)
    self._tell({'gone': gone})
    end = time.monotonic() + _LINGER
    for thread in list(self._peers.values()):
      if thread is not threading.current_thread():
        thread.join(max(0.0, end - time.monotonic()))
    return True

  def _tell(self, message: dict[str, Any]) -> None:
    for peer in list(self._peers):
      with contextlib.suppress(OSError):  # it is gone itself
        peer.sendall(json.dumps(message).encode() + b'\n')
        peer.shutdown(socket.SHUT_WR)


class Server(Watch):
  """The end of the first of `count` processes, to which all others connect.

  Attributes:
    address: what the others need to connect: host, port, and a secret.
  """

  _line_end = '\n'  # of the progress bar, which this process shows

  def __init__(self, count: int):
    super().__init__(0, count)
    self._secret = secrets.token_hex(16)
    self._socket = socket.create_server(('', 0))
    self._socket.settimeout(1.0)  # to notice that all have connected
    self._adding = threading.Lock()
    port = self._socket.getsockname()[1]
    self.address = f'{_own_host()} {port} {self._secret}'
    threading.Thread(target=self._accept, daemon=True).start()

  def _accept(self) -> None:
    with self._socket:
      while len(self._peers) < self._count - 1:
        try:
          peer, _ = self._socket.accept()
        except OSError:  # a timeout, or too many files are open
          time.sleep(0.1)
          continue
        # A stranger that sends nothing must not keep the others waiting.
        threading.Thread(target=self._greet, args=(peer,), daemon=True).start()

  def _greet(self, peer: socket.socket) -> None:
    """Accepts the connection of a process of this run, or closes it."""
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
  """The first line of a connection, and not a byte of what follows."""
  line, end = b'', time.monotonic() + _HELLO
  while not line.endswith(b'\n') and len(line) < _LONGEST:
    # The time is for the whole line: single bytes do not prolong it.
    peer.settimeout(max(end - time.monotonic(), 1e-3))
    byte = peer.recv(1)
    if not byte:
      break
    line += byte
  return line


def _own_host() -> str:
  """The address at which the others reach this machine."""
  try:
    # Nothing is sent: it tells the interface that would be used. The machine's
    # own name often stands for an address that only the machine itself reaches.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outwards:
      outwards.connect(('192.0.2.1', 9))
      return outwards.getsockname()[0]
  except OSError:  # no network
    return socket.gethostname()


def connect(
    address: str, number: int, count: int, *, host: str | None
) -> Watch:
  """The end of process `number` of `count`, any but the first.

  `host`, if given, replaces the one in the `address` of the `Server`.
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
