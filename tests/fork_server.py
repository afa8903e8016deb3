"""Runs main.py many times over without importing everything each time.

Reads lines of JSON, lists of arguments, and answers each with a line of JSON:
the exit code and what came on both streams. Each run is a fork of this process,
with flags, JAX and all else as fresh as in a process of its own.
"""

import json
import os
import runpy
import sys
import tempfile
import traceback

from eqlandmarks.program import modes

# What takes the time.
for _mode in modes.MODES:
  modes.find(_mode)


def _run(arguments: list[str], out: int, err: int) -> None:
  """Becomes main.py; does not return."""
  os.dup2(out, 1)
  os.dup2(err, 2)
  sys.argv = ['main.py', *arguments]
  code = 0
  try:
    runpy.run_path('main.py', run_name='__main__')
  except SystemExit as error:
    code = error.code or 0
  except BaseException:
    traceback.print_exc()
    code = 1
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def main() -> None:
  """Serves until its input ends."""
  for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
      child = os.fork()
      if not child:
        _run(json.loads(line), out.fileno(), err.fileno())
      _, status = os.waitpid(child, 0)
      answer = {'code': os.waitstatus_to_exitcode(status)}
      for name, file in (('out', out), ('err', err)):
        file.seek(0)
        answer[name] = file.read().decode(errors='replace')
    print(json.dumps(answer), flush=True)


if __name__ == '__main__':
  main()
