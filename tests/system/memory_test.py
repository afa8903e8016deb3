"""The machine's memory, and one line where it ends."""

import pytest

from eqlandmarks import errors
from eqlandmarks.system import memory


def test_this_machine_has_memory():
  with open('/proc/meminfo') as file:
    kib = int(file.readline().split()[1])
  assert 0 < memory.available() <= 1024 * kib * 1.01


def test_errors_of_memory_are_one_line():
  with (
      pytest.raises(errors.UserError, match=r'x: out of memory; .*\.a, or b\.'),
      memory.enough('x', lambda: 'lower config.a, or b'),
  ):
    raise MemoryError
  with pytest.raises(ValueError, match='another'), memory.enough('x', str):
    raise ValueError('another')
