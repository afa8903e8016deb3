"""Damage that is done to a checkpoint."""

import pathlib
import random

from parts import whole_runs

_STAGE = 'two_stage'


def newest(workdir: pathlib.Path) -> pathlib.Path:
  """The newest checkpoint of stage 2."""
  number = whole_runs.checkpoints(workdir, _STAGE)[-1]
  return workdir / _STAGE / 'checkpoints' / str(number)


def two_sealed(workdir: pathlib.Path) -> bool:
  """Whether stage 2 is unfinished and has two whole checkpoints."""
  numbers = whole_runs.checkpoints(workdir, _STAGE)
  folder = workdir / _STAGE / 'checkpoints'
  return (
      not whole_runs.done(workdir, _STAGE)
      and len(numbers) == 2
      and all((folder / str(n) / 'seal.json').exists() for n in numbers)
  )


def damage(
    checkpoint: pathlib.Path, kind: str, rng: random.Random
) -> tuple[str, str]:
  """Damages a random file of a checkpoint at a random place.

  Args:
    checkpoint: the folder.
    kind: 'cut' or 'flipped', which changes one byte.
    rng: draws the file, the place and the byte.

  Returns:
    The file's path in the checkpoint, and what was done to it.
  """
  files = [path for path in sorted(checkpoint.rglob('*')) if path.is_file()]
  path = rng.choice([path for path in files if path.stat().st_size])
  content = bytearray(path.read_bytes())
  place = rng.randrange(len(content))
  if kind == 'cut':
    done = f'cut to {place} of {len(content)} bytes'
    del content[place:]
  else:
    content[place] ^= rng.randrange(1, 256)
    done = f'byte {place} of {len(content)} is {content[place]}'
  path.write_bytes(content)
  return path.relative_to(checkpoint).as_posix(), done


def is_named(log: str, checkpoint: pathlib.Path, name: str) -> bool:
  """Whether the log says which file of which checkpoint is damaged."""
  folder = '/'.join(checkpoint.parts[-3:])
  return f'{folder} is damaged: {name} ' in log
