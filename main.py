"""Discovers landmarks: python main.py --config=configs/signer.py --workdir=DIR.

The same as the command `eqlandmarks`; all of it stands in
eqlandmarks/program/cli.py.
"""

from eqlandmarks.program import starting

if __name__ == '__main__':
  starting.run()
