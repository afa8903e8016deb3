"""Sub-commands stand for flags."""

import pathlib
import sys

import pytest

from eqlandmarks import errors
from eqlandmarks.program import commands
from eqlandmarks.program import modes

SWITCHES = ('verbose', 'noverbose')


def _flags(line):
  return commands.expanded(['eqlandmarks', *line.split()], SWITCHES)[0][1:]


@pytest.mark.parametrize(
    ('line', 'flags'),
    [
        ('train signer', '--mode=train --config=signer --workdir=runs/signer'),
        ('train configs/mine.py:a,b --config.seed=1',
         '--mode=train --config=configs/mine.py:a,b '
         '--workdir=runs/mine-a-b --config.seed=1'),
        ('train signer --workdir=w',
         '--mode=train --config=signer --workdir=w'),
        ('train --config signer --workdir w',
         '--mode=train --config signer --workdir w'),
        ('prepare folder --config.dataset.root=a b=c'.rpartition(' ')[0],
         '--mode=prepare --config=folder --workdir=runs/folder '
         '--config.dataset.root=a'),
        ('predict runs/m v.mp4',
         '--mode=predict --workdir=runs/m --config.predict.input=v.mp4'),
        ('predict --config.predict.trail 3 --verbose runs/m v.mp4',
         '--mode=predict --workdir=runs/m --config.predict.input=v.mp4 '
         '--config.predict.trail 3 --verbose'),
        ('predict runs/m --config.predict.input=v.mp4',
         '--mode=predict --workdir=runs/m --config.predict.input=v.mp4'),
        ('predict runs/m', '--mode=predict --workdir=runs/m'),
        ('export runs/m', '--mode=export --workdir=runs/m'),
        ('label runs/m v.mp4',
         '--mode=label --workdir=runs/m --config.predict.input=v.mp4'),
        ('label runs/m', '--mode=label --workdir=runs/m'),
        ('fit runs/m points.csv',
         '--mode=fit --workdir=runs/m --config.fit.labels=points.csv'),
        ('fit runs/m points.csv photos',
         '--mode=fit --workdir=runs/m --config.fit.labels=points.csv '
         '--config.predict.input=photos'),
        ('report --workdir=w', '--mode=report --workdir=w'),
        ('--config=signer --workdir=w', '--config=signer --workdir=w'),
        ('evaluate --help', '--help'),
        ('', ''),
    ],
)
def test_what_commands_stand_for(line, flags):
  assert _flags(line) == flags.split()


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('trian signer', "'trian' is no command, the nearest is train"),
        ('train', "'train' is followed by nothing, expected train CONFIG"),
        ('export', 'expected export RUN,'),
        ('fit a', "'fit' is followed by 'a', expected fit RUN LABELS [INPUT]"),
        ('export a b', "followed by 'a' 'b', expected export RUN,"),
        ('predict a 1.png 2.png 3.png',
         "'a' '1.png' '2.png' ..., expected predict RUN [INPUT] (a pattern"),
        ('compare a', "followed by 'a', expected compare RUN RUN ..."),
        ('predict a --workdir=b', '--workdir is given beside'),
        ('predict a b --config.predict.input=c', 'predict.input is given'),
        ('train signer --config=folder', '--config is given beside'),
        ('report a --mode=train', '--mode is given beside'),
    ],
)
def test_wrong_words_are_named(line, said):
  with pytest.raises(errors.UserError) as caught:
    _flags(line)
  assert said in str(caught.value)
  assert '\n' not in str(caught.value)


def test_an_empty_word_is_none():
  with pytest.raises(errors.UserError, match='expected export RUN'):
    commands.expanded(['eqlandmarks', 'export', ''], SWITCHES)


def test_what_comes_next_is_a_command(monkeypatch):
  run = pathlib.Path('runs/my mouse')
  monkeypatch.setattr(sys, 'argv', ['/x/main.py'])
  assert commands.next_ones(run) == (
      "next: python main.py predict 'runs/my mouse' INPUT, or python main.py "
      "export 'runs/my mouse'"
  )
  monkeypatch.setattr(sys, 'argv', ['/x/bin/eqlandmarks'])
  assert commands.next_ones(run).startswith('next: eqlandmarks predict ')


def test_runs_to_compare():
  argv = ['eqlandmarks', 'compare', 'a', '--csv', 'x.csv', 'b', 'c']
  assert commands.expanded(argv, SWITCHES) == (
      ['eqlandmarks', '--csv', 'x.csv'], ['a', 'b', 'c']
  )


def test_every_mode_is_a_command_and_the_help_names_it():
  lines = commands.usage().splitlines()
  names = [line.split()[0] for line in lines]
  assert sorted(names) == sorted([*modes.MODES, commands.COMPARE])
  assert max(map(len, lines)) < 80
