"""Rules for the values of config fields, as tables.

A table maps each field to a `Rule`, or to the table of a section. Its entry
`WHOLE`, if any, is a function that checks fields against each other.
"""

import math
from collections.abc import Callable
from typing import Any

from eqlandmarks import errors

# Whether a value is valid, and what is expected, in words.
Rule = tuple[Callable[[Any], bool], str]

# The entry of a check of a whole section: (config, section, prefix) -> None.
WHOLE = ''

# Larger images, nets and counts than any machine has room for. Whether this
# machine has room is checked elsewhere.
SIDE = 8192
MANY = 1_000_000
_LARGE = 1e9
# Float32 still has its square.
_SMALL = 1e-18
# Characters of a value that a message shows.
_SHOWN = 60


def check(
    config: Any, section: Any, rules: dict[str, Any], prefix: str = ''
) -> None:
  """Checks the values of a section by a table of rules.

  Args:
    config: the whole config.
    section: the config, or a section of it.
    rules: a table, see the module.
    prefix: of the names of the section's fields, such as 'pretrain.'.

  Raises:
    UserError: naming the first field whose value is wrong.
  """
  for name, rule in rules.items():
    if name == WHOLE:
      rule(config, section, prefix)
    elif isinstance(rule, dict):
      check(config, section[name], rule, f'{prefix}{name}.')
    elif not rule[0](section[name]):
      raise errors.UserError(
          f'config.{prefix}{name} is {shown(section[name])}, expected '
          f'{rule[1]}.'
      )


def shown(value: Any) -> str:
  """A value in a line of a message, cut short where it is long."""
  text = ' '.join(repr(value).split())
  return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'


def is_number(value: Any) -> bool:
  """Whether a value is a finite number."""
  # Compared, since some whole numbers are too large for a float.
  return (
      isinstance(value, (int, float))
      and not isinstance(value, bool)
      and -math.inf < value < math.inf
  )


def is_whole(value: Any, least: int, most: int) -> bool:
  """Whether a value is a whole number within bounds."""
  return type(value) is int and least <= value <= most


def number(check: Callable[[Any], bool], expected: str) -> Rule:
  """The rule of a finite number that passes a check."""
  return (lambda v: is_number(v) and check(v), expected)


def integer(least: int, most: int = MANY) -> Rule:
  """The rule of a whole number within bounds."""
  text = f'a whole number of at least {least} and at most {most}'
  return (lambda v: is_whole(v, least, most), text)


def one_of(*choices: str) -> Rule:
  """The rule of a choice."""
  names = ', '.join(choice or "''" for choice in choices)
  return (lambda v: v in choices, f'one of {names}')


def positive(most: float = _LARGE) -> Rule:
  """The rule of a number above 0."""
  text = f'a number from {_SMALL:g} to {most:g}'
  return number(lambda v: _SMALL <= v <= most, text)


def not_negative(most: float = _LARGE) -> Rule:
  """The rule of a number from 0 on."""
  text = f'a number of at least 0, at most {most:g}'
  return number(lambda v: 0 <= v <= most, text)


SEED = (
    lambda v: is_whole(v, 0, 2**32 - 1),
    'a whole number from 0 to 4294967295',
)
SHARE = number(lambda v: 0 <= v <= 1, 'a number from 0 to 1')
