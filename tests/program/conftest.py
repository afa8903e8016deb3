"""A process that runs main.py many times over."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope='module')
def main():
  """Calls main.py with arguments, in a folder if one is given."""
  env = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  env |= {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '2'}
  with subprocess.Popen(
      [sys.executable, 'tests/fork_server.py'], cwd=ROOT, env=env, text=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
  ) as process:  # fmt: skip

    def run(*arguments):
      process.stdin.write(json.dumps([str(a) for a in arguments]) + '\n')
      process.stdin.flush()
      return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()
