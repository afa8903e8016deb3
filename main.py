"""Discovers landmarks: python main.py --config=configs/signer.py --workdir=DIR.

The same as the command `eqlandmarks`; all of it is in
eqlandmarks/program/cli.py.
"""

from eqlandmarks.program import cli

if __name__ == '__main__':
  cli.run()
